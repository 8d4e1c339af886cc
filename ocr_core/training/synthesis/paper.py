"""What text stands on: paper, and the colours of paper and ink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import ImageArray
from ocr_core.training.synthesis.ink import Mask

Colour = NDArray[np.float32]
"""(3,) red, green, blue from 0 to 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tones:
    """Which colours paper and ink have; ranges of brightness from 0 to 255."""

    paper: tuple[float, float] = (225, 255)
    ink: tuple[float, float] = (0, 70)
    coloured: float = 0.0
    """Share of sheets that are not grey."""
    tint: float = 30.0
    """How far a coloured sheet's red, green and blue are from its grey."""
    inverted: float = 0.0
    """Share of sheets with light text on dark ground."""
    texture: float = 0.0
    """Deviation of the paper's slow unevenness."""
    fibre: float = 0.0
    """Deviation from one pixel to the next."""

    def choose(self, rng: np.random.Generator) -> tuple[Colour, Colour]:
        """Colours of the paper and of the ink."""
        paper, ink = rng.uniform(*self.paper), rng.uniform(*self.ink)
        if rng.random() < self.inverted:
            paper, ink = ink, paper
        tint = self.tint if rng.random() < self.coloured else 0.0
        shifts = rng.uniform(-tint, tint, (2, 3))
        colours = np.clip(np.array([[paper], [ink]]) + shifts, 0, 255).astype(np.float32)
        return colours[0], colours[1]


def sheet(
    size: tuple[int, int], colour: Colour, tones: Tones, rng: np.random.Generator
) -> ImageArray:
    """An empty sheet of (width, height) pixels."""
    width, height = size
    paper = np.empty((height, width, 3), np.float32)
    paper[:] = colour
    if tones.texture:
        paper += tones.texture * uneven(size, rng)[..., None]
    if tones.fibre:
        paper += tones.fibre * rng.standard_normal((height, width, 1), np.float32)
    return np.clip(paper, 0, 255).astype(np.uint8)


def uneven(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) smooth random values of deviation 1 or less: some hills across the longer side."""
    width, height = size
    cell = max(size) / rng.uniform(3, 9)
    coarse = (max(2, round(height / cell) + 1), max(2, round(width / cell) + 1))
    hills = rng.standard_normal(coarse, np.float32)
    return np.asarray(cv2.resize(hills, size, interpolation=cv2.INTER_CUBIC), np.float32)


def print_on(image: ImageArray, mask: Mask, place: tuple[int, int], ink: Colour) -> None:
    """Put ink on the image, in place; (x, y) is where the mask's top-left corner comes to lie.

    What falls outside the image is lost.
    """
    x, y = place
    left, top = max(0, -x), max(0, -y)
    target = image[max(0, y) : y + mask.shape[0], max(0, x) : x + mask.shape[1]]
    part = mask[top : top + target.shape[0], left : left + target.shape[1], None]
    covered = part.astype(np.float32) * np.float32(1 / 255)
    target[:] = (target + (ink - target) * covered + 0.5).astype(np.uint8)
