"""Changing crops of text lines at random, as cameras, scanners and bad printers do.

The text stays what it is: nothing is mirrored or turned by more than a bent line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.random import Generator

from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.training.moving_least_squares import warp_map

_LEAST = 20
"""Pixels of width and height below which a crop is neither bent nor cut (PP-OCR §6.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAugment:
    """How likely each change is; the defaults are PP-OCRv2's, where it says so."""

    warp: float = 0.4
    """TIA: distort, stretch and perspective together (PP-OCRv2)."""
    distort: float = 1.0
    """Of what a warp may move the points between segments; 1: a third of a segment."""
    stretch: float = 1.0
    """Of what a warp may move segments along the line; 1: two fifths of a segment."""
    perspective: float = 0.5
    """How far, in parts of the height, a warp may pull in the corners (PP-OCRv2: 0.5)."""
    aspect: float = 0.0
    """Largest change of the width, as a factor less 1: 0.2 is from 1/1.2 to 1.2."""
    crop: float = 0.4
    """A few rows cut off above or below (PP-OCRv2)."""
    shift: float = 0.4
    """A few pixels moved."""
    shift_pixels: float = 2.0
    """Largest shift, at a height of 32 pixels."""
    blur: float = 0.4
    """Gaussian (PP-OCRv2)."""
    coarse: float = 0.0
    """Made smaller and larger again: fine strokes run together."""
    noise: float = 0.4
    """Gaussian (PP-OCRv2)."""
    noise_levels: float = 20.0
    """Largest standard deviation of the noise, in grey levels."""
    colour: float = 0.4
    """Contrast, brightness and the tint of the paper."""
    invert: float = 0.4
    """Light on dark (PP-OCRv2)."""
    join: float = 0.0
    """Another line is put behind it (PP-OCRv3: RecConAug, 0.5)."""


NONE = LineAugment(
    warp=0, aspect=0, crop=0, shift=0, blur=0, coarse=0, noise=0, colour=0, invert=0, join=0
)
PP_OCR_V2 = LineAugment()
DOCUMENTS = LineAugment(
    warp=0.3, perspective=0.15, aspect=0.15, coarse=0.2, noise_levels=12.0, invert=0.05, join=0.2
)
"""Scans and photographs of paper: milder warps, seldom light on dark."""
IN_PLACE = LineAugment(
    warp=0, aspect=0, crop=0.2, shift=0.2, blur=0.3, coarse=0.2, noise=0.3, invert=0.05
)
"""Keeps every character in its frame, so that labels of single frames stay true."""


def augment(
    line: ImageArray, options: LineAugment, random: Generator, narrowest: int = 1
) -> ImageArray:
    """(H, W, 3) → a changed crop of the same height; it stays at least `narrowest` pixels wide."""
    if random.random() < options.crop:
        line = _cut_rows(line, random)
    if options.aspect:
        line = _resized(line, options.aspect, random, narrowest)
    if random.random() < options.warp:
        line = warp(line, options, random)
    if random.random() < options.shift:
        line = _shifted(line, options.shift_pixels, random)
    if random.random() < options.coarse:
        line = _coarse(line, random)
    if random.random() < options.blur:
        line = cast(ImageArray, cv2.GaussianBlur(line, (5, 5), random.uniform(0.3, 1.2)))
    return _recoloured(line, options, random)


def warp(line: ImageArray, options: LineAugment, random: Generator) -> ImageArray:
    """Text image augmentation, TIA (Luo et al. 2020, "Learn to Augment", arXiv:2003.06606).

    Points on the upper and lower edge are moved inward (distort) and along the line (stretch), and
    the corners pulled in (perspective): one resampling for all three. Crops that are too small to
    be cut into segments get the perspective only.
    """
    height, width = line.shape[:2]
    segments = int(random.integers(3, 7))
    if min(height, width) >= _LEAST and width // segments >= 3:
        places, moved = _moved_points(width, height, segments, options, random)
        source = warp_map(moved, places, (width, height))
    else:
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        source = np.stack([columns, rows], axis=-1).astype(np.float32)
    if options.perspective:
        source = _projected(source, _tilt(width, height, options.perspective, random))
    xs, ys = source[..., 0], source[..., 1]
    changed = cv2.remap(line, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast(ImageArray, changed)


def _moved_points(
    width: int, height: int, segments: int, options: LineAugment, random: Generator
) -> tuple[FloatArray, FloatArray]:
    """Points of the upper and lower edge, at the ends of segments, and where they go."""
    xs = np.linspace(0, width - 1, segments + 1)
    above = np.stack([xs, np.zeros_like(xs)], axis=1)
    below = np.stack([xs, np.full_like(xs, height - 1)], axis=1)
    bend = min(width // segments // 3, height // 3) * options.distort
    along = np.zeros(segments + 1)
    along[1:-1] = random.uniform(-0.4, 0.4, segments - 1) * (width / segments) * options.stretch
    moved_above = above + random.uniform(0, 1, above.shape) * bend
    moved_below = below + random.uniform(0, 1, below.shape) * (bend, -bend)
    for points in (moved_above, moved_below):
        points[:, 0] += along
        points[-1, 0] = min(points[-1, 0], width - 1)
    places = np.concatenate([above, below])
    return places.astype(np.float32), np.concatenate([moved_above, moved_below]).astype(np.float32)


def _tilt(width: int, height: int, part: float, random: Generator) -> FloatArray:
    """Homography from the result back to the source, its corners pulled in by up to `part`·H."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    pulled = corners.copy()
    pulled[:, 1] += random.uniform(0, 0.5 * part * height, 4) * (1, 1, -1, -1)
    return cast(FloatArray, cv2.getPerspectiveTransform(pulled, corners).astype(np.float32))


def _projected(source: FloatArray, matrix: FloatArray) -> FloatArray:
    return cast(FloatArray, cv2.perspectiveTransform(source, matrix))


def _cut_rows(line: ImageArray, random: Generator) -> ImageArray:
    height, width = line.shape[:2]
    if min(height, width) < _LEAST:
        return line
    rows = int(random.integers(1, max(2, height // 8)))
    part = line[rows:] if random.random() < 0.5 else line[:-rows]
    return cast(ImageArray, cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR))


def _resized(line: ImageArray, most: float, random: Generator, narrowest: int) -> ImageArray:
    height, width = line.shape[:2]
    factor = (1 + most) ** random.uniform(-1, 1)
    wanted = max(narrowest, round(width * factor))
    return cast(ImageArray, cv2.resize(line, (wanted, height), interpolation=cv2.INTER_LINEAR))


def _shifted(line: ImageArray, most: float, random: Generator) -> ImageArray:
    height, width = line.shape[:2]
    by = random.uniform(-most, most, 2) * (height / 32)
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1] / 2]], np.float32)
    moved = cv2.warpAffine(line, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return cast(ImageArray, moved)


def _coarse(line: ImageArray, random: Generator) -> ImageArray:
    height, width = line.shape[:2]
    factor = random.uniform(0.4, 0.8)
    small = (max(4, round(width * factor)), max(4, round(height * factor)))
    reduced = cv2.resize(line, small, interpolation=cv2.INTER_AREA)
    return cast(ImageArray, cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR))


def _recoloured(line: ImageArray, options: LineAugment, random: Generator) -> ImageArray:
    """Contrast, brightness, tint and inversion in one product; then noise, equal in all colours."""
    gain, offset = np.ones(3, np.float32), np.zeros(3, np.float32)
    if random.random() < options.colour:
        gain = random.uniform(0.6, 1.15) * random.uniform(0.92, 1.0, 3).astype(np.float32)
        offset = 128 * (1 - gain) + random.uniform(-40, 40)
    if random.random() < options.invert:
        gain, offset = -gain, 255 - offset
    noisy = random.random() < options.noise
    if not noisy and bool((gain == 1).all()):
        return line
    levelled = np.asarray(line, np.float32) * gain.astype(np.float32) + offset.astype(np.float32)
    if noisy:
        levels = random.uniform(0, options.noise_levels)
        grain = random.standard_normal((*line.shape[:2], 1), np.float32)
        levelled += grain * np.float32(levels)
    return np.clip(levelled, 0, 255).astype(np.uint8)


def join(lines: Sequence[ImageArray]) -> ImageArray:
    """Lines of one height side by side, with a gap like a space in the colour of their edges."""
    height = lines[0].shape[0]
    parts: list[ImageArray] = [lines[0]]
    for line in lines[1:]:
        edge = (parts[-1][:, -1:].mean((0, 1)) + line[:, :1].mean((0, 1))) / 2
        gap = np.empty((height, height // 4, 3), np.uint8)
        gap[:] = edge.round()
        parts += [gap, line]
    return np.concatenate(parts, axis=1)
