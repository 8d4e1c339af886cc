"""How good detection and reading are: the figures of training, `pagemill evaluate` and benchmarks.

Regions are matched as in ICDAR 2015 "Incidental Scene Text", task 4.1, with one difference: pairs
are taken by falling overlap, so that the result does not depend on the order of the regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from shapely import STRtree
from shapely.geometry import MultiPoint, Polygon
from shapely.geometry.base import BaseGeometry

from ocr_core.text_forms import bag_of_words, loose, normalised, relaxed, words

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
class Rates:
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float

    @classmethod
    def of(cls, hits: float, found: float, wanted: float) -> Self:
        """Rates of counts; nothing wanted and nothing found is perfect."""
        if not found and not wanted:
            return cls(1.0, 1.0)
        return cls(hits / found if found else 0.0, hits / wanted if wanted else 0.0)

    @property
    def hmean(self) -> float:
        """Harmonic mean, 0 if both rates are."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


class _Counts:
    """Counts that add up field by field."""

    __slots__ = ()

    @classmethod
    def sum(cls, parts: Iterable[Self]) -> Self:
        """All counts together; those of nothing are 0."""
        total = cls()
        for part in parts:
            total = total + part
        return total

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class RegionCounts(_Counts):
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


Page = tuple[Sequence[Labelled], Sequence[Found]]
"""What is on an image, and what was found there."""


def detection_hmean(pages: Iterable[Page], iou: float = IOU) -> float:
    """Harmonic mean of precision and recall over all regions of all images."""
    return RegionCounts.sum(count_regions(*page, iou) for page in pages).detection.hmean


def end_to_end_hmean(pages: Iterable[Page], iou: float = IOU) -> float:
    """The same, a pair counting only if its texts are equal."""
    return RegionCounts.sum(count_regions(*page, iou) for page in pages).end_to_end.hmean


@dataclass(frozen=True, slots=True)
class TextCounts(_Counts):
    """How a text was read, or many texts."""

    texts: int = 0
    right: int = 0
    """Texts that are equal in their normalised form."""
    characters: int = 0
    """Of the references."""
    character_errors: int = 0
    """Insertions, deletions and replacements."""
    words: int = 0
    word_errors: int = 0
    loose_characters: int = 0
    loose_errors: int = 0
    similarity: float = 0.0
    """Sum of 1 - edit distance / length of the longer text."""
    words_right: int = 0
    """As a bag of words, as are the next two."""
    words_wanted: int = 0
    words_found: int = 0
    characters_read: int = 0

    @property
    def cer(self) -> float:
        """Character error rate: edit distance over the length of the references."""
        return self._rate(self.character_errors, self.characters)

    @property
    def cer_loose(self) -> float:
        """The same without case, kinds of quotes and dashes, and division at line ends."""
        return self._rate(self.loose_errors, self.loose_characters)

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self._rate(self.word_errors, self.words)

    @property
    def accuracy(self) -> float:
        """Share of texts without an error; 1 for no texts."""
        return self.right / self.texts if self.texts else 1.0

    @property
    def one_minus_ned(self) -> float:
        """Mean similarity of the texts (normalised edit distance, PP-OCR §8.2); 1 for no texts."""
        return self.similarity / self.texts if self.texts else 1.0

    @property
    def bag_of_words(self) -> Rates:
        """Words, whatever their order."""
        return Rates.of(self.words_right, self.words_found, self.words_wanted)

    def _rate(self, errors: int, length: int) -> float:
        if length:
            return errors / length
        return 1.0 if self.characters_read else 0.0


def count_text(reference: str, read: str) -> TextCounts:
    """Compare one text with what it should be, both in their normalised form."""
    wanted, got = normalised(reference), normalised(read)
    loosely = loose(reference), loose(read)
    wanted_words, got_words = words(reference), words(read)
    wanted_bag, got_bag = bag_of_words(reference), bag_of_words(read)
    return TextCounts(
        texts=1,
        right=int(wanted == got),
        characters=len(wanted),
        character_errors=Levenshtein.distance(wanted, got),
        words=len(wanted_words),
        word_errors=Levenshtein.distance(wanted_words, got_words),
        loose_characters=len(loosely[0]),
        loose_errors=Levenshtein.distance(*loosely),
        similarity=Levenshtein.normalized_similarity(wanted, got),
        words_right=(wanted_bag & got_bag).total(),
        words_wanted=wanted_bag.total(),
        words_found=got_bag.total(),
        characters_read=len(got),
    )


Pair = tuple[str, str]
"""Reference, and what was read."""


def count_texts(pairs: Iterable[Pair]) -> TextCounts:
    """Counts of many texts together."""
    return TextCounts.sum(count_text(*pair) for pair in pairs)


def cer(pairs: Iterable[Pair]) -> float:
    """Character error rate over all texts."""
    return count_texts(pairs).cer


def wer(pairs: Iterable[Pair]) -> float:
    """Word error rate over all texts."""
    return count_texts(pairs).wer


def line_accuracy(pairs: Iterable[Pair]) -> float:
    """Share of lines without an error."""
    return count_texts(pairs).accuracy


def normalised_edit_distance(pairs: Iterable[Pair]) -> float:
    """Mean of edit distance over the length of the longer text: 0 is perfect."""
    return 1 - count_texts(pairs).one_minus_ned


def region_figures(counts: RegionCounts) -> dict[str, float]:
    """The figures of regions by name, for logs and JSON."""
    return {
        **_named("detection", counts.detection),
        **_named("e2e", counts.end_to_end),
        **_named("e2e_relaxed", counts.end_to_end_relaxed),
        **_named("words", counts.words),
        "one_minus_ned": counts.one_minus_ned,
    }


def detection_figures(counts: RegionCounts) -> dict[str, float]:
    """The figures of a detector alone."""
    rates = counts.detection
    return {"hmean": rates.hmean, "precision": rates.precision, "recall": rates.recall}


def line_figures(counts: TextCounts) -> dict[str, float]:
    """The figures of a recogniser alone."""
    return {
        "line_accuracy": counts.accuracy,
        "cer": counts.cer,
        "cer_loose": counts.cer_loose,
        "wer": counts.wer,
        "one_minus_ned": counts.one_minus_ned,
    }


def _named(name: str, rates: Rates) -> Mapping[str, float]:
    values = {"precision": rates.precision, "recall": rates.recall, "hmean": rates.hmean}
    return {f"{name}_{key}": value for key, value in values.items()}
