"""Reading order: columns before rows, rows of a table before its columns, skew taken out first.

The page is cut into bands by white space, bands that share a gutter are joined, and each column of
a band is ordered in the same way (a recursive X-Y cut after Nagy and Seth 1984, with three changes:
a running head and foot are taken off first; bands are joined as long as a common gutter runs
through them, so that aligned lines of two columns are not read across; and a gutter between cells
that stand beside each other is a table's, which is read by rows: see ocr_core.rows).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ocr_core.page import Box, TextLine
from ocr_core.recognition.decode import is_unspaced
from ocr_core.rows import (
    Group,
    Placed,
    bottom,
    line_height,
    rows_of_table,
    rows_of_text,
    share_in_rows,
    strips,
    top,
)

_GUTTER = 1.6
"""White space between columns, in line heights, that is a gutter however few lines it divides."""
_NARROW_GUTTER = 0.7
"""Narrowest white space between columns of `_PROSE_LINES` lines and more."""
_PROSE_LINES = 3
"""Fewest lines of a column of running text."""
_PROSE_ASPECT = 6.0
"""Width over height from which a line is running text and not the cell of a table."""
_PROSE_FILL = 0.55
"""How much of its column a line of running text fills."""
_PARAGRAPH_GAP = 0.9
"""White space between two lines, in line heights, that ends a block."""
_HEAD_GAP = 1.0
"""White space, in line heights, between a running head or foot and the page."""
_HEAD_PARTS = 2
"""Most lines side by side in a head or foot: a title and a page number."""


def reading_order(lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines in reading order, `block_no` set to the column or paragraph they belong to."""
    if not lines:
        return []
    items = [Placed(n, box) for n, box in enumerate(_straight_boxes(lines))]
    head, page, foot = _head_and_foot(items)
    ordered = [*rows_of_text(head), *_ordered(page), *rows_of_text(foot)]
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


def _head_and_foot(items: Group) -> tuple[Group, Group, Group]:
    """A running head, the page, a running foot: head and foot are a row apart, or empty."""
    page, height = strips(items), line_height(items)
    head, foot = [], []
    if len(page) > 2 and _stands_apart(page[0], top(page[1]) - bottom(page[0]), height):
        head, page = page[0], page[1:]
    if len(page) > 2 and _stands_apart(page[-1], top(page[-1]) - bottom(page[-2]), height):
        foot, page = page[-1], page[:-1]
    return head, [item for strip in page for item in strip], foot


def _stands_apart(strip: Group, gap: float, height: float) -> bool:
    return len(strip) <= _HEAD_PARTS and gap > _HEAD_GAP * height


def _ordered(items: Group) -> Group:
    """Bands from top to bottom, the columns of each from left to right."""
    if len(items) < 2:
        return items
    height = line_height(items)
    out: Group = []
    for band in _bands(items, height):
        columns = _columns(band, height)
        if len(columns) > 1:
            out += [item for column in columns for item in _ordered(column)]
        else:
            out += rows_of_table(band) if _gutters(band, height) else rows_of_text(band)
    return out


def _bands(items: Group, height: float) -> list[Group]:
    """Horizontal bands; neighbours that a common gutter runs through are one band."""
    bands: list[Group] = []
    gutters = 0
    for strip in strips(items):
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


def _gutters(items: Group, height: float) -> list[tuple[float, float]]:
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


def _columns(band: Group, height: float) -> list[Group]:
    """The columns of a band from left to right; one if it is a table or has no gutter."""
    cells = _split(band, [(a + b) / 2 for a, b in _gutters(band, height)])
    columns = [cells[0]]
    for n in range(1, len(cells)):
        if _are_columns(columns[-1], cells[n]) or not _share_rows(cells[:n], cells[n:], height):
            columns.append(cells[n])
        else:
            columns[-1] = columns[-1] + cells[n]
    return columns


def _split(items: Group, borders: list[float]) -> list[Group]:
    cells: list[Group] = [[] for _ in range(len(borders) + 1)]
    for item in items:
        center = (item.box[0] + item.box[2]) / 2
        cells[sum(center > border for border in borders)].append(item)
    return cells


def _are_columns(left: Group, right: Group) -> bool:
    """Whether two neighbours are columns of running text, read one after the other."""
    return _overlap(left, right) and _is_prose(left) and _is_prose(right)


def _share_rows(left: list[Group], right: list[Group], height: float) -> bool:
    """Whether what stands on both sides of a gutter is read row by row."""
    before = list(itertools.chain.from_iterable(left))
    after = list(itertools.chain.from_iterable(right))
    return not _overlap(before, after) or share_in_rows(before, after, height) >= 0.5


def _overlap(a: Group, b: Group) -> bool:
    """Whether a horizontal line meets both: a head over one line is no column beside it."""
    return min(bottom(a), bottom(b)) > max(top(a), top(b))


def _is_prose(column: Group) -> bool:
    """Whether at least half of the text, by its length, stands in wide lines."""
    width = max(i.box[2] for i in column) - min(i.box[0] for i in column)
    wide = [
        item.width
        for item in column
        if item.width >= max(_PROSE_ASPECT * item.height, _PROSE_FILL * width)
    ]
    return len(wide) >= _PROSE_LINES and 2 * sum(wide) >= sum(item.width for item in column)


def _blocks(ordered: Sequence[Placed]) -> list[int]:
    """Number of the block of each item: a new one after white space, or where the eye jumps."""
    numbers = [0]
    for before, after in itertools.pairwise(ordered):
        height = min(before.height, after.height)
        gap = after.box[1] - before.box[3]
        jumps = gap > _PARAGRAPH_GAP * height or gap < -2.0 * height
        apart = after.box[0] > before.box[2] and abs(after.middle - before.middle) > height
        numbers.append(numbers[-1] + (jumps or apart))
    return numbers
