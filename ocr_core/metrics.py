"""How good detection and reading are: the figures of training, `pagemill evaluate` and benchmarks.

Numbers over many images or texts are numbers of all their counts together (micro), not means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ocr_core.rates import Rates
from ocr_core.region_counts import IOU, Found, Labelled, RegionCounts, count_regions, match
from ocr_core.text_counts import TextCounts, count_text

__all__ = [
    "IOU",
    "Found",
    "Labelled",
    "Rates",
    "RegionCounts",
    "TextCounts",
    "cer",
    "count_regions",
    "count_text",
    "count_texts",
    "detection_figures",
    "detection_hmean",
    "end_to_end_hmean",
    "line_accuracy",
    "line_figures",
    "match",
    "normalised_edit_distance",
    "region_figures",
    "wer",
]

Page = tuple[Sequence[Labelled], Sequence[Found]]
"""What is on an image, and what was found there."""


def detection_hmean(pages: Iterable[Page], iou: float = IOU) -> float:
    """Harmonic mean of precision and recall over all regions of all images."""
    return RegionCounts.sum(count_regions(*page, iou) for page in pages).detection.hmean


def end_to_end_hmean(pages: Iterable[Page], iou: float = IOU) -> float:
    """The same, a pair counting only if its texts are equal."""
    return RegionCounts.sum(count_regions(*page, iou) for page in pages).end_to_end.hmean


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
