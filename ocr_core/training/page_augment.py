"""A page as a training picture: turned, flipped, scaled, bent, cut out and coloured at random.

All of the geometry is one warp, straight from the page to the picture, so its cost is that of the
picture's pixels. Steps and numbers: PP-OCR reference, section 6.1. Unlike there, scales are counted
from the size at which the reader looks at a page first, not from the pixels of the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.random import Generator

from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.training.page_store import PageSample, StoredPage


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAugment:
    """How pictures may differ from the pages they are cut from."""

    size: int = 640
    """Side of a picture, a multiple of 32."""
    zoom: tuple[float, float] = (0.5, 2.0)
    """Against the reader's first look; every factor between is as likely as its inverse."""
    flip: float = 0.5
    """Probability of mirroring; a mirrored line is still a line."""
    rotation: float = 10.0
    """Degrees to either side."""
    quarter_turns: float = 0.0
    """Probability of a turn by 90, 180 or 270 degrees."""
    perspective: float = 0.0
    """Probability of a bent page."""
    depth: float = 0.1
    """How much nearer one edge of a bent page is than its middle, at most."""
    shear: float = 0.1
    """Largest sideways shift of a bent page, in parts of its height."""
    brightness: float = 0.25
    contrast: float = 0.3
    saturation: float = 0.5
    tint: float = 0.05
    """How far the three channels may drift apart."""
    invert: float = 0.0
    """Probability of white on black."""
    blur: float = 0.15
    """Probability."""
    noise: float = 0.15
    """Probability."""
    tries: int = 20
    """Places for the cut that are looked at."""
    visible: float = 0.7
    """Part of a line's height that must be in the picture; less is ignored text."""

    def __post_init__(self) -> None:
        if self.size % 32 or self.size < 32:
            raise ValueError(f"size must be a multiple of 32, got {self.size}")
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom must be two factors above 0, the smaller first: {self.zoom}")


def place(page: StoredPage, numbers: PageAugment, rng: Generator) -> PageSample:
    """A (size, size) picture of a part of the page, before its colours are changed."""
    matrix = _spread(page, numbers, rng)
    polygons = transform(page.polygons, matrix)
    corner = _choose_cut(page, matrix, polygons, numbers, rng)
    matrix = _shift(-corner) @ matrix
    polygons = tuple(polygon - corner.astype(np.float32) for polygon in polygons)
    return _in_picture(
        PageSample(_warp(page, matrix, numbers.size), polygons, page.ignored), numbers.visible
    )


def transform(polygons: tuple[FloatArray, ...], matrix: FloatArray) -> tuple[FloatArray, ...]:
    """Polygons (k, 2) under a (3, 3) perspective matrix, all in one call."""
    if not polygons:
        return ()
    points = np.concatenate(polygons).astype(np.float64)[None]
    moved = cv2.perspectiveTransform(points, matrix)[0].astype(np.float32)
    ends = np.cumsum([len(polygon) for polygon in polygons])[:-1]
    return tuple(np.split(moved, ends))


def colour(image: ImageArray, numbers: PageAugment, rng: Generator) -> ImageArray:
    """Other light, other paper, another camera."""
    matrix = _colour_matrix(numbers, rng)
    changed = cv2.transform(image, matrix)
    if rng.random() < numbers.blur:
        sigma = float(rng.uniform(0.4, 1.2))
        changed = cv2.GaussianBlur(changed, (0, 0), sigma)
    if rng.random() < numbers.noise:
        grain = rng.standard_normal(changed.shape[:2], np.float32) * rng.uniform(3, 12)
        changed = np.clip(changed + grain[:, :, None], 0, 255).astype(np.uint8)
    return cast(ImageArray, changed)


def _spread(page: StoredPage, numbers: PageAugment, rng: Generator) -> FloatArray:
    """(3, 3): the page scaled, flipped, turned and bent about its middle."""
    height, width = page.levels[0].shape[:2]
    low, high = np.log(numbers.zoom)
    zoom = page.first_look * math.exp(rng.uniform(low, high))
    mirrored = -1.0 if rng.random() < numbers.flip else 1.0
    angle = rng.uniform(-numbers.rotation, numbers.rotation)
    if rng.random() < numbers.quarter_turns:
        angle += 90 * int(rng.integers(1, 4))
    bent = _bend(width * zoom, height * zoom, numbers, rng)
    cos, sin = math.cos(math.radians(angle)) * zoom, math.sin(math.radians(angle)) * zoom
    turned = np.array([[cos * mirrored, -sin, 0], [sin * mirrored, cos, 0], [0, 0, 1]])
    matrix: FloatArray = bent @ turned @ _shift(np.array([-width / 2, -height / 2]))
    return matrix


def _bend(width: float, height: float, numbers: PageAugment, rng: Generator) -> FloatArray:
    bend = np.eye(3)
    if rng.random() < numbers.perspective:
        bend[0, 1] = rng.uniform(-numbers.shear, numbers.shear)
        # the half diagonal: no turned page has a corner further from its middle
        reach = math.hypot(width, height) / 2
        bend[2, :2] = rng.uniform(-numbers.depth, numbers.depth, 2) / reach
    return cast(FloatArray, bend)


