"""Reading order: columns before rows, rows of a table before its columns, skew taken out first.

The page is cut into bands by white space, bands that share a gutter are joined, and each column of
a band is ordered in the same way (a recursive X-Y cut after Nagy and Seth 1984, with two changes:
bands are joined as long as a common gutter runs through them, so that aligned lines of two columns
are not read across; and a gutter between short, aligned cells is a table's, which is read by rows).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ocr_core.page import Box, TextLine
from ocr_core.recognition.decode import is_unspaced

_TRIM = 0.25
"""Of its height a line is taken shorter at both ends: detected boxes reach past their ink."""
_GUTTER = 1.6
"""White space between columns, in line heights, that is a gutter however few lines it divides."""
_NARROW_GUTTER = 0.7
"""Narrowest white space between columns of `_PROSE_LINES` lines and more."""
_PROSE_LINES = 3
"""Fewest lines of a column of running text."""
_PROSE_ASPECT = 6.0
"""Width over height from which a line is running text and not the cell of a table."""
_PROSE_FILL = 0.55
"""How much of its column a typical line of running text fills."""
_PARAGRAPH_GAP = 0.9
"""White space between two lines, in line heights, that ends a block."""


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    box: Box
    """On the page with its skew taken out."""

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def left(self) -> float:
        return self.box[0] + min(_TRIM * self.height, self.width / 4)

    @property
    def right(self) -> float:
        return self.box[2] - min(_TRIM * self.height, self.width / 4)

    @property
    def middle(self) -> float:
        return (self.box[1] + self.box[3]) / 2


def reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines in reading order, `block_no` set to the column or paragraph they belong to."""
    if not lines:
        return []
    items = [_Item(n, box) for n, box in enumerate(_straight_boxes(lines))]
    ordered = list(itertools.chain.from_iterable(_ordered(items)))
    blocks = _blocks(ordered)
    return [
        replace(lines[item.number], block_no=block)
        for item, block in zip(ordered, blocks, strict=True)
    ]


