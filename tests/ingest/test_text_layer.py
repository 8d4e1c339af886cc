"""Verdicts on text layers, on pages drawn here: what is stored must be what a person sees."""

import io
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from ingest.content import PageContent
from ingest.sandbox import Sandbox
from ingest.text_layer import join
from ocr_core.page import Box, TextLine, Word, quad_of

Draw = Callable[[pymupdf.Page], object]
Judged = Callable[..., PageContent]
SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Pack my box with five dozen liquor jugs, said the host.",
    "How vexingly quick daft zebras jump over the fence!",
    "Sphinx of black quartz, judge my vow before the morning.",
    "Bright vixens jump while dozy fowl quack in the yard.",
    "The five boxing wizards jump quickly across the stage.",
]


@pytest.fixture
def judged(sandbox: Sandbox, tmp_path: Path) -> Judged:
    """Saves what a function draws on a page and has the sandbox judge it."""

    def save_and_read(*draws: Draw, **how: object) -> PageContent:
        path = tmp_path / "page.pdf"
        with pymupdf.open() as document:
            page = document.new_page(width=595, height=842)
            for draw in draws:
                draw(page)
            document.save(path)
        return sandbox.page(path, 1, **how)  # type: ignore[arg-type]

    return save_and_read


def writing(top: float = 72, **how: object) -> Draw:
    """Six lines of English."""

    def draw(page: pymupdf.Page) -> None:
        for number, sentence in enumerate(SENTENCES):
            page.insert_text((72, top + 20 * number), sentence, **how)

    return draw


def picture_of_text(text: list[str], size: int = 34) -> bytes:
    """A PNG of lines, dark on white, as a scanner makes them."""
    picture = Image.new("L", (1400, 60 * len(text) + 40), 250)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.truetype(io.BytesIO(pymupdf.Font("helv").buffer), size)
    for number, line in enumerate(text):
        pen.text((40, 20 + 60 * number), line, fill=20, font=font)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def scan(box: Box = (0, 0, 595, 842), text: list[str] = SENTENCES * 3) -> Draw:
    picture = picture_of_text(text)
    return lambda page: page.insert_image(box, stream=picture, keep_proportion=False)


def texts(page: PageContent) -> list[str]:
    return [line.text for line in page.lines]


def covered(areas: tuple[Box, ...], box: Box, dpi: float) -> bool:
    """Whether one area holds a box that is given in points."""
    x0, y0, x1, y1 = (value * dpi / 72 for value in box)
    return any(a <= x0 and b <= y0 and c >= x1 and d >= y1 for a, b, c, d in areas)


# --- true ----------------------------------------------------------------------------------


def test_a_letter_is_true_and_is_not_drawn(judged: Judged) -> None:
    page = judged(writing())
    assert (page.verdict, page.image, page.areas) == ("true", None, ())
    assert texts(page) == SENTENCES
    assert {line.source for line in page.lines} == {"text_layer"}
    assert [word.text for word in page.lines[0].words] == SENTENCES[0].split()