def _shift(by: FloatArray) -> FloatArray:
    matrix = np.eye(3)
    matrix[:2, 2] = by
    return cast(FloatArray, matrix)


def _choose_cut(
    page: StoredPage,
    matrix: FloatArray,
    polygons: tuple[FloatArray, ...],
    numbers: PageAugment,
    rng: Generator,
) -> FloatArray:
    """Top-left corner of the cut: with text, and through as few lines as can be had.

    Of random places the first that shows a whole line and cuts none along its length, or the one
    that cuts the fewest (PP-OCR's EastRandomCrop looks for cuts between all texts, which on a
    page of text leaves only cuts of the whole width).
    """
    height, width = page.levels[0].shape[:2]
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    low, high = _extent(transform((outline,), matrix))[0].reshape(2, 2)
    room = high - low - numbers.size
    first, last = low + np.minimum(room, 0), low + np.maximum(room, 0)
    corners: FloatArray = rng.uniform(first, last, (numbers.tries, 2)).astype(np.float32)
    wanted = tuple(p for p, ignore in zip(polygons, page.ignored, strict=True) if not ignore)
    if not wanted:
        return cast(FloatArray, corners[0])
    whole, cut = _count(_extent(wanted), corners, numbers)
    best = int(np.argmin(np.where(whole > 0, cut, cut + len(wanted) + 1)))
    return cast(FloatArray, corners[best])


def _extent(polygons: tuple[FloatArray, ...]) -> FloatArray:
    """(N, 4): x0, y0, x1, y1 around each polygon."""
    return np.array([(*p.min(axis=0), *p.max(axis=0)) for p in polygons], np.float32).reshape(-1, 4)


def _count(
    boxes: FloatArray, corners: FloatArray, numbers: PageAugment
) -> tuple[FloatArray, FloatArray]:
    """For each corner (K, 2), how many boxes (N, 4) are seen at full height, and how many less."""
    low = np.maximum(boxes[None, :, :2], corners[:, None])
    high = np.minimum(boxes[None, :, 2:], corners[:, None] + numbers.size)
    seen = np.maximum(high - low, 0)
    sides = boxes[:, 2:] - boxes[:, :2]
    across = np.argmin(sides, axis=1)  # 1 for a level line: its height lies along y
    rows = np.arange(len(boxes))
    share = seen[:, rows, across] / np.maximum(sides[rows, across], 1e-6)
    shown = (seen > 0).all(axis=2)
    full = shown & (share > 0.98)
    return full.sum(axis=1), (shown & ~full).sum(axis=1)


def _warp(page: StoredPage, matrix: FloatArray, size: int) -> ImageArray:
    """Pixels of the cut, from the smallest level that is not magnified."""
    zoom = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
    source, full = page.levels[page.level(zoom)], page.levels[0]
    grown = np.diag([full.shape[1] / source.shape[1], full.shape[0] / source.shape[0], 1.0])
    # Pixel centres lie at half numbers where edges are whole ones.
    centred = _shift(np.array([-0.5, -0.5])) @ matrix @ grown @ _shift(np.array([0.5, 0.5]))
    picture = cv2.warpPerspective(
        source,
        centred,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=page.paper,
    )
    return cast(ImageArray, picture)


def _in_picture(sample: PageSample, visible: float) -> PageSample:
    """Without the text outside; text of which too little is left in its height is ignored."""
    size = np.array(sample.image.shape[1::-1], np.float32)
    polygons, ignored = [], []
    for polygon, ignore in zip(sample.polygons, sample.ignored, strict=True):
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        if (high <= 0).any() or (low >= size).any():
            continue
        inside = (low >= 0).all() and (high <= size).all()
        share = 1.0 if inside else _visible_height(polygon, size)
        if share > 0:
            polygons.append(polygon)
            ignored.append(bool(ignore) or share < visible)
    return PageSample(sample.image, tuple(polygons), np.array(ignored, bool))


def _visible_height(polygon: FloatArray, size: FloatArray) -> float:
    """What part of a text's height lies in the picture; 0 outside."""
    rectangle = cv2.minAreaRect(polygon)
    frame = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float32)
    area, seen = cv2.intersectConvexConvex(cv2.boxPoints(rectangle), frame)
    if area <= 0 or seen is None:
        return 0.0
    part: Any = cv2.minAreaRect(seen)
    return float(min(1.0, min(part[1]) / max(min(rectangle[1]), 1e-6)))


def _colour_matrix(numbers: PageAugment, rng: Generator) -> FloatArray:
    """(3, 4): saturation, contrast about mid-grey, brightness, tint, inversion."""
    saturation = 1 + rng.uniform(-1, 1) * numbers.saturation
    contrast = 1 + rng.uniform(-1, 1) * numbers.contrast
    light = rng.uniform(-1, 1) * numbers.brightness * 128
    tint = rng.uniform(-1, 1, 3) * numbers.tint * 128
    grey = np.full((3, 3), (1 - saturation) / 3)
    linear = contrast * (grey + saturation * np.eye(3))
    offset = 128 * (1 - contrast) + light + tint
    if rng.random() < numbers.invert:
        linear, offset = -linear, 255 - offset
    return cast(FloatArray, np.column_stack([linear, offset]))
