"""Lines of a text layer as the project's text lines: words, places in pixels, clean characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby

from ingest.bidi import in_logical_order
from ingest.layer import Glyph, LayerLine, around, hull
from ingest.plausible import is_unmapped
from ingest.symbols import OBJECT
from ocr_core.page import Quad, TextLine, Word, quad_of

_SOFT_HYPHEN = "\u00ad"
_JOINERS = "\u200c\u200d"
"""Zero-width, yet part of the spelling of Persian and the scripts of India."""
# Presentation forms and radicals stand for the ordinary characters that people search for.
_FORMS = (("\ufb00", "\ufdff"), ("\ufe70", "\ufefc"), ("\u2e80", "\u2fdf"))
# Blocks whose characters are words of their own: radicals to ideographs, and wide forms.
_WIDE = (
    ("\u2e80", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\ufe30", "\ufe4f"),
    ("\uff00", "\uffef"),
    ("\U00020000", "\U0003ffff"),
)


def text_lines(lines: Sequence[LayerLine], scale_x: float, scale_y: float) -> list[TextLine]:
    """Lines with text, in pixels; `scale` is pixels a point."""
    made = (_text_line(line, scale_x, scale_y) for line in lines)
    return [line for line in made if line is not None]


def _text_line(line: LayerLine, scale_x: float, scale_y: float) -> TextLine | None:
    glyphs = _cleaned(_in_order(line))
    words = tuple(_words(glyphs, line, scale_x, scale_y))
    if not words:
        return None
    inked = [glyph for glyph in glyphs if glyph.text != " "]
    quad = _scaled(_around(inked, line), scale_x, scale_y)
    text = "".join(glyph.text for glyph in glyphs)
    return TextLine(text, quad, 1.0, words, "text_layer", line.block_no)


def _in_order(line: LayerLine) -> Sequence[Glyph]:
    upright = not line.vertical and line.direction[0] > 0.99
    return in_logical_order(line.glyphs) if upright else line.glyphs


def _cleaned(glyphs: Sequence[Glyph]) -> list[Glyph]:
    """Glyphs with the characters to store; single spaces between words, none at the ends."""
    last = max((at for at, glyph in enumerate(glyphs) if not glyph.text.isspace()), default=0)
    kept: list[Glyph] = []
    for at, glyph in enumerate(glyphs):
        text = _character(glyph.text, at_end=at == last)
        if text and not (text == " " and (not kept or kept[-1].text == " ")):
            kept.append(glyph if text == glyph.text else replace(glyph, text=text))
    return kept[:-1] if kept and kept[-1].text == " " else kept


@cache
def _character(text: str, *, at_end: bool) -> str:
    if text.isspace():
        return " "
    if text == _SOFT_HYPHEN:
        return "-" if at_end else ""
    if (
        text == OBJECT
        or is_unmapped(text[0])
        or (unicodedata.category(text[0]) == "Cf" and text not in _JOINERS)
    ):
        return ""
    if any(low <= text[0] <= high for low, high in _FORMS):
        return unicodedata.normalize("NFKC", text).strip()
    return text


def _words(
    glyphs: Sequence[Glyph], line: LayerLine, scale_x: float, scale_y: float
) -> Iterator[Word]:
    for wide, run in groupby(glyphs, key=lambda glyph: _kind(glyph.text)):
        if wide is None:
            continue
        part = list(run)
        for word in ([glyph] for glyph in part) if wide else [part]:
            quad = _scaled(_around(word, line), scale_x, scale_y)
            yield Word("".join(glyph.text for glyph in word), quad, 1.0)


@cache
def _kind(text: str) -> bool | None:
    """None for a space, True for a character that is a word of its own, False for others."""
    if text == " ":
        return None
    return any(low <= text[0] <= high for low, high in _WIDE)


def _around(glyphs: Sequence[Glyph], line: LayerLine) -> Quad:
    if line.vertical or line.direction == (1.0, 0.0):
        return quad_of(around([glyph.box for glyph in glyphs]))
    return hull([glyph.quad for glyph in glyphs], line.direction)


def _scaled(quad: Quad, scale_x: float, scale_y: float) -> Quad:
    a, b, c, d = ((x * scale_x, y * scale_y) for x, y in quad)
    return a, b, c, d
