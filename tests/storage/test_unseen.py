"""Unseen text, read back from a PDF by two readers that know nothing of how it was written."""

import io
import json
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from math import cos, radians, sin
from pathlib import Path

import pymupdf
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_core.page import Box, Quad, TextLine, Word, box_of, quad_of
from storage.exports.glyphless import OBJECTS, Codes, font_file, font_objects
from storage.exports.pdf_file import PdfFile
from storage.exports.unseen import operators

WIDTH, HEIGHT = 1000, 800
"""Of the page image, pixels; and of the page, points."""
Drawn = Sequence[tuple[str, Box]]


def pdf_of(*lines: TextLine) -> bytes:
    """A page of nothing but this text."""
    file = io.BytesIO()
    pdf, codes = PdfFile(file.write), Codes()
    font = [pdf.reserve() for _ in range(OBJECTS)]
    root, tree, page, content = (pdf.reserve() for _ in range(4))
    pdf.put(content, "", operators(lines, (1, 0, 0, -1, 0, HEIGHT), "T", codes))
    pdf.put(
        page,
        f"/Type/Page/Parent {tree} 0 R/MediaBox[0 0 {WIDTH} {HEIGHT}]/Contents {content} 0 R"
        f"/Resources<</Font<</T {font[0]} 0 R>>>>",
    )
    pdf.put(tree, f"/Type/Pages/Count 1/Kids[{page} 0 R]")
    pdf.put(root, f"/Type/Catalog/Pages {tree} 0 R")
    for number, each in zip(font, font_objects(font, codes), strict=True):
        pdf.put(number, each.dictionary, each.stream)
    pdf.close(root)
    return file.getvalue()


def mupdf_text(data: bytes) -> str:
    with pymupdf.open(stream=data) as document:
        return str(document[0].get_text())


