"""CopyPaste: text of one page laid on another, with its outline as a label.

PP-OCR reference, section 5; PP-OCRv2 (arXiv:2109.03144), section 2.1. Differences that suit
documents: small angles and quarter turns instead of any angle, the size of the text that is there
already, paper of the same lightness, soft edges. The test for overlap and the range of places use
the turned outline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.random import Generator

from ocr_core.geometry import FloatArray, ImageArray, crop, quad_size
from ocr_core.training.page_store import PageSample


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


class Patch(NamedTuple):
    """A text cut out, ready to be laid on a picture."""

    image: ImageArray
    """(h, w, 3)"""
    cover: FloatArray
    """(h, w), 1 where the text's own pixels are, soft at its edge."""
    outline: FloatArray
    """(4, 2), pixels of `image`."""


def paste(sample: PageSample, donor: PageSample, how: CopyPaste, rng: Generator) -> PageSample:
    """The sample with some of the donor's texts on free places of it; often fewer than wanted."""
    chosen = _choose(donor, how, rng)
    if not chosen or rng.random() >= how.probability:
        return sample
    image = sample.image.copy()
    boxes = [_box(polygon) for polygon in sample.polygons]
    height = _median_height(sample.polygons) or _median_height(chosen)
    added = []
    for quad in chosen:
        patch = _cut(donor.image, quad, height, how, rng)
        corner = None if patch is None else _free_place(patch, image.shape, boxes, how, rng)
        if patch is None or corner is None:
            continue
        _lay(image, patch, corner, rng.random() < how.match_paper)
        added.append(patch.outline + corner.astype(np.float32))
        boxes.append(_box(added[-1]))
    ignored = np.concatenate([sample.ignored, np.zeros(len(added), bool)])
    return PageSample(image, (*sample.polygons, *added), ignored)


def _choose(donor: PageSample, how: CopyPaste, rng: Generator) -> list[FloatArray]:
    """Quads of the donor in random order; texts of more than four points are left where they are.

    The same random numbers are drawn whatever the donor holds.
    """
    pairs = zip(donor.polygons, donor.ignored, strict=True)
    quads = [p for p, ignore in pairs if not ignore and len(p) == 4]
    order = rng.permutation(len(donor.polygons))
    count = max(1, min(int(how.share * len(quads)), how.most))
    return [quads[i] for i in order if i < len(quads)][:count]


def _median_height(polygons: Sequence[FloatArray]) -> float:
    """Of the texts, in pixels; 0 where there are none."""
    heights = [min(cv2.minAreaRect(polygon)[1]) for polygon in polygons]
    return float(np.median(heights)) if heights else 0.0


def _cut(
    image: ImageArray, quad: FloatArray, height: float, how: CopyPaste, rng: Generator
) -> Patch | None:
    """A text straightened, scaled, mirrored and turned; None where it would be too small."""
    zoom = rng.uniform(*np.log(how.zoom))
    mirrored, angle = rng.random() < how.flip, rng.uniform(-how.angle, how.angle)
    if rng.random() < how.quarter_turns:
        angle += 90 * int(rng.integers(1, 4))
    widths, heights = quad_size(quad[None])
    long, short = max(widths[0], heights[0]), min(widths[0], heights[0])
    if short < 3 or height < 3:
        return None
    factor = height * math.exp(zoom) / float(short)
    size = (max(2, round(float(widths[0]) * factor)), max(2, round(float(heights[0]) * factor)))
    if long * factor > 4096:
        return None
    straight = crop(image, quad, size)
    return _turned(np.ascontiguousarray(straight[:, ::-1] if mirrored else straight), angle)


def _turned(straight: ImageArray, angle: float) -> Patch:
    """On a canvas that holds all of it."""
    height, width = straight.shape[:2]
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    sides = (width * cos + height * sin, width * sin + height * cos)
    size = (math.ceil(sides[0] - 1e-6), math.ceil(sides[1] - 1e-6))
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, 1.0)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    image = cv2.warpAffine(straight, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(_soft(height, width), matrix, size)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
    outline = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
    return Patch(cast(ImageArray, image), cast(FloatArray, cover), outline.astype(np.float32))


def _soft(height: int, width: int) -> FloatArray:
    """(height, width) of ones that fade over the two outermost pixels."""
    x = np.minimum(np.arange(width) + 1, np.arange(width, 0, -1))
    y = np.minimum(np.arange(height) + 1, np.arange(height, 0, -1))
    edge = np.minimum(np.minimum(x[None, :], y[:, None]) / 3, 1)
    return cast(FloatArray, edge.astype(np.float32))


def _free_place(
    patch: Patch,
    size: tuple[int, ...],
    boxes: Sequence[FloatArray],
    how: CopyPaste,
    rng: Generator,
) -> FloatArray | None:
    """Top-left corner (2,) of the patch where it touches no text; None if none was found."""
    room = np.array([size[1], size[0]]) - np.array(patch.image.shape[1::-1])
    if (room < 0).any():
        return None
    corners = rng.integers(0, room + 1, (how.tries, 2))
    if not boxes:
        return cast(FloatArray, corners[0])
    own, others = _box(patch.outline), np.stack(boxes)
    low = own[:2] + corners[:, None]
    high = own[2:] + corners[:, None]
    apart = np.any((high <= others[:, :2]) | (low >= others[:, 2:]), axis=2)
    free = np.flatnonzero(np.all(apart, axis=1))
    return cast(FloatArray, corners[free[0]]) if len(free) else None


def _lay(image: ImageArray, patch: Patch, corner: FloatArray, match_paper: bool) -> None:
    """Mix the patch into the image."""
    x, y = int(corner[0]), int(corner[1])
    height, width = patch.cover.shape
    place = image[y : y + height, x : x + width]
    pixels: Any = patch.image.astype(np.float32)
    if match_paper:
        pixels += np.median(place, axis=(0, 1)) - np.median(patch.image, axis=(0, 1))
    cover = patch.cover[:, :, None]
    place[:] = np.clip(pixels * cover + place * (1 - cover), 0, 255).astype(np.uint8)


def _box(polygon: FloatArray) -> FloatArray:
    """(4,): x0, y0, x1, y1."""
    return np.concatenate([polygon.min(axis=0), polygon.max(axis=0)])
