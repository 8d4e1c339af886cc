"""Finds the lines of a page at the scale its text asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from ocr_core.detection.postprocess import BoxProfile, Regions, find_regions
from ocr_core.errors import ModelUnsuited
from ocr_core.geometry import FloatArray, ImageArray

if TYPE_CHECKING:
    from ocr_core.runtime import Session

STEP = 32
"""Sides of the network's input are multiples of it."""

_LOOKS = (
    "first_pixels",
    "most_pixels",
    "largest_zoom",
    "text_height",
    "low_height",
    "small_share",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorProfile:
    """How a page is brought before the detector and read back from it."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of the channels in the network's order: blue, green, red (PP-OCR §1.3)."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    boxes: BoxProfile = field(default_factory=BoxProfile)
    first_pixels: int = 960 * 736
    """Network pixels of the first look."""
    most_pixels: int = 2048 * 1536
    """Network pixels that are never exceeded, whatever the page."""
    largest_zoom: float = 1.5
    """How far small pictures are scaled up."""
    text_height: float = 20.0
    """Height of a grown line, in network pixels, that the second look aims at."""
    low_height: float = 14.0
    """Below this height of its small text a page is looked at again, larger."""
    small_share: float = 15.0
    """Which percentile of the heights counts as the small text of a page."""

    @classmethod
    def of_bundle(cls, profile: Mapping[str, Any]) -> DetectorProfile:
        """The numbers that a bundle brings with its weights.

        Those of the looks may be left out. Raises ModelUnsuited if another one is.
        """
        if profile.get("order") != "bgr" or profile.get("multiple") != STEP:
            raise ModelUnsuited(
                f"a detector takes blue, green, red, and multiples of {STEP} pixels"
            )
        try:
            boxes = BoxProfile(
                threshold=profile["threshold"],
                box_threshold=profile["box_threshold"],
                unclip_ratio=profile["unclip"],
                max_candidates=profile["max_candidates"],
            )
            mean, std = tuple(profile["mean"]), tuple(profile["std"])
        except KeyError as error:
            raise ModelUnsuited(f"its profile lacks {error}") from error
        looks = {name: profile[name] for name in _LOOKS if name in profile}
        return cls(mean=mean, std=std, boxes=boxes, **looks)


@dataclass(frozen=True, slots=True)
class Detected:
    """Lines on the page image, in pixels of that image."""

    quads: FloatArray
    """(N, 4, 2)"""
    scores: FloatArray
    """(N,)"""
    scale: float
    """Network pixels a page pixel, at the look that counted."""


class Detector:
    """A detector network with its profile."""

    def __init__(self, session: Session, profile: DetectorProfile) -> None:
        self._session = session
        self._profile = profile
        # x / 255, minus mean, over std is one multiplication and one addition.
        std = np.asarray(profile.std, np.float32)
        self._gain = (1 / (255 * std)).reshape(3, 1, 1).astype(np.float32)
        self._offset = (-np.asarray(profile.mean, np.float32) / std).reshape(3, 1, 1)

    def find(self, image: ImageArray) -> Detected:
        """Lines of an (H, W, 3) RGB page; none on a blank page.

        The first look is small and cheap. It is enough for text of common size; if the small text
        it meets is too low to be told apart, the page is looked at once more at the scale that
        brings this text to `text_height`.
        """
        scale = self._first_scale(image.shape)
        regions = self._look(image, scale)
        again = self._second_scale(image.shape, scale, regions)
        if again is not None:
            scale, regions = again, self._look(image, again)
        return Detected(regions.quads, regions.scores, scale)

    def _first_scale(self, shape: tuple[int, ...]) -> float:
        fits = math.sqrt(self._profile.first_pixels / (shape[0] * shape[1]))
        return min(fits, self._profile.largest_zoom)

    def _second_scale(self, shape: tuple[int, ...], scale: float, regions: Regions) -> float | None:
        """The scale of a second look, or None where the first was good enough."""
        profile = self._profile
        limit = math.sqrt(profile.most_pixels / (shape[0] * shape[1]))
        ceiling = min(limit, max(1.0, scale))
        if scale >= ceiling:
            return None
        if not len(regions.heights):  # text too small to be seen at all, or a blank page
            return ceiling
        low = float(np.percentile(regions.heights, profile.small_share))
        if low >= profile.low_height:
            return None
        return min(scale * profile.text_height / low, ceiling)

    def _look(self, image: ImageArray, scale: float) -> Regions:
        """Regions with quads in page pixels; heights stay in network pixels."""
        height, width = image.shape[:2]
        inner = (_sides(width, scale), _sides(height, scale))
        probability = self._session.run(self._input(image, inner))[0, 0]
        regions = find_regions(probability, self._profile.boxes)
        back = np.array([width / inner[0], height / inner[1]], np.float32)
        quads = np.clip(regions.quads * back, 0, np.array([width, height], np.float32))
        return Regions(quads, regions.scores, regions.heights)

    def _input(self, image: ImageArray, size: tuple[int, int]) -> FloatArray:
        """(H, W, 3) RGB → (1, 3, h, w) normalised, channels blue, green, red."""
        shrinks = size[0] < image.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(image, size, interpolation=how)
        planes = small.transpose(2, 0, 1)[::-1]
        return cast(FloatArray, (planes * self._gain + self._offset)[None])


def _sides(length: int, scale: float) -> int:
    return max(STEP, round(length * scale / STEP) * STEP)
