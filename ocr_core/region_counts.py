"""Predicted regions against labelled ones: what was found, and what it says.

Regions are matched as in ICDAR 2015 "Incidental Scene Text", task 4.1, with one difference: pairs
are taken by falling overlap, so that the result does not depend on the order of the regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from shapely import STRtree
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry.base import BaseGeometry

from ocr_core.rates import Counts, Rates
from ocr_core.text_forms import bag_of_words, normalised, relaxed

IOU = 0.5
"""Overlap (intersection over union) from which two regions are a pair."""
_COVERED = 0.5
"""A prediction of which more than this lies in an ignored region is neither right nor wrong."""
_ROUNDING = 1e-9


class Found(Protocol):
    """A region that was predicted."""

    @property
    def polygon(self) -> NDArray[np.float32]:
        """(k, 2), k ≥ 3, pixels."""
        ...

    @property
    def text(self) -> str:
        """What was read there; empty if nothing was."""
        ...


class Labelled(Found, Protocol):
    """A region as a person labelled it."""

    @property
    def ignore(self) -> bool:
        """Whether it is neither right nor wrong to find it."""
        ...


@dataclass(frozen=True, slots=True)
class RegionCounts(Counts):
    """What was found and read on an image, or on many."""

    images: int = 0
    labels: int = 0
    """Regions that count: not ignored."""
    predictions: int = 0
    """Predicted regions that count."""
    pairs: int = 0
    exact: int = 0
    """Pairs with equal normalised text."""
    relaxed: int = 0
    """Pairs whose text is equal but for case, spaces and punctuation."""
    similarity: float = 0.0
    """Sum over the pairs of 1 - edit distance / length of the longer text."""
    words_right: int = 0
    words_wanted: int = 0
    words_found: int = 0

    @property
    def detection(self) -> Rates:
        """Whether the regions are where they should be."""
        return Rates.of(self.pairs, self.predictions, self.labels)

    @property
    def end_to_end(self) -> Rates:
        """Whether they also say what they should."""
        return Rates.of(self.exact, self.predictions, self.labels)

    @property
    def end_to_end_relaxed(self) -> Rates:
        """The same but for case, spaces and punctuation."""
        return Rates.of(self.relaxed, self.predictions, self.labels)

    @property
    def soft(self) -> Rates:
        """A pair counts as much as its texts are similar."""
        return Rates.of(self.similarity, self.predictions, self.labels)

    @property
    def one_minus_ned(self) -> float:
        """Mean similarity of pairs, missed labels and spurious predictions (ICDAR 2019)."""
        all_of_them = self.labels + self.predictions - self.pairs
        return self.similarity / all_of_them if all_of_them else 1.0

    @property
    def words(self) -> Rates:
        """Words of each image, however they were cut into regions."""
        return Rates.of(self.words_right, self.words_found, self.words_wanted)


def count_regions(
    truth: Sequence[Labelled], found: Sequence[Found], iou: float = IOU
) -> RegionCounts:
    """Compare what was found on one image with what is there.

    Raises ValueError for a polygon with less than three points or with one that is not finite.
    """
    pairs, counted = match(truth, found, iou)
    wanted = [region for region in truth if not region.ignore]
    texts = [(normalised(truth[i].text), normalised(found[j].text)) for i, j in pairs]
    reference = _bag(region.text for region in wanted)
    read = _bag(found[j].text for j in counted)
    return RegionCounts(
        images=1,
        labels=len(wanted),
        predictions=len(counted),
        pairs=len(pairs),
        exact=sum(one == other for one, other in texts),
        relaxed=sum(relaxed(one) == relaxed(other) for one, other in texts),
        similarity=sum(Levenshtein.normalized_similarity(one, other) for one, other in texts),
        words_right=(reference & read).total(),
        words_wanted=reference.total(),
        words_found=read.total(),
    )


def match(
    truth: Sequence[Labelled], found: Sequence[Found], iou: float = IOU
) -> tuple[list[tuple[int, int]], list[int]]:
    """Pairs (label, prediction), one to one, the largest overlap first; and predictions that count.

    A prediction without a label that lies mostly inside one ignored region does not count. The
    ICDAR 2015 script drops these before it matches; the two differ only for a label that counts
    inside an ignored one.
    """
    shapes = [_shape(region.polygon) for region in found]
    if not shapes:
        return [], []
    labels = [_shape(region.polygon) for region in truth]
    tree = STRtree(shapes)
    overlaps = [
        (-share, i, j)
        for i, region in enumerate(truth)
        if not region.ignore
        for j in map(int, tree.query(labels[i]))
        if (share := overlap(labels[i], shapes[j])) and share >= iou - _ROUNDING
    ]
    pairs = _one_to_one(overlaps)
    paired = {j for _, j in pairs}
    ignored = [labels[i] for i, region in enumerate(truth) if region.ignore]
    covered = {
        j for area in ignored for j in map(int, tree.query(area)) if _covers(area, shapes[j])
    }
    return pairs, [j for j in range(len(found)) if j in paired or j not in covered]


def overlap(one: BaseGeometry, other: BaseGeometry) -> float:
    """Area of the intersection over the area of the union."""
    common = float(one.intersection(other).area)
    return common / (one.area + other.area - common) if common > 0 else 0.0


def _covers(area: BaseGeometry, shape: BaseGeometry) -> bool:
    return bool(area.intersection(shape).area > _COVERED * shape.area)


def _one_to_one(overlaps: list[tuple[float, int, int]]) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    labels, predictions = set[int](), set[int]()
    for _, i, j in sorted(overlaps):
        if i not in labels and j not in predictions:
            pairs.append((i, j))
            labels.add(i)
            predictions.add(j)
    return pairs


def _shape(points: NDArray[np.float32]) -> BaseGeometry:
    """A polygon with an area, whatever the order of its points."""
    corners = np.asarray(points, dtype=float)
    if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2:
        raise ValueError(f"a polygon is (k, 2) with k of at least 3, not {corners.shape}")
    if not np.isfinite(corners).all():
        raise ValueError("a polygon has a point that is not finite")
    shape: BaseGeometry = Polygon(corners)
    if not shape.is_valid:  # it crosses itself
        repaired = shape.buffer(0)
        whole = repaired.geom_type == "Polygon" and repaired.area > 0.5 * abs(shape.area)
        shape = repaired if whole else MultiPoint(corners).convex_hull
    return shape if shape.geom_type == "Polygon" else shape.buffer(0.5)  # points on one line


def _bag(texts: Iterable[str]) -> Counter[str]:
    total: Counter[str] = Counter()
    for text in texts:
        total += bag_of_words(text)
    return total
