import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_core.page import TextLine, Word, quad_of
from storage.exports import jsonl, layout, markdown, text
from storage.pages import DocumentRef, PageRecord, ReadBy

MakeLine = Callable[..., TextLine]

DOCUMENT = DocumentRef(7, "a" * 64, "/inbox/发票.pdf", "application/pdf", 9)
READ_BY = ReadBy("rec", "b" * 64, "det", "c" * 64, None, None, "openvino", "fp32", "d" * 64, "1.0")


def page(*lines: TextLine, page_no: int = 1) -> PageRecord:
    return PageRecord(
        document=DOCUMENT,
        page_no=page_no,
        state="done",
        lines=lines,
        width=1000,
        height=1400,
        dpi=200.0,
        rotation=0,
        text_source="ocr",
        verdict="none",
        mean_confidence=0.9,
        seconds=0.5,
        image_sha256="e" * 64,
        error_code=None,
        error_message=None,
        read_by=READ_BY,
    )


def spoilt(page_no: int, message: str = "It is damaged.") -> PageRecord:
    return replace(
        page(page_no=page_no), state="quarantined", error_code="page_damaged", error_message=message
    )


def body(*lines: TextLine) -> str:
    """The Markdown of one page without its marker."""
    marker, *rest = "".join(markdown.render([page(*lines)])).split("\n\n")
    assert marker.startswith("<!-- page 1")
    return "\n\n".join(rest).rstrip("\n")


def test_text_is_lines_with_a_form_feed_between_pages(make_line: MakeLine) -> None:
    pages = [page(make_line("a"), make_line("b")), spoilt(2), page(make_line("c\fd"))]
    assert "".join(text.render(pages)) == "a\nb\n\f\fc d\n"


def test_text_of_nothing_is_nothing() -> None:
    assert "".join(text.render([])) == ""


def test_a_page_is_one_line_of_json_with_everything_in_it(make_line: MakeLine) -> None:
    (written,) = jsonl.render([page(make_line("增 b", x=5, y=7))])
    assert written.endswith("\n")
    assert written.count("\n") == 1
    value = json.loads(written)
    assert value["schema"] == "pagemill.page/1"
    assert value["document"] == {
        "id": 7,
        "sha256": "a" * 64,
        "source": "/inbox/发票.pdf",
        "media_type": "application/pdf",
        "file_pages": 9,
    }
    assert (value["page"], value["state"], value["text"]) == (1, "done", "增 b")
    (line,) = value["lines"]
    assert line["box"] == [5, 7, 35, 27]
    assert line["polygon"] == [[5, 7], [35, 7], [35, 27], [5, 27]]
    assert [word["text"] for word in line["words"]] == ["增", "b"]
    assert line["words"][1]["box"] == [25, 7, 35, 27]
    assert value["provenance"]["recognizer_sha256"] == "b" * 64
    assert value["error"] is None


def test_the_documented_fields_are_the_written_ones() -> None:
    documented = re.findall(r"^    (\w[\w, ]*?)  +\S", jsonl.__doc__ or "", re.MULTILINE)
    names = [name for group in documented for name in group.split(", ")]
    (written,) = jsonl.render([page()])
    assert names == list(json.loads(written))


def test_a_page_given_up_says_why_in_json() -> None:
    (written,) = jsonl.render([spoilt(2)])
    value = json.loads(written)
    assert value["error"] == {"code": "page_damaged", "message": "It is damaged."}
    assert (value["lines"], value["text"]) == ([], "")


def test_every_page_is_named_in_markdown_and_errors_too(make_line: MakeLine) -> None:
    written = "".join(markdown.render([page(make_line("a")), spoilt(2, "--> <b>--")]))
    assert written.startswith("<!-- page 1 -->\n\na\n")
    assert "<!-- page 2: quarantined (page_damaged: - <b-) -->" in written


def paragraph(make_line: MakeLine, *texts: str, height: float = 20) -> Sequence[TextLine]:
    """Lines of one block, all but the last as wide as the block."""
    widths = [300.0] * (len(texts) - 1) + [150.0]
    return [
        make_line(words, y=25 * number, width=width, height=height)
        for number, (words, width) in enumerate(zip(texts, widths, strict=True))
    ]


def test_lines_of_a_block_become_a_paragraph(make_line: MakeLine) -> None:
    lines = paragraph(make_line, "It was a dark", "and stormy exam-", "ple of a night.")
    assert body(*lines) == "It was a dark and stormy example of a night."


def test_chinese_lines_are_joined_without_a_blank(make_line: MakeLine) -> None:
    assert body(*paragraph(make_line, "增值税", "发票", "VAT", "税")) == "增值税发票 VAT 税"


def test_a_name_with_a_hyphen_at_the_lines_end_keeps_it(make_line: MakeLine) -> None:
    assert body(*paragraph(make_line, "Mrs. Smith-", "Jones")) == "Mrs. Smith- Jones"


def test_a_short_line_a_gap_and_another_block_end_a_paragraph(make_line: MakeLine) -> None:
    lines = [
        make_line("ends short.", y=0, width=100),
        make_line("goes on until here", y=25, width=300),
        make_line("after a gap", y=85, width=300),
        make_line("in another block", y=110, width=300, block=1),
    ]
    assert body(*lines).split("\n\n") == [
        "ends short.",
        "goes on until here",
        "after a gap",
        "in another block",
    ]


def test_cells_side_by_side_are_a_row_of_their_own(make_line: MakeLine) -> None:
    lines = [
        make_line("Milk", y=0, width=100),
        make_line("1.20", x=200, y=2, width=100),
        make_line("Bread", y=25, width=100),
        make_line("2.50", x=200, y=27, width=100),
        make_line("Thank you for coming", y=50, width=300),
    ]
    assert body(*lines) == "Milk 1.20\n\nBread 2.50\n\nThank you for coming"


