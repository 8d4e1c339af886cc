"""From the detector's probability map to quads (PP-OCR `DBPostProcess`, quad mode)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import FloatArray, grow_rectangle, unclip_distance


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxProfile:
    """Numbers that turn a probability map into boxes; they belong to the trained weights."""

    threshold: float = 0.3
    """Pixels above it are text."""
    box_threshold: float = 0.6
    """Mean probability inside a box below which it is dropped."""
    unclip_ratio: float = 1.5
    """How far a box grows back from the shrunken text it was trained on."""
    max_candidates: int = 3000
    min_side: float = 3.0
    """Shorter side of the shrunken region, map pixels, below which it is noise."""


@dataclass(frozen=True, slots=True)
class Regions:
    """What a map holds, in map pixels."""

    quads: FloatArray
    """(N, 4, 2)"""
    scores: FloatArray
    """(N,) mean probability inside."""
    heights: FloatArray
    """(N,) shorter side of the grown rectangle: the height of the text."""


def find_regions(probability: FloatArray, profile: BoxProfile) -> Regions:
    """(H, W) text probability → regions, in no special order."""
    bitmap = (probability > profile.threshold).astype(np.uint8)
    contours, nesting = cv2.findContours(bitmap, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # a hole in a region has that region as its parent: only outer borders are lines
    links = nesting[0] if contours else ()
    outer = [c for c, link in zip(contours, links, strict=True) if link[3] < 0]
    found = [
        region
        for contour in outer[: profile.max_candidates]
        if (region := _region(probability, contour, profile)) is not None
    ]
    if not found:
        empty = np.zeros((0,), np.float32)
        return Regions(np.zeros((0, 4, 2), np.float32), empty, empty)
    quads, scores, heights = zip(*found, strict=True)
    return Regions(np.stack(quads), np.asarray(scores, np.float32), np.asarray(heights, np.float32))


def _region(
    probability: FloatArray, contour: NDArray[Any], profile: BoxProfile
) -> tuple[FloatArray, float, float] | None:
    center, (width, height), angle = cv2.minAreaRect(contour)
    if min(width, height) < profile.min_side:
        return None
    score = _mean_inside(probability, contour)
    if score < profile.box_threshold:
        return None
    by = unclip_distance(width, height, profile.unclip_ratio)
    quad = grow_rectangle(cast(tuple[float, float], center), (width, height), angle, by)
    # Pixel centres of the map become pixel edges: the quad spans whole pixels.
    return quad + 0.5, score, min(width, height) + 2 * by


def _mean_inside(probability: FloatArray, contour: NDArray[Any]) -> float:
    """Mean probability of the pixels a contour encloses."""
    x, y, width, height = cv2.boundingRect(contour)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [contour - np.array([[x, y]])], 1)
    return float(cv2.mean(probability[y : y + height, x : x + width], mask)[0])