def test_tables_rules_and_charts_do_not_make_a_page_doubtful(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        for row in range(12):
            page.draw_line((72, 300 + 20 * row), (500, 300 + 20 * row), width=0.7)
            for column in range(6):
                page.insert_text((76 + 72 * column, 314 + 20 * row), f"{row * column:,}.00")
        for column in range(7):
            page.draw_line((72 + 71 * column, 300), (72 + 71 * column, 520), width=0.7)
        points = [(72 + 4 * x, 650 + 40 * np.sin(x / 5)) for x in range(100)]
        page.draw_polyline(points, color=(0, 0, 1))
        for bar in range(12):
            page.draw_rect((72 + 30 * bar, 800 - 8 * bar, 90 + 30 * bar, 800), fill=(0.2, 0.5, 0.3))

    assert judged(writing(), draw).verdict == "true"


def test_a_plain_picture_is_not_read(judged: Judged) -> None:
    sky = Image.linear_gradient("L").resize((400, 300))
    file = io.BytesIO()
    sky.save(file, "PNG")
    page = judged(
        writing(), lambda page: page.insert_image((72, 300, 500, 600), stream=file.getvalue())
    )
    assert page.verdict == "true"


def test_text_on_a_coloured_ground_is_seen(judged: Judged) -> None:
    page = judged(
        lambda page: page.draw_rect((60, 50, 540, 200), fill=(0.1, 0.2, 0.5)),
        writing(color=(1, 1, 1)),
    )
    assert page.verdict == "true"
    assert texts(page) == SENTENCES


def test_a_shadow_is_not_said_twice(judged: Judged) -> None:
    shadow = writing(top=72.8, color=(0.6, 0.6, 0.6))
    assert texts(judged(shadow, writing())) == SENTENCES


def test_ligatures_are_taken_apart_and_soft_hyphens_dropped(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        writer = pymupdf.TextWriter(page.rect)
        writer.append((72, 100), "of\ufb01ce a\ufb04uent soft\u00adware", pymupdf.Font("cjk"))
        writer.append((72, 130), "divi\u00ad", pymupdf.Font("cjk"))
        writer.write_text(page)

    assert texts(judged(draw)) == ["office affluent software", "divi-"]


def test_chinese_characters_are_words_of_their_own(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        writer = pymupdf.TextWriter(page.rect)
        writer.append((72, 100), "发票 No. 42（共3页）", pymupdf.Font("cjk"))
        writer.write_text(page)

    (line,) = judged(draw).lines
    assert line.text == "发票 No. 42（共3页）"
    assert [word.text for word in line.words] == [
        "发", "票", "No.", "42", "（", "共", "3", "页", "）",
    ]  # fmt: skip
    boxes = [word.quad for word in line.words]
    assert all(a[1][0] <= b[0][0] + 1 for a, b in pairwise(boxes))


def test_list_signs_of_symbol_fonts_do_not_spoil_their_lines(
    judged: Judged, raw_pdf: Callable[..., Path], sandbox: Sandbox
) -> None:
    content = b"BT /W 12 Tf 72 700 Td (\xfe \xa8) Tj /H 12 Tf ( approved by all of us) Tj ET"
    to_unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def "
        b"1 begincodespacerange <00> <FF> endcodespacerange "
        b"2 beginbfchar <FE> <F0FE> <A8> <F0A8> endbfchar endcmap end end"
    )
    path = raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</W 5 0 R/H 6 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/TrueType/BaseFont/Wingdings/ToUnicode 7 0 R>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(to_unicode), to_unicode),
    )
    page = sandbox.page(path, 1)
    assert page.verdict == "true"
    assert texts(page) == ["☑ □ approved by all of us"]


# --- hidden --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [{"render_mode": 3}, {"render_mode": 7}, {"fill_opacity": 0}, {"fill_opacity": 0.02}],
)
def test_an_invisible_layer_over_a_scan_is_hidden(judged: Judged, how: dict[str, float]) -> None:
    page = judged(scan(), writing(**how))
    assert (page.verdict, page.lines, page.areas) == ("hidden", (), ())
    assert page.image is not None


def test_visible_text_under_a_scan_is_hidden(judged: Judged) -> None:
    assert judged(writing(), scan()).verdict == "hidden"


@pytest.mark.parametrize(
    "how", [{"color": (1, 1, 1)}, {"color": (0.99, 0.99, 0.97)}, {"fontsize": 0.5}]
)
def test_what_nobody_can_see_is_not_said(judged: Judged, how: dict[str, object]) -> None:
    page = judged(writing(top=400, **how), writing())
    assert (page.verdict, texts(page)) == ("true", SENTENCES)


