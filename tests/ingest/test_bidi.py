"""Lines from right to left. Characters are 10 wide; places are given as a reader sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bidi import in_logical_order, joined
from ingest.layer import Glyph, LayerLine, around
from ocr_core.page import quad_of


def glyph(text: str, x: float, width: float = 10.0) -> Glyph:
    box = (x, 0.0, x + width, 20.0)
    return Glyph(text, quad_of(box), box, "F", 20.0, painted=True)


def seen(text: str) -> list[Glyph]:
    """Characters as they stand on the page, from left to right."""
    return [glyph(character, 10.0 * at) for at, character in enumerate(text)]


def as_mupdf_gives(text: str) -> list[Glyph]:
    """The same, in the order MuPDF hands them over: runs of Hebrew letters turned round."""
    given, run = [], []
    for each in seen(text):
        if "\u05d0" <= each.text <= "\u05ea":
            run.insert(0, each)
            continue
        given += [*run, each]
        run = []
    return given + run


def logical(glyphs: list[Glyph]) -> str:
    return "".join(glyph.text for glyph in in_logical_order(glyphs))


@pytest.mark.parametrize(
    ("on_the_page", "read"),
    [
        ("םולש", "שלום"),
        ("םלוע םולש", "שלום עולם"),
        ("?םלוע םולש", "שלום עולם?"),
        ("2026 תנש", "שנת 2026"),
        ("15-ה תנש", "שנת ה-15"),
        ("םלוע PDF file םולש", "שלום PDF file עולם"),
        ("the word םולש inside", "the word שלום inside"),
        ("the words םלוע םולש inside", "the words שלום עולם inside"),
    ],
)
def test_words_are_read_as_their_script_runs(on_the_page: str, read: str) -> None:
    assert logical(as_mupdf_gives(on_the_page)) == read


def test_a_line_without_hebrew_or_arabic_stays_as_it_is() -> None:
    line = seen("left to right, 1 2 3")[::-1]
    assert in_logical_order(line) == tuple(line)


def test_digits_that_were_turned_round_are_turned_back() -> None:
    # on the page, from the left: the year 1434 in Arabic digits, then a word
    word = [glyph("ل", 70), glyph("ي", 60), glyph("ر", 50)]
    digits = [glyph(digit, 30 - 10 * at) for at, digit in enumerate("٤٣٤١")]
    assert logical([*word, glyph(" ", 40), *digits]) == "لير ١٤٣٤"


def test_the_letters_of_a_ligature_are_turned_back() -> None:
    # lam-alef is one glyph; MuPDF gives its second letter first, without a width, at its right
    letters = [glyph("ا", 60), glyph("ا", 60, 0), glyph("ل", 50), glyph("ق", 40)]
    assert logical(letters) == "الاق"


def test_brackets_named_by_their_shape_are_named_by_their_meaning() -> None:
    assert logical(as_mupdf_gives(")םולש(")) == "(שלום)"
    assert logical(as_mupdf_gives("(םולש)")) == "(שלום)"


def test_a_line_torn_where_the_direction_turns_is_joined() -> None:
    def line(glyphs: list[Glyph]) -> LayerLine:
        return LayerLine(tuple(glyphs), (1.0, 0.0), False, 0, 0, around([g.box for g in glyphs]))

    whole = as_mupdf_gives("15 ףיעס")
    (one,) = joined([line(whole[:2]), line(whole[2:])])
    assert logical(list(one.glyphs)) == "סעיף 15"
    latin = [line(seen("left")), line(seen("right"))]
    assert list(joined(latin)) == latin


@given(st.text("אבגד אבגד 12.,()abc", max_size=20), st.randoms(use_true_random=False))
def test_no_character_is_lost_whatever_the_order(text: str, chance: object) -> None:
    glyphs = seen(text)
    chance.shuffle(glyphs)  # type: ignore[attr-defined]
    table = str.maketrans("()", "||")
    kept = sorted(logical(glyphs).replace(" ", "").translate(table))
    assert kept == sorted(text.replace(" ", "").translate(table))