def pdfium_text(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    try:
        return str(document[0].get_textpage().get_text_range())
    finally:
        document.close()


def poppler_text(data: bytes) -> str:
    """What pdftotext says, without the marks it puts around text from the right."""
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed")
    told = subprocess.run(["pdftotext", "-", "-"], input=data, capture_output=True, check=True)
    return re.sub("[\u202a-\u202e]", "", told.stdout.decode())


def pdfjs_text(data: bytes) -> str:
    """What pdf.js says; PDFJS_DIST names the folder of the npm package pdfjs-dist."""
    if not (shutil.which("node") and "PDFJS_DIST" in os.environ):
        pytest.skip("pdf.js is not installed")
    library = Path(os.environ["PDFJS_DIST"], "legacy", "build", "pdf.mjs").absolute()
    script = f"""
        import {{ getDocument }} from {json.dumps(str(library))};
        import {{ readFileSync }} from "fs";
        const data = new Uint8Array(readFileSync(0));
        const pdf = await getDocument({{ data, verbosity: 0 }}).promise;
        const {{ items }} = await (await pdf.getPage(1)).getTextContent();
        console.log(items.map(item => item.str + (item.hasEOL ? "\\n" : "")).join(""));
    """
    command = ["node", "--input-type=module", "-e", script]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()


READERS = [mupdf_text, pdfium_text, poppler_text, pdfjs_text]


def mupdf_words(data: bytes) -> Drawn:
    with pymupdf.open(stream=data) as document:
        return [(word[4], tuple(word[:4])) for word in document[0].get_text("words")]


def pdfium_letters(data: bytes) -> Drawn:
    """Characters with their boxes, spaces left out."""
    document = pypdfium2.PdfDocument(data)
    try:
        page = document[0].get_textpage()
        letters = []
        for at in range(page.count_chars()):
            left, bottom, right, top = page.get_charbox(at, loose=True)
            letters.append(
                (page.get_text_range(at, 1), (left, HEIGHT - top, right, HEIGHT - bottom))
            )
        return [(letter, box) for letter, box in letters if letter.strip()]
    finally:
        document.close()


def row(
    *words: tuple[str, float, float], top: float = 100, height: float = 20, glue: str = " "
) -> TextLine:
    """A level line of words from x0 to x1."""
    made = [Word(text, quad_of((x0, top, x1, top + height)), 0.9) for text, x0, x1 in words]
    left, right = min(x0 for _, x0, _ in words), max(x1 for _, _, x1 in words)
    whole = quad_of((left, top, right, top + height))
    return TextLine(glue.join(text for text, *_ in words), whole, 0.9, tuple(made))


def turned(line: TextLine, degrees: float, about: tuple[float, float]) -> TextLine:
    """A line turned clockwise on the page."""
    c, s = cos(radians(degrees)), sin(radians(degrees))

    def turn(quad: Quad) -> Quad:
        a, b, d, e = (
            (
                about[0] + (x - about[0]) * c - (y - about[1]) * s,
                about[1] + (x - about[0]) * s + (y - about[1]) * c,
            )
            for x, y in quad
        )
        return a, b, d, e

    words = tuple(Word(word.text, turn(word.quad), word.confidence) for word in line.words)
    return TextLine(line.text, turn(line.quad), line.confidence, words)


def off(one: Box, other: Box) -> float:
    """By how many points the edges of two boxes differ at most."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


ENGLISH = row(("Total", 100, 152), ("(net)", 160, 205), ("is", 211, 224), ("a\\b", 240, 275))


@pytest.mark.parametrize("text_of", READERS)
def test_words_come_back_in_order_with_one_space_between(text_of: Callable[[bytes], str]) -> None:
    lines = (ENGLISH, row(("next", 100, 140), ("line", 150, 180), top=140))
    assert text_of(pdf_of(*lines)).split() == ["Total", "(net)", "is", "a\\b", "next", "line"]


def test_every_word_fills_its_box() -> None:
    for (text, box), word in zip(mupdf_words(pdf_of(ENGLISH)), ENGLISH.words, strict=True):
        assert (text, off(box, box_of(word.quad)) < 0.5) == (word.text, True)


def test_a_single_character_is_seen_by_every_reader_and_where_it_is() -> None:
    data = pdf_of(row(("7", 500, 512)))
    assert [letter for letter, _ in pdfium_letters(data)] == ["7"]
    ((_, box),) = pdfium_letters(data)
    assert off(box, (500, 100, 512, 120)) < 0.5


@pytest.mark.parametrize("text_of", READERS)
def test_chinese_has_no_spaces_and_mixed_lines_only_their_own(
    text_of: Callable[[bytes], str],
) -> None:
    cells = [
        (character, 100 + 22 * n, 118 + 22 * n) for n, character in enumerate("增值税发票，是")
    ]
    touching = row(*cells, glue="")
    words = tuple(row(("号", 100, 120), ("VAT", 124, 160), ("12", 170, 190)).words)
    mixed = TextLine("号VAT 12", quad_of((100, 140, 190, 160)), 0.9, words)
    assert text_of(pdf_of(touching)).split() == ["增值税发票，是"]
    assert text_of(pdf_of(mixed)).split() == ["号VAT", "12"]


def test_characters_of_different_width_stay_within_a_point_of_their_middle() -> None:
    # Gaps of 2 are shared: each character reaches 1 beyond its box on either side.
    edges = [(100, 118), (120, 138), (140, 146), (148, 166), (168, 186)]
    line = row(
        *((letter, *edge) for letter, edge in zip("增值，税发", edges, strict=True)), glue=""
    )
    for (_, box), (x0, x1) in zip(pdfium_letters(pdf_of(line)), edges, strict=True):
        assert abs(box[0] - x0) < 1.5
        assert abs(box[2] - x1) < 1.5


def test_words_that_almost_touch_stay_two_words() -> None:
    line = row(("almost", 100, 160), ("touching", 160.5, 240))
    assert (
        mupdf_text(pdf_of(line)).split()
        == pdfium_text(pdf_of(line)).split()
        == [
            "almost",
            "touching",
        ]
    )


@pytest.mark.parametrize("degrees", [0.3, -0.8, 7, -15, 90, 180, 270])
def test_a_turned_line_is_one_line_with_words_in_their_places(degrees: float) -> None:
    line = turned(ENGLISH, degrees, (400, 300))
    data = pdf_of(line)
    assert mupdf_text(data).split() == line.text.split()
    for (text, box), word in zip(mupdf_words(data), line.words, strict=True):
        assert (text, off(box, box_of(word.quad)) < 1) == (word.text, True)


@pytest.mark.parametrize("text_of", READERS)
def test_lines_that_slant_a_little_end_where_they_end(text_of: Callable[[bytes], str]) -> None:
    lines = [
        turned(row(("first", 100, 150), ("row", 160, 190), top=100 + 30 * n), 0.4 + n / 10, (0, 0))
        for n in range(3)
    ]
    told = text_of(pdf_of(*lines))
    assert [text.split() for text in told.splitlines() if text.strip("\f")] == [
        ["first", "row"]
    ] * 3


@pytest.mark.parametrize("text_of", READERS)
def test_vertical_text_reads_downwards(text_of: Callable[[bytes], str]) -> None:
    words = tuple(
        Word(character, quad_of((500, 100 + 24 * n, 520, 120 + 24 * n)), 0.9)
        for n, character in enumerate("縦書きの文")
    )
    line = TextLine("縦書きの文", quad_of((500, 100, 520, 216)), 0.9, words)
    data = pdf_of(line)
    assert "".join(text_of(data).split()) == "縦書きの文"
    boxes = [box for _, box in mupdf_words(data)]
    assert off(boxes[0], (500, 100, 520, 216)) < 1


@pytest.mark.parametrize("text_of", READERS)
def test_hebrew_and_arabic_come_back_in_logical_order(text_of: Callable[[bytes], str]) -> None:
    hebrew = row(("מילה", 300, 350), ("בעברית", 230, 290), ("ארוכה", 160, 220))
    arabic = row(("كلمة", 300, 350), ("عربية", 230, 290), top=140)
    assert text_of(pdf_of(hebrew)).split() == ["מילה", "בעברית", "ארוכה"]
    assert text_of(pdf_of(arabic)).split() == ["كلمة", "عربية"]


def test_numbers_inside_hebrew_keep_their_digits_in_order() -> None:
    line = row(("סכום", 300, 350), ("1234", 240, 290), ("שקל", 180, 230))
    text = mupdf_text(pdf_of(line))
    assert "1234" in text
    assert pdfium_text(pdf_of(line)).split() == ["סכום", "1234", "שקל"]


@pytest.mark.parametrize("text_of", READERS)
def test_characters_beyond_the_first_plane_come_back(text_of: Callable[[bytes], str]) -> None:
    line = row(("𠮷野家", 100, 160), ("😀", 170, 190), ("𠮷", 200, 220))
    assert text_of(pdf_of(line)).split() == ["𠮷野家", "😀", "𠮷"]


def test_nothing_is_painted() -> None:
    with pymupdf.open(stream=pdf_of(ENGLISH)) as document:
        assert set(document[0].get_pixmap().samples) == {255}


def test_no_text_needs_no_content() -> None:
    codes = Codes()
    assert operators([], (1, 0, 0, 1, 0, 0), "T", codes) == b""
    assert operators([row((" ", 0, 9))], (1, 0, 0, 1, 0, 0), "T", codes) == b""


def test_the_font_is_one_that_font_readers_accept() -> None:
    font = pymupdf.Font(fontbuffer=font_file())
    assert (font.glyph_count, font.ascender) == (3, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(
                codec="utf-8",
                categories=["Lu", "Ll", "Nd", "Po", "Sm", "Lo"],
            ),
            min_size=1,
            max_size=8,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_characters_they_come_back(texts: list[str]) -> None:
    texts = [
        text
        for text in texts
        if not any(unicodedata.bidirectional(character) in "R AL AN" for character in text)
    ]
    words = [(text, 20.0 + 150 * n, 20 + 150 * n + 12 * len(text)) for n, text in enumerate(texts)]
    if words:
        assert "".join(mupdf_text(pdf_of(row(*words))).split()) == "".join(texts)
