"""Lines from top to bottom whatever their column: the order in which some labels are listed.

Labels that began as the boxes of PP-OCR's detector are often left in its order (`sorted_boxes`):
by the height of the first corner, and from left to right where heights differ by less than ten
pixels. On a page of two columns it reads across them, line by line, and the character error rate
of a page that is read column by column then says nothing of how well it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.datasets import EvalSet, label_key, read_jsonl

SAME_HEIGHT = 10
"""Pixels."""
LISTED_SO = 0.85
"""Share of the labels in the plain order from which a set is taken to be listed so."""

Row = dict[str, Any]


def plain(regions: Sequence[Row]) -> list[Row]:
    """Regions with a `polygon` in the plain order."""
    found = sorted(regions, key=lambda region: region["polygon"][0][::-1])
    for end in range(1, len(found)):
        for place in range(end, 0, -1):
            (x0, y0), (x1, y1) = (found[n]["polygon"][0] for n in (place - 1, place))
            if abs(y1 - y0) >= SAME_HEIGHT or x1 >= x0:
                break
            found[place - 1], found[place] = found[place], found[place - 1]
    return found


def in_plain_order(row: Row) -> Row:
    """A prediction with its lines in the plain order."""
    return {**row, "regions": plain(row["regions"])}


def share_in_plain_order(chosen: EvalSet) -> float:
    """Share of the labels of the set's pages that stand where the plain order has them."""
    keys = {page.key for page in chosen.pages}
    same = labels = 0
    for row in read_jsonl(chosen.labels) if chosen.labels else ():
        if label_key(row) in keys:
            listed = [region["polygon"] for region in row["regions"]]
            sorted_ = [region["polygon"] for region in plain(row["regions"])]
            same += sum(a == b for a, b in zip(listed, sorted_, strict=True))
            labels += len(listed)
    return same / labels if labels else 0.0
