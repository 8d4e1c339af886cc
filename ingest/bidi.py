"""Logical order of lines with words that run from right to left.

MuPDF gives the words of such a line in the order in which the file draws them, and turns round
the characters of each run, its digits too. What is known for sure is where each word stands, so
the order is made anew (Unicode Standard Annex 9 backwards, with one level of embedding).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ingest.layer import Glyph

_STRONG_RIGHT = {"R", "AL"}
_NUMERIC = {"EN", "AN", "ES", "ET", "CS"}
_MIRROR = str.maketrans("()[]{}«»", ")(][}{»«")
_OPENING, _CLOSING = frozenset("([{«"), frozenset(")]}»")


@dataclass(frozen=True, slots=True)
class _Word:
    glyphs: tuple[Glyph, ...]
    side: int
    """Where it starts: 1 on the right (Arabic), -1 on the left (Latin), 0 numbers and marks."""

    @property
    def left(self) -> float:
        return min(x for glyph in self.glyphs for x, _ in glyph.quad)


def in_logical_order(glyphs: Sequence[Glyph]) -> tuple[Glyph, ...]:
    """Put the characters of a horizontal line in the order in which they are read.

    A line without Arabic or Hebrew stays as it is.
    """
    if not any(_kind(glyph) in _STRONG_RIGHT for glyph in glyphs):
        return tuple(glyphs)
    words = sorted(_words(glyphs), key=lambda word: word.left)
    base = 1 if sum(len(word.glyphs) * word.side for word in words) >= 0 else -1
    spaces = [glyph for glyph in glyphs if glyph.text.isspace()]
    line: list[Glyph] = []
    for word in _in_reading_order(words, base):
        if line and spaces:
            line.append(spaces[0])
        line += word.glyphs
    return _facing_inward(line)


def _kind(glyph: Glyph) -> str:
    return unicodedata.bidirectional(glyph.text[0])


def _words(glyphs: Sequence[Glyph]) -> Iterator[_Word]:
    for blank, group in groupby(glyphs, key=lambda glyph: glyph.text.isspace()):
        if blank:
            continue
        word = tuple(group)
        kinds = {_kind(glyph) for glyph in word}
        if kinds & _STRONG_RIGHT:
            yield _Word(_with_numbers_forward(word), 1)
        else:
            yield _Word(_by_place(word), -1 if "L" in kinds else 0)


def _in_reading_order(words: Sequence[_Word], base: int) -> Iterator[_Word]:
    """Words, given from left to right: runs as the line goes, each run as its script goes."""
    runs = [(side, list(run)) for side, run in groupby(words, key=lambda word: word.side or base)]
    for side, run in runs if base < 0 else reversed(runs):
        yield from run if side < 0 else reversed(run)


def _with_numbers_forward(word: Sequence[Glyph]) -> tuple[Glyph, ...]:
    """Numbers inside an Arabic or Hebrew word are read from the left all the same."""
    word = _with_ligatures_forward(word)
    runs = groupby(word, key=lambda glyph: _kind(glyph) in _NUMERIC)
    parts = (_by_place(tuple(run)) if numeric else tuple(run) for numeric, run in runs)
    return tuple(glyph for part in parts for glyph in part)


def _with_ligatures_forward(word: Sequence[Glyph]) -> list[Glyph]:
    """Put the letters of a ligature, such as lam-alef, which were turned with the run, forward.

    All but the first of them have no width and stand at the right edge of the one that has.
    """
    turned: list[Glyph] = []
    waiting: list[Glyph] = []
    for glyph in word:
        (left, _), (right, _), *_ = glyph.quad
        if left == right and unicodedata.category(glyph.text[0]) == "Lo":
            waiting.append(glyph)
            continue
        belong = bool(waiting) and abs(waiting[0].quad[0][0] - right) < 0.01
        turned += [glyph, *reversed(waiting)] if belong else [*waiting, glyph]
        waiting = []
    return turned + waiting


def _by_place(run: Sequence[Glyph]) -> tuple[Glyph, ...]:
    return tuple(sorted(run, key=lambda glyph: glyph.quad[0][0]))


def _facing_inward(line: Sequence[Glyph]) -> tuple[Glyph, ...]:
    """Brackets by their meaning, where the file names them by their mirrored shape."""
    brackets = [glyph.text for glyph in line if glyph.text in _OPENING | _CLOSING]
    if not brackets or brackets[0] in _OPENING or brackets[-1] in _CLOSING:
        return tuple(line)
    return tuple(replace(glyph, text=glyph.text.translate(_MIRROR)) for glyph in line)
