"""Logical order of lines with words that run from right to left.

MuPDF gives the words of such a line in the order in which the file draws them, and turns round
the characters of each run, its digits too. What is known for sure is where each word stands, so
the order is made anew (Unicode Standard Annex 9 backwards, with one level of embedding).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ingest.layer import Glyph, LayerLine
from ocr_core.page import Box

_STRONG_RIGHT = {"R", "AL"}
_DIGITS = {"EN", "AN"}
_SEPARATORS = {"ES", "ET", "CS"}
_MIRROR = str.maketrans("()[]{}«»", ")(][}{»«")
_GAP = 0.12
"""Least width of a space, in em."""
_NEAR = 0.6
_OPENING, _CLOSING = frozenset("([{«"), frozenset(")]}»")


@dataclass(frozen=True, slots=True)
class _Word:
    glyphs: tuple[Glyph, ...]
    side: int
    """Where it starts: 1 on the right (Arabic), -1 on the left (Latin), 0 numbers and marks."""


def runs_from_right(glyphs: Sequence[Glyph]) -> bool:
    """Whether there is any Arabic or Hebrew among some characters."""
    return any(_kind(glyph) in _STRONG_RIGHT for glyph in glyphs)


def joined(lines: Iterable[LayerLine]) -> Iterator[LayerLine]:
    """Lines in which no Arabic or Hebrew line is torn, as MuPDF does where the direction turns."""
    last: LayerLine | None = None
    for line in lines:
        if last and _continues(last, line):
            last = last.with_glyphs(last.glyphs + line.glyphs)
            continue
        if last:
            yield last
        last = line
    if last:
        yield last


def _continues(line: LayerLine, other: LayerLine) -> bool:
    one, two = line.box, other.box
    level = min(one[3], two[3]) - max(one[1], two[1]) > 0.5 * min(one[3] - one[1], two[3] - two[1])
    near = max(one[0], two[0]) - min(one[2], two[2]) < _NEAR * line.glyphs[0].size
    flat = line.direction == other.direction == (1.0, 0.0) and line.block_no == other.block_no
    return flat and level and near and runs_from_right(line.glyphs + other.glyphs)


def in_logical_order(glyphs: Sequence[Glyph]) -> tuple[Glyph, ...]:
    """Put the characters of a horizontal line in the order in which they are read.

    A line without Arabic or Hebrew stays as it is.
    """
    if not runs_from_right(glyphs):
        return tuple(glyphs)
    words = [_word(parts) for parts in _touching(list(_parts(glyphs)))]
    base = 1 if sum(len(word.glyphs) * word.side for word in words) >= 0 else -1
    space = next((glyph for glyph in glyphs if glyph.text.isspace()), None)
    line: list[Glyph] = []
    for word in _in_reading_order(words, base):
        if line:
            line.append(replace(space or word.glyphs[0], text=" "))
        line += word.glyphs
    return _facing_inward(line)


def _kind(glyph: Glyph) -> str:
    return unicodedata.bidirectional(glyph.text[0])


def _parts(glyphs: Sequence[Glyph]) -> Iterator[list[Glyph]]:
    """Characters that follow each other, in the file's order and on the page."""
    part: list[Glyph] = []
    for glyph in glyphs:
        if part and (glyph.text.isspace() or not _touch(part[-1].box, glyph.box, glyph.size)):
            yield part
            part = []
        if not glyph.text.isspace():
            part.append(glyph)
    if part:
        yield part


def _touch(box: Box, other: Box, size: float) -> bool:
    return max(box[0], other[0]) - min(box[2], other[2]) < _GAP * size


def _touching(parts: list[list[Glyph]]) -> Iterator[list[list[Glyph]]]:
    """Parts, from left to right, that make up one word."""
    parts.sort(key=lambda part: min(glyph.box[0] for glyph in part))
    word: list[list[Glyph]] = []
    for part in parts:
        right = max((glyph.box[2] for each in word for glyph in each), default=0.0)
        if word and min(glyph.box[0] for glyph in part) - right > _GAP * part[0].size:
            yield word
            word = []
        word.append(part)
    if word:
        yield word


def _word(parts: Sequence[Sequence[Glyph]]) -> _Word:
    """A word of its parts, which are given from left to right."""
    kinds = {_kind(glyph) for part in parts for glyph in part}
    if kinds & _STRONG_RIGHT:
        backward = (glyph for part in reversed(parts) for glyph in part)
        return _Word(_in_runs(list(backward)), 1)
    forward = [glyph for part in parts for glyph in part]
    return _Word(_by_place(forward), -1 if "L" in kinds else 0)


def _in_reading_order(words: Sequence[_Word], base: int) -> Iterator[_Word]:
    """Words, given from left to right: runs as the line goes, each run as its script goes."""
    runs = [(side, list(run)) for side, run in groupby(words, key=lambda word: word.side or base)]
    for side, run in runs if base < 0 else reversed(runs):
        yield from run if side < 0 else reversed(run)


def _in_runs(word: Sequence[Glyph]) -> tuple[Glyph, ...]:
    """An Arabic or Hebrew word: its runs from the right, its numbers and Latin from the left."""
    glyphs = _with_ligatures_forward(word)
    kinds = [_run_kind(glyphs, at) for at in range(len(glyphs))]
    paired = groupby(zip(kinds, glyphs, strict=True), key=lambda pair: pair[0])
    runs = [(kind, [glyph for _, glyph in run]) for kind, run in paired]
    runs.sort(key=lambda run: -min(glyph.box[0] for glyph in run[1]))
    parts = (_by_place(run) if kind == "L" else tuple(run) for kind, run in runs)
    return tuple(glyph for part in parts for glyph in part)


def _run_kind(glyphs: Sequence[Glyph], at: int) -> str:
    """R for letters from right to left, L for what runs from the left, else a place of its own."""
    kind = _kind(glyphs[at])
    if kind in _STRONG_RIGHT or kind == "NSM":
        return "R"
    if kind in _SEPARATORS and 0 < at < len(glyphs) - 1:  # the point in 1.5 belongs to the number
        around = {_kind(glyphs[at - 1]), _kind(glyphs[at + 1])}
        return "L" if around <= _DIGITS else f"alone {at}"
    return "L" if kind in _DIGITS or kind == "L" else f"alone {at}"


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