def test_three_rows_in_the_same_columns_are_a_table(make_line: MakeLine) -> None:
    lines = [
        make_line("Item", y=0, width=60),
        make_line("Each", x=200, y=0, width=60),
        make_line("Sum", x=300, y=0, width=60),
        make_line("Milk | cream", y=25, width=120),
        make_line("3.60", x=310, y=27, width=50),
        make_line("Bread", y=50, width=80),
        make_line("2.50", x=205, y=50, width=50),
        make_line("5.00", x=310, y=50, width=50),
        make_line("Thank you for coming", y=75, width=360),
    ]
    assert body(*lines).split("\n\n") == [
        "| Item | Each | Sum |\n|---|---|---|\n"
        "| Milk \\| cream |  | 3.60 |\n| Bread | 2.50 | 5.00 |",
        "Thank you for coming",
    ]


def test_columns_of_text_that_do_not_line_up_are_no_table(make_line: MakeLine) -> None:
    lines = [
        make_line(f"{word}{n}", x=x + 90 * (n % 2), y=25 * n, width=100)
        for n in range(4)
        for word, x in (("left", 0), ("right", 120))
    ]
    assert "|" not in body(*lines)


def test_layout_puts_lines_where_they_stand(make_line: MakeLine) -> None:
    lines = [
        make_line("Invoice", x=100, y=0),
        make_line("4711", x=300, y=3),
        make_line("税额", x=100, y=100, width=40),
        make_line("Sum", x=300, y=100),
    ]
    assert "".join(layout.render([page(*lines), spoilt(2)])).split("\n") == [
        "Invoice             4711",
        "",
        "",
        "税额                Sum",
        "\f",
    ]


def test_layout_loses_no_text_where_lines_run_into_each_other(make_line: MakeLine) -> None:
    lines = [make_line("wide words here", x=0), make_line("too", x=20), make_line("near", x=22)]
    assert "".join(layout.render([page(*lines)])) == "wide words here too near\n"


def test_list_items_stay_apart(make_line: MakeLine) -> None:
    lines = paragraph(make_line, "We need", "• milk", "• bread and", "butter", "2) salt")
    assert body(*lines) == "We need\n\n- milk\n\n- bread and butter\n\n2) salt"


def test_large_letters_in_a_short_block_are_a_heading(make_line: MakeLine) -> None:
    text_lines = [make_line(f"line {n} of the text", y=200 + 25 * n, block=2) for n in range(6)]
    lines = [
        make_line("Annual", y=0, height=50, block=0),
        make_line("Report", y=60, height=50, block=0),
        make_line("Part one", y=120, height=32, block=1),
        *text_lines,
    ]
    assert body(*lines).startswith("# Annual Report\n\n## Part one\n\nline 0")


def test_a_price_or_a_page_of_few_lines_has_no_heading(make_line: MakeLine) -> None:
    assert body(make_line("Large", height=80), make_line("small", y=100, block=1)).startswith("Lar")
    lines = [make_line(f"line {n} of the text", y=25 * n) for n in range(6)]
    assert body(*lines, make_line("99.00", y=300, height=60, block=1)).endswith("\n\n99.00")


def test_text_that_looks_like_markdown_is_escaped(make_line: MakeLine) -> None:
    assert body(make_line("# 1 of *all* _these_ snake_case <b> [x](y) `z` \\ &amp; a < b")) == (
        r"\# 1 of \*all\* \_these\_ snake_case \<b> \[x\](y) \`z\` \\ \&amp; a < b"
    )
    assert body(make_line("----")) == r"\----"
    assert body(make_line("> quoted")) == r"\> quoted"


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=15),
            *[st.floats(0, 1000, allow_subnormal=False)] * 2,
            *[st.floats(0, 300, allow_subnormal=False)] * 2,
            st.integers(0, 2),
        ),
        max_size=8,
    )
)
def test_no_page_is_too_odd_to_export(
    parts: list[tuple[str, float, float, float, float, int]],
) -> None:
    lines = [
        TextLine(words, quad, 0.5, (Word(words, quad, 0.5),), "ocr", block)
        for words, x, y, width, height, block in parts
        for quad in [quad_of((x, y, x + width, y + height))]
    ]
    odd = page(*lines)
    written = "".join(markdown.render([odd, odd]))
    assert written.count("<!-- page 1 -->") >= 2
    assert "".join(text.render([odd, odd])).count("\f") == 1
    kept = "".join(layout.render([odd])).split()
    assert sorted(kept) == sorted(part for line in odd.lines for part in line.text.split())
    (line, _) = jsonl.render([odd, odd])
    assert json.loads(line)["text"] == odd.text


def test_nothing_that_was_read_is_lost_in_markdown(make_line: MakeLine) -> None:
    lines = [make_line(f"word{n}", y=25 * n, width=100 + 37 * (n % 5)) for n in range(30)]
    assert re.findall(r"word\d+", body(*lines)) == [f"word{n}" for n in range(30)]


@pytest.mark.parametrize("writer", [text, layout, jsonl, markdown])
def test_writers_take_pages_one_by_one(writer: object, make_line: MakeLine) -> None:
    taken = []

    def pages() -> object:
        for number in range(1, 4):
            taken.append(number)
            yield page(make_line("x"), page_no=number)

    pieces = writer.render(pages())  # type: ignore[attr-defined]
    next(pieces)
    assert taken == [1]
