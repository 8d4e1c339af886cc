"""CopyPaste: text of one page laid on another, with its outline as a label.

PP-OCR reference, section 5; PP-OCRv2 (arXiv:2109.03144), section 2.1. Differences that suit
documents: small angles and quarter turns instead of any angle, the size of the text that is there
already, paper of the same lightness, soft edges. The test for overlap and the range of places use
the turned outline, and only what has found a place is cut out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.random import Generator

from ocr_core.geometry import FloatArray, ImageArray, quad_size
from ocr_core.training.page_store import PageSample, StoredPage


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPaste:
    """How much is pasted, and how it may differ from its origin."""

    probability: float = 1.0
    """Of pasting anything on a picture."""
    share: float = 0.2
    """Part of the donor's texts."""
    most: int = 30
    angle: float = 10.0
    """Degrees to either side; 180: any angle, as published."""
    quarter_turns: float = 0.1
    """Probability of a turn by 90, 180 or 270 degrees more."""
    flip: float = 0.5
    """Probability of mirroring."""
    zoom: tuple[float, float] = (0.7, 1.4)
    """Size against the median text of the picture (of the donor, where there is none)."""
    match_paper: float = 0.8
    """Probability of taking over the lightness of the place."""
    tries: int = 50
    """Places looked at for each text."""


_LOWEST = 3.0
"""Pixels; text that is lower on its page, or would be on the picture, is not pasted."""


def paste(sample: PageSample, donor: StoredPage, how: CopyPaste, rng: Generator) -> PageSample:
    """The sample with some of the donor's texts on free places of it; often fewer than wanted."""
    chosen = _choose(donor, how, rng)
    if not chosen or rng.random() >= how.probability:
        return sample
    image = sample.image.copy()
    size = (image.shape[1], image.shape[0])
    boxes = [_box(polygon) for polygon in sample.polygons]
    height = _median_height(sample.polygons) or _median_height(chosen)
    added: list[FloatArray] = []
    for quad in chosen:
        outline = _outline(quad, height, how, rng)
        placed = None if outline is None else _free_place(outline, size, boxes, how, rng)
        if placed is None:
            continue
        _lay(image, donor, quad, placed, match_paper=rng.random() < how.match_paper)
        added.append(placed)
        boxes.append(_box(placed))
    ignored = np.concatenate([sample.ignored, np.zeros(len(added), bool)])
    return PageSample(image, (*sample.polygons, *added), ignored)


def _choose(donor: StoredPage, how: CopyPaste, rng: Generator) -> list[FloatArray]:
    """Some quads of the donor; texts of more than four points are left where they are."""
    pairs = zip(donor.polygons, donor.ignored, strict=True)
    quads = [p for p, ignore in pairs if not ignore and len(p) == 4]
    count = max(1, min(int(how.share * len(quads)), how.most))
    return [quads[i] for i in rng.permutation(len(quads))[:count]]


def _median_height(polygons: Sequence[FloatArray]) -> float:
    """Of the texts, in pixels; 0 where there are none."""
    heights = [min(cv2.minAreaRect(polygon)[1]) for polygon in polygons]
    return float(np.median(heights)) if heights else 0.0


def _outline(quad: FloatArray, height: float, how: CopyPaste, rng: Generator) -> FloatArray | None:
    """(4, 2) corners on the picture, about the origin, for those of the quad in their order.

    None where the text is too small.
    """
    zoom = math.exp(rng.uniform(*np.log(how.zoom)))
    mirrored, angle = rng.random() < how.flip, rng.uniform(-how.angle, how.angle)
    if rng.random() < how.quarter_turns:
        angle += 90 * int(rng.integers(1, 4))
    width, tall = (float(sides[0]) for sides in quad_size(quad[None]))
    lower = min(width, tall)
    if lower < _LOWEST or height * zoom < _LOWEST:
        return None
    half = np.array([width, tall]) * (height * zoom / lower / 2)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    if mirrored:
        corners[:, 0] *= -1
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return cast(FloatArray, (corners @ np.array([[cos, sin], [-sin, cos]])).astype(np.float32))


def _free_place(
    outline: FloatArray,
    size: tuple[int, int],
    boxes: Sequence[FloatArray],
    how: CopyPaste,
    rng: Generator,
) -> FloatArray | None:
    """The outline moved to where it touches no text; None if no such place was found."""
    own = _box(outline)
    room = np.array(size, np.float32) - (own[2:] - own[:2])
    if (room <= 0).any():
        return None
    corners = rng.uniform(0, room, (how.tries, 2)).astype(np.float32)
    free = np.arange(how.tries)
    if boxes:
        others = np.stack(boxes)
        low, high = corners[:, None], corners[:, None] + (own[2:] - own[:2])
        apart = np.any((high <= others[:, :2]) | (low >= others[:, 2:]), axis=2)
        free = np.flatnonzero(np.all(apart, axis=1))
    return outline - own[:2] + corners[free[0]] if len(free) else None


def _lay(
    image: ImageArray, donor: StoredPage, quad: FloatArray, outline: FloatArray, match_paper: bool
) -> None:
    """Draw the donor's quad into the outline on the image, soft at its edge."""
    x0, y0 = np.floor(outline.min(axis=0)).astype(int)
    x1, y1 = np.minimum(np.ceil(outline.max(axis=0)).astype(int), image.shape[1::-1])
    place = image[y0:y1, x0:x1]
    target = outline - np.array([x0, y0], np.float32)
    patch = _patch(donor, quad, target, (int(x1 - x0), int(y1 - y0)))
    pixels = patch.astype(np.float32)
    if match_paper:
        pixels += np.median(place, axis=(0, 1)) - np.median(patch, axis=(0, 1))
    cover = _soft(target, place.shape)[:, :, None]
    place[:] = np.rint(np.clip(pixels * cover + place * (1 - cover), 0, 255)).astype(np.uint8)


def _patch(
    donor: StoredPage, quad: FloatArray, target: FloatArray, size: tuple[int, int]
) -> ImageArray:
    """The donor warped so that its quad fills `target`, from the smallest level not magnified."""
    zoom = math.sqrt(cv2.contourArea(target) / max(cv2.contourArea(quad), 1e-6))
    source = donor.levels[donor.level(zoom)]
    full = donor.levels[0]
    ratio = np.array([source.shape[1] / full.shape[1], source.shape[0] / full.shape[0]], np.float32)
    # Pixel centres lie at half numbers where edges are whole ones.
    matrix = cv2.getPerspectiveTransform(quad * ratio - np.float32(0.5), target - np.float32(0.5))
    warped = cv2.warpPerspective(source, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return cast(ImageArray, warped)


def _soft(outline: FloatArray, size: tuple[int, ...]) -> FloatArray:
    """(h, w): 1 inside the outline, fading over the pixels next to its edge."""
    cover = np.zeros(size[:2], np.float32)
    cv2.fillConvexPoly(cover, np.rint(outline - 0.5).astype(np.int32), 1.0)
    return cast(FloatArray, cv2.blur(cover, (3, 3), borderType=cv2.BORDER_REPLICATE))


def _box(polygon: FloatArray) -> FloatArray:
    """(4,): x0, y0, x1, y1."""
    return np.concatenate([polygon.min(axis=0), polygon.max(axis=0)])
