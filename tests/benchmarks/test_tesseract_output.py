from __future__ import annotations

import pytest

from benchmarks.rivals.tesseract_reader import join_words, parse_tsv

HEADER = (
    "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
)
ROWS = [
    "1\t1\t0\t0\t0\t0\t0\t0\t600\t800\t-1\t",
    "2\t1\t1\t0\t0\t0\t10\t20\t200\t30\t-1\t",
    "3\t1\t1\t1\t0\t0\t10\t20\t200\t30\t-1\t",
    "4\t1\t1\t1\t1\t0\t10\t20\t200\t30\t-1\t",
    "5\t1\t1\t1\t1\t1\t10\t20\t80\t30\t96.5\tGood",
    '5\t1\t1\t1\t1\t2\t100\t20\t110\t30\t83.5\t"day"',
    "4\t1\t1\t1\t2\t0\t10\t60\t50\t30\t-1\t",
    "5\t1\t1\t1\t2\t1\t10\t60\t50\t30\t95\t ",
]


def test_a_line_is_its_words_in_its_own_box() -> None:
    page = parse_tsv("\n".join([HEADER, *ROWS]) + "\n")
    # mean of 0.965 and 0.835; the second line holds nothing but a blank and is no line
    assert page["regions"] == [
        {"polygon": [[10, 20], [210, 20], [210, 50], [10, 50]], "text": 'Good "day"', "score": 0.9}
    ]
    assert [word["text"] for word in page["words"]] == ["Good", '"day"']


def test_a_page_without_text_has_no_regions() -> None:
    assert parse_tsv(f"{HEADER}\n{ROWS[0]}\n") == {"regions": [], "words": []}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["two", "words"], "two words"),
        (["图书", "馆"], "图书馆"),
        (["第", "12", "页"], "第 12 页"),
        (["馆", "，", "open"], "馆， open"),
    ],
)
def test_words_are_joined_as_their_script_is_written(words: list[str], text: str) -> None:
    assert join_words(words) == text
