"""Plain text that keeps the layout: each line where it stands, on a grid of characters.

A form feed divides pages, as in `text`. The grid is as wide as the usual character of the page;
wide characters take two places. Lines that share most of their height are one row; what would run
into the line before it moves to the right by as little as possible, so no text is ever lost.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from ocr_core.page import TextLine
from storage.exports.text import PAGE_BREAK

if TYPE_CHECKING:
    from storage.pages import PageRecord

MOST_COLUMNS = 400
"""A page is never wider, however small its print."""
MOST_EMPTY = 3
"""Rows left empty between two rows, at most."""
_GAP = 1.5
"""So many line heights from row to row are one empty row."""


def render(pages: Iterable[PageRecord]) -> Iterator[str]:
    """Yield the pieces of the file; `pages` are in order."""
    for number, page in enumerate(pages):
        yield (PAGE_BREAK if number else "") + _page(page.lines)


def _page(lines: Sequence[TextLine]) -> str:
    written = [(line, _clean(line.text)) for line in lines]
    shown = [(line, text) for line, text in written if text]
    if not shown:
        return ""
    left = min(line.box[0] for line, _ in shown)
    right = max(line.box[2] for line, _ in shown)
    place = max(_usual_width(shown), (right - left) / MOST_COLUMNS)
    height = median(_height(line) for line, _ in shown) or 1.0
    pieces, before = [], None
    for row in _rows(shown):
        foot = median(line.box[3] for line, _ in row)
        empty = 0 if before is None else round((foot - before) / (_GAP * height)) - 1
        pieces.append("\n" * max(0, min(empty, MOST_EMPTY)) + _row(row, left, place) + "\n")
        before = foot
    return "".join(pieces)


def _clean(text: str) -> str:
    return " ".join(text.split())


def _height(line: TextLine) -> float:
    return line.box[3] - line.box[1]


def _usual_width(lines: Sequence[tuple[TextLine, str]]) -> float:
    """Pixels of one place of the grid: of the middle character, when all are sorted by width."""
    widths = [(line.box[2] - line.box[0]) / _places(text) for line, text in lines]
    sized = sorted(zip(widths, (len(text) for _, text in lines), strict=True))
    middle = sum(count for _, count in sized) / 2
    for width, count in sized:
        middle -= count
        if middle <= 0 < width:
            return width
    return 1.0


def _rows(lines: Sequence[tuple[TextLine, str]]) -> Iterator[list[tuple[TextLine, str]]]:
    """Yield lines that share most of their height together, from the top, each from the left."""
    row: list[tuple[TextLine, str]] = []
    for line, text in sorted(lines, key=lambda pair: _middle(pair[0])):
        if row and not _level(row[0][0], line):
            yield sorted(row, key=lambda pair: pair[0].box[0])
            row = []
        row.append((line, text))
    yield sorted(row, key=lambda pair: pair[0].box[0])


def _middle(line: TextLine) -> float:
    return (line.box[1] + line.box[3]) / 2


def _level(first: TextLine, line: TextLine) -> bool:
    least = min(_height(first), _height(line))
    shared = min(first.box[3], line.box[3]) - max(first.box[1], line.box[1])
    return shared > 0.5 * least


def _row(row: Iterable[tuple[TextLine, str]], left: float, place: float) -> str:
    text, at = "", 0
    for line, words in row:
        column = round((line.box[0] - left) / place)
        blanks = max(column - at, 1 if text else 0)
        text += " " * blanks + words
        at += blanks + _places(words)
    return text


def _places(text: str) -> int:
    """How many places of the grid a text takes; at least one."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    marks = sum(unicodedata.combining(character) > 0 for character in text)
    return max(1, len(text) + wide - marks)
