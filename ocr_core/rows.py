"""Rows of text and of tables: lines beside each other, and the cells they belong to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_core.page import Box

_TRIM = 0.25
"""Of its height a line is taken shorter at both ends: detected boxes reach past their ink."""
_BESIDE = 0.3
"""Difference of middles, in line heights, up to which two lines stand beside each other."""
_ALIGNED = 0.2
"""The same, for lines that shall tell a table from columns: columns are beside by chance, too."""
_TALLEST_ROW = 5.0
"""Height of a row of a table, in line heights; what is taller is several rows that touch."""
_CELL_GAP = 0.5
"""White space, in line heights, under which a line may belong to the cell above or below."""
_CLEARLY = 0.2
"""How much nearer, in line heights, it has to be to its cell than to the next one."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A line by its number, and where it stands on the page with the skew taken out."""

    number: int
    box: Box

    @property
    def height(self) -> float:
        """Of the box, pixels."""
        return self.box[3] - self.box[1]

    @property
    def width(self) -> float:
        """Of the box, pixels."""
        return self.box[2] - self.box[0]

    @property
    def left(self) -> float:
        """Where its ink surely has begun."""
        return self.box[0] + min(_TRIM * self.height, self.width / 4)

    @property
    def right(self) -> float:
        """Where its ink surely has not yet ended."""
        return self.box[2] - min(_TRIM * self.height, self.width / 4)

    @property
    def middle(self) -> float:
        """Half its height down."""
        return (self.box[1] + self.box[3]) / 2


Group = list[Placed]


def top(group: Group) -> float:
    """Where the first line begins."""
    return min(item.box[1] for item in group)


def bottom(group: Group) -> float:
    """Where the last line ends."""
    return max(item.box[3] for item in group)


def line_height(group: Group) -> float:
    """The height of a common line."""
    return float(np.median([item.height for item in group]))


def strips(items: Group) -> list[Group]:
    """Maximal groups of items between which no horizontal white line can be drawn."""
    found: list[Group] = []
    end = -math.inf
    for item in sorted(items, key=lambda i: i.box[1]):
        if found and end - item.box[1] > 0.2 * item.height:
            found[-1].append(item)
        else:
            found.append([item])
        end = max(end, item.box[3])
    return found


def rows_of_text(items: Group) -> Group:
    """Rows from top to bottom, each from left to right."""
    rows: list[Group] = []
    for item in sorted(items, key=lambda i: i.middle):
        last = rows[-1][-1] if rows else None
        if last and item.middle - last.middle < 0.5 * min(item.height, last.height):
            rows[-1].append(item)
        else:
            rows.append([item])
    return [item for row in rows for item in sorted(row, key=lambda i: i.box[0])]


def rows_of_table(items: Group) -> Group:
    """Rows from top to bottom, their cells from left to right, each cell to its last line."""
    return [item for row in _rows(items) for item in _cells_in_order(row)]


def _cells_in_order(row: Group) -> Group:
    cells = _cells(row)
    too_tall = bottom(row) - top(row) > _TALLEST_ROW * line_height(row)
    if len(cells) < 2 or too_tall or (len(strips(row)) == 1 and _in_step(cells)):
        return rows_of_text(row)
    return [item for cell in cells for item in rows_of_table(cell)]


def _cells(row: Group) -> list[Group]:
    """Groups between which a vertical white line can be drawn, from left to right."""
    found: list[Group] = []
    end = -math.inf
    for item in sorted(row, key=lambda i: i.left):
        if found and item.left < end:
            found[-1].append(item)
        else:
            found.append([item])
        end = max(end, item.right)
    return found


def _in_step(cells: list[Group]) -> bool:
    """Whether every line stands beside one of the longest cell: these are rows that touch."""
    longest = [item.middle for item in max(cells, key=len)]
    return all(_off(item, longest) < _BESIDE * item.height for cell in cells for item in cell)


def _off(item: Placed, middles: Sequence[float]) -> float:
    """How far the nearest of the middles is from that of the item."""
    return min(abs(item.middle - middle) for middle in middles)


def _rows(items: Group) -> list[Group]:
    """Strips, each joined with the lines above and below it of a cell that is centred on it.

    A cell of three lines beside cells of one makes three strips.
    """
    parts = strips(items)
    rows: list[Group] = []
    n = 0
    while n < len(parts):
        reach = _reach(parts, n)
        above = rows[len(rows) - reach :]
        if reach and above == parts[n - reach : n]:
            del rows[len(rows) - reach :]
            rows.append([item for part in parts[n - reach : n + reach + 1] for item in part])
            n += reach
        else:
            rows.append(parts[n])
        n += 1
    return rows


def _reach(parts: list[Group], n: int) -> int:
    """How many lines of one cell stand as well above as below strip `n` and belong to its row."""
    if len(_cells(parts[n])) < 2:
        return 0
    gaps = [math.inf, *(_gap(a, b) for a, b in itertools.pairwise(parts)), math.inf]
    height = line_height(parts[n])
    reach, inner = 0, -math.inf
    while n - reach - 1 >= 0 and n + reach + 1 < len(parts):
        outer = parts[n - reach - 1], parts[n + reach + 1]
        gap = max(gaps[n - reach], gaps[n + reach + 1])
        if len(outer[0]) + len(outer[1]) > 2 or gap >= _CELL_GAP * height:
            break
        reach, inner = reach + 1, max(inner, gap)
    beyond = min(gaps[n - reach], gaps[n + reach + 1])
    return reach if beyond > inner + _CLEARLY * height else 0


def _gap(above: Group, below: Group) -> float:
    """Least white space between a line and one that stands under it; infinite if none does."""
    return min(
        (b.box[1] - a.box[3] for a in above for b in below if _stacked(a, b)), default=math.inf
    )


def _stacked(a: Placed, b: Placed) -> bool:
    """Whether one stands above the other for half the length of the shorter."""
    common = min(a.right, b.right) - max(a.left, b.left)
    return common >= 0.5 * min(a.right - a.left, b.right - b.left)


def share_in_rows(left: Group, right: Group, height: float) -> float:
    """Share of the lines of one column that stand beside a line or a cell of the other.

    Asked of the column with fewer heights at which lines stand: a row of figures has one, the
    label beside it may have three. `height` is that of a common line.
    """
    few, many = sorted((left, right), key=_levels)
    own = {item.number for item in few}
    beside = 0
    for strip in strips([*few, *many]):
        asked = [item for item in strip if item.number in own]
        others = [item for item in strip if item.number not in own]
        if asked and others:
            beside += _count_beside(asked, others, height)
    return beside / len(few)


def _levels(items: Group) -> int:
    """At how many different heights items stand."""
    middles = sorted(item.middle for item in items)
    apart = 0.35 * min(item.height for item in items)
    return 1 + sum(b - a > apart for a, b in itertools.pairwise(middles))


def _count_beside(asked: Group, others: Group, height: float) -> int:
    if _levels(asked) == 1 and bottom(others) - top(others) <= _TALLEST_ROW * height:
        center = (top(others) + bottom(others)) / 2
        if _off(asked[0], [center]) < _ALIGNED * height:
            return len(asked)
    middles = [item.middle for item in others]
    return sum(_off(item, middles) < _ALIGNED * height for item in asked)
