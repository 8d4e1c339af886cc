"""What happens to a sheet between the printer and the file: each a function of image and chance.

Images are (H, W, 3) uint8 and keep their size. Ranges are drawn from uniformly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import ArrayLike

from ocr_core.geometry import ImageArray
from ocr_core.training.synthesis.paper import uneven

Range = tuple[float, float]
Effect = Callable[[ImageArray, np.random.Generator], ImageArray]


@dataclass(frozen=True, slots=True)
class Wear:
    """An effect, and how often it happens."""

    share: float
    effect: Effect


def worn(image: ImageArray, steps: tuple[Wear, ...], rng: np.random.Generator) -> ImageArray:
    """Let every step happen or not, in the order given."""
    for step in steps:
        if rng.random() < step.share:
            image = step.effect(image, rng)
    return image


def blur(image: ImageArray, rng: np.random.Generator, sigma: Range) -> ImageArray:
    """Out of focus; sigma in pixels."""
    return _image(cv2.GaussianBlur(image, (0, 0), rng.uniform(*sigma)))


def motion(image: ImageArray, rng: np.random.Generator, length: Range) -> ImageArray:
    """Moved while exposed, along a straight line of some pixels."""
    reach = rng.uniform(*length) / 2
    size = 2 * int(np.ceil(reach)) + 3
    angle = rng.uniform(0, np.pi)
    step = 16 * reach * np.array([np.cos(angle), np.sin(angle)])
    middle = 16 * (size // 2)
    first, last = (middle - step).astype(int), (middle + step).astype(int)
    kernel = np.zeros((size, size), np.uint8)
    cv2.line(kernel, first.tolist(), last.tolist(), 255, 1, cv2.LINE_AA, 4)
    return _image(cv2.filter2D(image, -1, kernel.astype(np.float32) / kernel.sum()))


def noise(image: ImageArray, rng: np.random.Generator, sigma: Range) -> ImageArray:
    """Grain of grey, from one pixel to the next."""
    grain = rng.standard_normal((*image.shape[:2], 1), np.float32) * np.float32(rng.uniform(*sigma))
    return _image(np.clip(image + grain, 0, 255))


def colour_noise(image: ImageArray, rng: np.random.Generator, sigma: Range) -> ImageArray:
    """Grain of a camera in poor light: each channel by itself."""
    grain = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(*sigma))
    return _image(np.clip(image + grain, 0, 255))


def shade(image: ImageArray, rng: np.random.Generator, depth: Range) -> ImageArray:
    """Uneven light: the darkest part has lost this share of its light, or nearly so."""
    height, width = image.shape[:2]
    across, down = rng.uniform(-1, 1, 2)
    slope = np.linspace(-across, across, width)[None] + np.linspace(-down, down, height)[:, None]
    hills = slope + 0.7 * uneven((width, height), rng)
    low, high = float(hills.min()), float(hills.max())
    light = 1 - rng.uniform(*depth) * (hills - low) / max(high - low, 1e-6)
    return _image(image * light[..., None].astype(np.float32))


def contrast(
    image: ImageArray, rng: np.random.Generator, factor: Range, shift: Range
) -> ImageArray:
    """Exposure: grey values stretched about their mean and moved."""
    stretched = (image - image.mean()) * rng.uniform(*factor) + image.mean() + rng.uniform(*shift)
    return _image(np.clip(stretched, 0, 255))


def bleed(image: ImageArray, rng: np.random.Generator, spread: Range) -> ImageArray:
    """Ink that ran (positive) or is worn off (negative), by a fraction of a pixel."""
    amount = rng.uniform(*spread)
    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    moved = cv2.erode(image, kernel) if amount > 0 else cv2.dilate(image, kernel)
    share = min(abs(amount), 1.0)
    return _image(cv2.addWeighted(moved, share, image, 1 - share, 0))


def low_resolution(image: ImageArray, rng: np.random.Generator, factor: Range) -> ImageArray:
    """Taken with too few pixels, and enlarged again."""
    height, width = image.shape[:2]
    by = rng.uniform(*factor)
    small = (max(4, round(width * by)), max(4, round(height * by)))
    few = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    back = int(
        rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST], p=[0.5, 0.4, 0.1])
    )
    return _image(cv2.resize(few, (width, height), interpolation=back))


def jpeg(image: ImageArray, rng: np.random.Generator, quality: Range) -> ImageArray:
    """Stored with losses."""
    chosen = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(*quality))]
    _, stored = cv2.imencode(".jpg", image, chosen)
    return cast(ImageArray, cv2.imdecode(stored, cv2.IMREAD_COLOR))


def one_bit(image: ImageArray, rng: np.random.Generator, level: Range) -> ImageArray:
    """Black and white and nothing between; the level counts from the darkest to the lightest."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (1, 99))
    black = grey < low + (high - low) * rng.uniform(*level)
    return np.repeat(np.where(black, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def salt_and_pepper(image: ImageArray, rng: np.random.Generator, share: Range) -> ImageArray:
    """Single pixels that turned black or white."""
    chance = rng.random(image.shape[:2], np.float32)
    hit = np.float32(rng.uniform(*share) / 2)
    image = image.copy()
    image[chance < hit] = 0
    image[chance > 1 - hit] = 255
    return image


def lost_rows(image: ImageArray, rng: np.random.Generator, share: Range) -> ImageArray:
    """Rows that a fax did not receive: each is the row above it."""
    kept = rng.random(image.shape[0]) >= rng.uniform(*share)
    source = np.maximum.accumulate(np.where(kept, np.arange(image.shape[0]), 0))
    return image[source]


def fade(image: ImageArray, rng: np.random.Generator, depth: Range) -> ImageArray:
    """Print that became pale in places, as on thermal paper."""
    height, width = image.shape[:2]
    hills = np.clip(0.5 + 0.5 * uneven((width, height), rng), 0, 1)[..., None]
    paper = np.percentile(image, 90, axis=(0, 1)).astype(np.float32)
    pale = np.float32(rng.uniform(*depth)) * hills
    return _image(np.clip(image + (paper - image) * pale, 0, 255))


def glow(image: ImageArray, rng: np.random.Generator, sigma: Range) -> ImageArray:
    """Light that spills over from lit segments."""
    halo = cv2.GaussianBlur(image, (0, 0), rng.uniform(*sigma))
    return _image(cv2.max(image, cv2.addWeighted(image, 0.4, halo, 0.75, 0)))


def _image(pixels: ArrayLike) -> ImageArray:
    return np.asarray(pixels).astype(np.uint8, copy=False)
