"""What is written where on which image; nothing here needs torch.

Coordinates are pixels of the upright image, origin top-left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ocr_core.geometry import TALL, FloatArray, as_quad, order_corners, quad_size
from ocr_core.page import Quad
from ocr_core.training.skips import Skips


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A labelled piece of text on a page."""

    polygon: FloatArray
    """(k, 2), k ≥ 3; clockwise from the top-left corner of the text where it has four points."""
    text: str
    ignore: bool = False
    """Illegible, or no text at all: neither right nor wrong to find."""


@dataclass(frozen=True, slots=True, eq=False)
class PageLabel:
    """An image with everything that is written on it."""

    image: Path
    regions: tuple[Region, ...]
    language: str | None = None


@dataclass(frozen=True, slots=True)
class LineLabel:
    """One line of text."""

    image: Path
    text: str
    quad: Quad | None = None
    """Where the line lies on the image, clockwise from the top-left corner of the text; None: the
    whole image is the line."""


def lines_of(page: PageLabel, skips: Skips) -> Iterator[LineLabel]:
    """One line a region; a tall region with several characters is a line on its side."""
    for number, region in enumerate(page.regions):
        text = region.text.strip()
        if region.ignore or not text:
            reason = "ignored" if region.ignore else "empty_text"
            skips.add(reason, f"{page.image} region {number}")
        else:
            yield LineLabel(page.image, text, as_quad(reading_quad(region.polygon, text)))


def places_of(page: PageLabel) -> Iterator[LineLabel]:
    """Every region as a line, with or without a text, but for ignored ones."""
    for region in page.regions:
        if not region.ignore:
            text = region.text.strip()
            yield LineLabel(page.image, text, as_quad(reading_quad(region.polygon, text or "??")))


def reading_quad(polygon: FloatArray, text: str) -> FloatArray:
    """(k, 2) polygon → (4, 2) corners in the direction of reading.

    Four points are kept in the order given; others become their smallest rectangle. Upright
    rectangles much taller than wide are read from the top down, as the recogniser takes them.
    """
    quad = polygon if len(polygon) == 4 else _rectangle(polygon)
    widths, heights = quad_size(quad[None])
    tall = heights[0] >= TALL * max(float(widths[0]), 1.0)
    return np.roll(quad, -1, axis=0) if tall and len(text) > 1 else quad


def _rectangle(polygon: FloatArray) -> FloatArray:
    return order_corners(cv2.boxPoints(cv2.minAreaRect(polygon)).astype(np.float32))