def test_text_beside_the_page_is_not_said(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((-300, 100), "to the left of it")
        page.insert_text((100, 900), "below it")

    assert texts(judged(writing(), draw)) == SENTENCES


def test_text_under_a_black_bar_is_not_said(judged: Judged) -> None:
    # the lines stand on 72, 92, 112 ...: the bar lies over the third
    page = judged(writing(), lambda page: page.draw_rect((60, 98, 540, 118), fill=(0, 0, 0)))
    assert texts(page) == [*SENTENCES[:2], *SENTENCES[3:]]


def test_a_stamp_on_a_scan_stays_true_beside_its_hidden_layer(judged: Judged) -> None:
    def stamp(page: pymupdf.Page) -> None:
        page.draw_rect((300, 800, 595, 842), fill=(1, 1, 1))
        page.insert_text((310, 825), "ACME 000123")

    page = judged(scan(), writing(render_mode=3), stamp)
    assert (page.verdict, texts(page)) == ("hidden", ["ACME 000123"])
    assert page.image is not None


# --- garbage -------------------------------------------------------------------------------


def shifted(text: str) -> str:
    """Letters as a font without a true encoding names them: all a place further on."""
    table = str.maketrans("abcdefghijklmnopqrstuvwxyz", "qwvxzjkpfgbdhmcnyrtlsuieoa")
    return text.lower().translate(table)


def test_letters_exchanged_for_each_other_are_garbage(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        for number, sentence in enumerate(SENTENCES * 2):
            page.insert_text((72, 72 + 20 * number), shifted(sentence))

    page = judged(draw)
    assert (page.verdict, page.lines) == ("garbage", ())
    assert page.image is not None


def test_glyphs_without_characters_are_garbage(
    sandbox: Sandbox, raw_pdf: Callable[..., Path]
) -> None:
    """An Identity-H font without ToUnicode: MuPDF can only say which glyph it is."""
    font = pymupdf.Font("helv").buffer
    glyphs = b"".join(b"%04x" % number for number in range(36, 76))
    content = b"BT /F 14 Tf 40 700 Td <%b> Tj 0 -30 Td <%b> Tj ET" % (glyphs, glyphs)
    path = raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[6 0 R]>>",
        b"<</Type/Font/Subtype/CIDFontType0/BaseFont/X/FontDescriptor 7 0 R/DW 600"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        b"<</Type/FontDescriptor/FontName/X/Flags 4/FontFile3 8 0 R>>",
        b"<</Subtype/OpenType/Length %d>>stream\n%b\nendstream" % (len(font), font),
    )
    page = sandbox.page(path, 1)
    assert page.verdict == "garbage"
    assert page.lines == ()


def test_one_broken_line_is_read_and_the_rest_is_kept(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        writer = pymupdf.TextWriter(page.rect)
        writer.append((72, 430), "\ue000\ue001\ue002\ue003\ue004", pymupdf.Font("cjk"))
        writer.write_text(page)
        page.draw_rect((72, 421, 100, 434))

    page = judged(writing(), draw)
    assert (page.verdict, texts(page)) == ("partial", SENTENCES)
    assert covered(page.areas, (75, 424, 100, 430), page.dpi)


def test_an_icon_is_no_reason_to_read_a_page(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        writer = pymupdf.TextWriter(page.rect)
        writer.append((50, 72), "\ue000", pymupdf.Font("cjk"))
        writer.write_text(page)
        page.draw_circle((55, 68), 5)

    page = judged(writing(), draw)
    assert (page.verdict, texts(page)) == ("true", SENTENCES)


# --- partial -------------------------------------------------------------------------------


def test_text_in_a_picture_is_an_area_to_read(judged: Judged) -> None:
    page = judged(writing(), scan((72, 300, 500, 420), SENTENCES[:2]))
    assert (page.verdict, texts(page)) == ("partial", SENTENCES)
    assert page.image is not None
    assert covered(page.areas, (90, 320, 300, 400), page.dpi)
    assert not covered(page.areas, (72, 60, 200, 70), page.dpi)


def test_text_drawn_as_outlines_is_an_area_to_read(judged: Judged) -> None:
    def draw(page: pymupdf.Page) -> None:
        with pymupdf.open() as written:
            sheet = written.new_page(width=400, height=60)
            sheet.insert_text((10, 40), "Terms of delivery 2026", fontsize=20)
            outlines = sheet.get_svg_image(text_as_path=True)
        with pymupdf.open(stream=outlines.encode(), filetype="svg") as drawing:
            paths = drawing.convert_to_pdf()
        with pymupdf.open("pdf", paths) as document:
            page.show_pdf_page(pymupdf.Rect(72, 500, 472, 560), document, 0)

    page = judged(writing(), draw)
    assert (page.verdict, texts(page)) == ("partial", SENTENCES)
    assert covered(page.areas, (90, 525, 250, 538), page.dpi)


def test_a_large_scan_under_a_true_heading_is_read_even_if_nothing_looks_like_print(
    judged: Judged,
) -> None:
    """Handwriting: long joined strokes that no test for letters knows."""
    paper = Image.new("L", (1200, 1600), 245)
    pen, chance = ImageDraw.Draw(paper), random.Random(3)
    for row in range(100, 1500, 110):
        wave = [(x, row + chance.randint(-25, 25)) for x in range(80, 1100, 18)]
        pen.line(wave, fill=60, width=4, joint="curve")
    file = io.BytesIO()
    paper.save(file, "PNG")
    page = judged(
        writing(), lambda page: page.insert_image((0, 250, 595, 842), stream=file.getvalue())
    )
    assert page.verdict == "partial"
    assert covered(page.areas, (150, 350, 450, 750), page.dpi)


def test_areas_to_read_never_overlap(judged: Judged) -> None:
    """Text in a large scan is found twice: as text, and as a part of the scan."""
    page = judged(
        writing(),
        scan((0, 250, 595, 842)),
        scan((300, 60, 560, 240), SENTENCES[:3]),
    )
    assert page.verdict == "partial"
    assert page.areas
    for number, (x0, y0, x1, y1) in enumerate(page.areas):
        assert 0 <= x0 < x1 <= page.width + 1
        assert 0 <= y0 < y1 <= page.height + 1
        for a0, b0, a1, b1 in page.areas[number + 1 :]:
            assert a1 <= x0 or x1 <= a0 or b1 <= y0 or y1 <= b0


# --- none, blank and the modes -------------------------------------------------------------


def test_a_scan_without_a_layer_has_none(judged: Judged) -> None:
    page = judged(scan())
    assert (page.verdict, page.lines) == ("none", ())
    assert page.image is not None


def test_an_empty_page_is_blank_whatever_its_layer_says(judged: Judged) -> None:
    assert judged().verdict == "blank"
    page = judged(writing(render_mode=3), lambda page: page.insert_text((72, 400), "   "))
    assert (page.verdict, page.image, page.lines) == ("blank", None, ())


def test_a_page_of_lines_without_text_is_still_looked_at(judged: Judged) -> None:
    page = judged(lambda page: page.draw_line((100, 100), (400, 100), width=0.3))
    assert page.verdict == "none"
    assert page.image is not None


def test_skip_takes_any_layer_as_it_is(judged: Judged) -> None:
    page = judged(scan(), writing(render_mode=3), mode="skip")
    assert (page.verdict, page.image, texts(page)) == ("taken", None, SENTENCES)
    assert judged(scan(), mode="skip").verdict == "none"


def test_redo_takes_none(judged: Judged) -> None:
    page = judged(writing(), mode="redo")
    assert (page.verdict, page.lines) == ("none", ())
    assert page.image is not None


# --- joining -------------------------------------------------------------------------------


def line(text: str, x: float, y: float, source: str = "ocr") -> TextLine:
    """A line of letters 10 wide and 20 high, with its words."""
    words, at = [], x
    for part in text.split(" "):
        words.append(Word(part, quad_of((at, y, at + 10 * len(part), y + 20)), 0.9))
        at += 10 * len(part) + 10
    quad = quad_of((x, y, x + 10 * len(text), y + 20))
    return TextLine(text, quad, 0.9, tuple(words), source)  # type: ignore[arg-type]


LAYER = [line("from the layer", 100, 100, "text_layer"), line("second", 100, 140, "text_layer")]


def test_a_line_that_was_read_where_the_layer_has_one_is_left_out() -> None:
    assert join(LAYER, [line("fron the 1ayer", 102, 98)]) == LAYER


def test_a_line_that_was_read_elsewhere_is_added() -> None:
    read = line("in the picture", 100, 300)
    assert join(LAYER, [read]) == [*LAYER, read]


def test_of_a_line_that_is_half_known_the_other_half_is_added() -> None:
    *_, added = join(LAYER, [line("from the layer and beyond", 100, 100)])
    assert added.text == "and beyond"
    assert added.box == (250, 100, 350, 120)
    assert [word.text for word in added.words] == ["and", "beyond"]


def test_a_line_without_words_counts_as_one() -> None:
    bare = TextLine("second", quad_of((100, 141, 160, 161)), 0.8)
    assert join(LAYER, [bare]) == LAYER
    assert join([bare], [line("second", 100, 140)]) == [bare]


def test_lines_outside_the_areas_are_left_out() -> None:
    inside, outside = line("inside", 100, 300), line("outside", 100, 500)
    assert join(LAYER, [inside, outside], areas=[(0, 290, 600, 330)]) == [*LAYER, inside]


def test_chinese_words_leave_no_gaps() -> None:
    words = tuple(
        Word(sign, quad_of((20.0 * at, 0.0, 20.0 * at + 20, 20.0)), 0.9)
        for at, sign in enumerate("金額合計")
    )
    read = TextLine("金額合計", quad_of((0, 0, 80, 20)), 0.9, words)
    layer = [TextLine("金額", quad_of((0, 0, 40, 20)), 1.0, words[:2], "text_layer")]
    assert join(layer, [read])[-1].text == "合計"


places = st.tuples(st.integers(0, 600), st.integers(0, 600))
written = st.builds(
    lambda text, place: line(text, *map(float, place)),
    st.from_regex(r"[a-z]{1,6}( [a-z]{1,6}){0,4}", fullmatch=True),
    places,
)


@given(st.lists(written, max_size=6), st.lists(written, max_size=6))
def test_joining_keeps_the_layer_and_repeats_nothing(
    layer: list[TextLine], read: list[TextLine]
) -> None:
    joined = join(layer, read)
    assert joined[: len(layer)] == layer
    assert join(joined, read) == joined  # a second time adds nothing
    for added in joined[len(layer) :]:
        assert added.text == " ".join(word.text for word in added.words)
