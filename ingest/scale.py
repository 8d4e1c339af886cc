"""How large a PDF page is drawn.

- A page that is a picture is drawn at the resolution of its picture, kept between 150 and 300
  dpi; where one picture fills the page, on exactly its pixels. A small page with a fine picture
  may go beyond 300 dpi, up to the pixels an A4 page has at 300 dpi.
- Any other page is drawn at 200 dpi, a very small one larger, so that its text has a chance.
- A page beyond the limit of pixels is drawn smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.layer import Picture
from ocr_core.page import Box

POINTS_AN_INCH = 72.0
VECTOR_DPI = 200.0
PICTURE_DPI = (150.0, 300.0)
_FINE_SIDE = 3508
"""Pixels of the longer side of A4 at 300 dpi."""
_SMALL_SIDE = 800
"""Pixels the longer side of a very small page is brought up to."""
_HIGHEST_DPI = 2400.0
LONGEST_SIDE = 60_000
"""Pixels of any picture that leaves the sandbox."""
_PICTURE_PAGE = 0.4
"""Share of a page its pictures cover, for it to be a picture."""
_FINE_SHARE = 0.2
"""Share of a page that its finest pictures must cover to decide."""
_TOLERANCE = 0.05
_SQUARE = 0.03
_EDGE = 0.005


@dataclass(frozen=True, slots=True)
class Scale:
    """Pixels a point along each axis; they differ only to hit the pixels of a picture."""

    x: float
    y: float

    @property
    def dpi(self) -> float:
        """Pixels an inch along the width."""
        return self.x * POINTS_AN_INCH


def vector_scale(page: Box, max_pixels: int, dpi: float | None = None) -> Scale:
    """For a page, in points, whose text is drawn by fonts; `dpi` overrides the choice."""
    longest = max(page[2], page[3]) / POINTS_AN_INCH
    enlarged = min(_SMALL_SIDE / longest, _HIGHEST_DPI)
    factor = (dpi or max(VECTOR_DPI, enlarged)) / POINTS_AN_INCH
    return _capped(page, Scale(factor, factor), max_pixels)


def picture_scale(page: Box, pictures: Sequence[Picture], max_pixels: int) -> Scale:
    """For a page, in points, that has to be read: by its pictures, if they make up much of it."""
    native = native_dpi(page, pictures)
    if native is None:
        return vector_scale(page, max_pixels)
    lowest, highest = PICTURE_DPI
    highest = max(highest, _FINE_SIDE * POINTS_AN_INCH / max(page[2], page[3]))
    exact = _exact_scale(page, pictures)
    if exact and lowest <= exact.dpi <= highest * (1 + _TOLERANCE):
        return _capped(page, exact, max_pixels)
    factor = min(max(native, lowest), highest) / POINTS_AN_INCH
    return _capped(page, Scale(factor, factor), max_pixels)


def native_dpi(page: Box, pictures: Sequence[Picture]) -> float | None:
    """The resolution of the finest pictures of a page; None if it is not made of pictures."""
    parts = sorted(
        ((_dpi(picture), _share(page, picture.box)) for picture in pictures), reverse=True
    )
    if sum(share for _, share in parts) < _PICTURE_PAGE:
        return None
    covered = 0.0
    for dpi, share in parts:
        covered += share
        if covered >= _FINE_SHARE:
            return dpi
    return None


def _dpi(picture: Picture) -> float:
    x0, y0, x1, y1 = picture.box
    area = max((x1 - x0) * (y1 - y0), 1e-6)
    return math.sqrt(picture.width * picture.height / area) * POINTS_AN_INCH


def _share(page: Box, box: Box) -> float:
    width = min(page[2], box[2]) - max(page[0], box[0])
    height = min(page[3], box[3]) - max(page[1], box[1])
    return max(width, 0.0) * max(height, 0.0) / (page[2] * page[3])


def filling_picture(page: Box, pictures: Sequence[Picture]) -> Picture | None:
    """The finest picture that lies upright, or turned, on all of the page; None without one."""
    filling = [each for each in pictures if each.turn is not None and _fills(page, each.box)]
    return max(filling, key=_dpi, default=None)


def _exact_scale(page: Box, pictures: Sequence[Picture]) -> Scale | None:
    """The scale on which the picture that fills the page keeps its very pixels."""
    finest = filling_picture(page, pictures)
    if finest is None:
        return None
    x0, y0, x1, y1 = finest.box
    scale = Scale(finest.width / (x1 - x0), finest.height / (y1 - y0))
    return scale if abs(scale.x / scale.y - 1) < _SQUARE else None


def _fills(page: Box, box: Box) -> bool:
    margin = _EDGE * max(page[2], page[3])
    return all(abs(edge - other) <= margin for edge, other in zip(page, box, strict=True))


def _capped(page: Box, scale: Scale, max_pixels: int) -> Scale:
    width, height = page[2] * scale.x, page[3] * scale.y
    room = math.sqrt(max_pixels / (width * height)) - 1 / min(width, height)  # rounded outwards
    factor = min(1.0, room if width * height > 0.99 * max_pixels else 1.0)
    factor = min(factor, LONGEST_SIDE / max(width, height))
    return Scale(scale.x * factor, scale.y * factor)