def _straight_boxes(lines: Sequence[TextLine]) -> list[Box]:
    """Boxes of the lines after turning the page so that text runs to the right."""
    quads = np.array([line.quad for line in lines], np.float64)
    along = quads[:, 1] - quads[:, 0]
    lengths = np.maximum(np.linalg.norm(along, axis=1), 1e-6)
    if _is_vertical(lines):  # columns from right to left: turned by 90 degrees they are rows
        angle = math.pi / 2
    else:
        angle = _weighted_median(np.arctan2(along[:, 1], along[:, 0]), lengths)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    straight = quads @ turn
    low, high = straight.min(axis=1), straight.max(axis=1)
    return [(*a, *b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def _is_vertical(lines: Sequence[TextLine]) -> bool:
    """Whether most of the text stands in columns of a script that is written so."""
    columns = rest = 0
    for line in lines:
        (x0, y0), (x1, y1) = line.quad[0], line.quad[1]
        falls = abs(y1 - y0) > abs(x1 - x0)
        if falls and 2 * sum(map(is_unspaced, line.text)) > len(line.text):
            columns += len(line.text)
        else:
            rest += len(line.text)
    return columns > rest


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _ordered(items: list[_Item]) -> list[list[_Item]]:
    """Columns and bands in reading order, each a list of items in reading order."""
    if len(items) < 2:
        return [items]
    height = float(np.median([item.height for item in items]))
    out: list[list[_Item]] = []
    for band in _bands(items, height):
        columns = _columns(band, height)
        if len(columns) == 1:
            out.append(_by_rows(band))
        else:
            for column in columns:
                out += _ordered(column)
    return out


def _bands(items: list[_Item], height: float) -> list[list[_Item]]:
    """Horizontal bands; neighbours that a common gutter runs through are one band."""
    bands: list[list[_Item]] = []
    gutters = 0
    for strip in _strips(items):
        joined = bands[-1] + strip if bands else strip
        through = len(_gutters(joined, height))
        if bands and _belong(gutters, len(_gutters(strip, height)), through):
            bands[-1] = joined
        else:
            bands.append(strip)
        gutters = len(_gutters(bands[-1], height))
    return bands


def _belong(above: int, below: int, through: int) -> bool:
    """Whether two bands are one, by the number of their gutters and of those through both."""
    if above == 0:
        return through > 0 or below == 0
    return through >= above


def _strips(items: list[_Item]) -> list[list[_Item]]:
    """Maximal groups of items between which no horizontal white line can be drawn."""
    strips: list[list[_Item]] = []
    bottom = -math.inf
    for item in sorted(items, key=lambda i: i.box[1]):
        overlap = bottom - item.box[1]
        if strips and overlap > 0.2 * item.height:
            strips[-1].append(item)
        else:
            strips.append([item])
        bottom = max(bottom, item.box[3])
    return strips


def _gutters(items: list[_Item], height: float) -> list[tuple[float, float]]:
    """Vertical white bands right through the items: left and right edge, from left to right."""
    gutters: list[tuple[float, float]] = []
    by_left = sorted(items, key=lambda i: i.left)
    right = by_left[0].right
    for seen, item in enumerate(by_left):
        few = min(seen, len(items) - seen) < _PROSE_LINES
        if item.left - right >= (_GUTTER if few else _NARROW_GUTTER) * height:
            gutters.append((right, item.left))
        right = max(right, item.right)
    return gutters


def _columns(band: list[_Item], height: float) -> list[list[_Item]]:
    """The columns of a band from left to right; one if it is a table or has no gutter."""
    cells = _split(band, [(a + b) / 2 for a, b in _gutters(band, height)])
    columns = [cells[0]]
    for cell in cells[1:]:
        if _are_columns(columns[-1], cell, height):
            columns.append(cell)
        else:
            columns[-1] = columns[-1] + cell
    return columns


def _split(items: list[_Item], borders: list[float]) -> list[list[_Item]]:
    cells: list[list[_Item]] = [[] for _ in range(len(borders) + 1)]
    for item in items:
        center = (item.box[0] + item.box[2]) / 2
        cells[sum(center > border for border in borders)].append(item)
    return cells


def _are_columns(left: list[_Item], right: list[_Item], height: float) -> bool:
    """Whether two neighbours are read one after the other, and not row by row."""
    if _is_prose(left) and _is_prose(right):
        return True
    return _aligned(left, right, height) < 0.5


def _is_prose(column: list[_Item]) -> bool:
    width = max(i.box[2] for i in column) - min(i.box[0] for i in column)
    aspect = float(np.median([i.width / max(i.height, 1.0) for i in column]))
    fill = float(np.median([i.width for i in column])) / max(width, 1.0)
    return len(column) >= _PROSE_LINES and aspect >= _PROSE_ASPECT and fill >= _PROSE_FILL


def _aligned(left: list[_Item], right: list[_Item], height: float) -> float:
    """Share of the items of the shorter column that stand beside one of the other."""
    few, many = sorted((left, right), key=len)
    middles = np.sort([item.middle for item in many])
    beside = sum(float(np.abs(middles - i.middle).min()) < 0.2 * height for i in few)
    return beside / len(few)


def _by_rows(items: list[_Item]) -> list[_Item]:
    """Rows from top to bottom, each from left to right."""
    rows: list[list[_Item]] = []
    for item in sorted(items, key=lambda i: i.middle):
        last = rows[-1][-1] if rows else None
        if last and item.middle - last.middle < 0.5 * min(item.height, last.height):
            rows[-1].append(item)
        else:
            rows.append([item])
    return [item for row in rows for item in sorted(row, key=lambda i: i.box[0])]


def _blocks(ordered: Sequence[_Item]) -> list[int]:
    """Number of the block of each item: a new one after white space, or where the eye jumps."""
    numbers = [0]
    for before, after in itertools.pairwise(ordered):
        height = min(before.height, after.height)
        gap = after.box[1] - before.box[3]
        jumps = gap > _PARAGRAPH_GAP * height or gap < -2.0 * height
        apart = after.box[0] > before.box[2] and abs(after.middle - before.middle) > height
        numbers.append(numbers[-1] + (jumps or apart))
    return numbers
