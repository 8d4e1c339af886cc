"""Labelled pages, decoded once and kept in memory at the sizes training looks at them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.image import read_image
from ocr_core.training.labelled import PageLabel

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PageSample:
    """Pixels with the outlines of their text."""

    image: ImageArray
    """(H, W, 3) RGB"""
    polygons: tuple[FloatArray, ...]
    """Each (k, 2), pixels of `image`; they may reach beyond it."""
    ignored: BoolArray
    """One for each polygon: neither text nor background."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredPage:
    """A page at its full kept size, then halved again and again."""

    levels: tuple[ImageArray, ...]
    polygons: tuple[FloatArray, ...]
    """In pixels of the first level."""
    ignored: BoolArray
    paper: tuple[int, int, int]
    """The commonest colour, which stands for what lies beyond the edges."""
    first_look: float
    """Scale of the first level at which the reader would look at the page first."""

    @property
    def sample(self) -> PageSample:
        """The page at its kept size."""
        return PageSample(self.levels[0], self.polygons, self.ignored)

    def level(self, zoom: float) -> int:
        """The smallest level that is not magnified when the first one is scaled by `zoom`."""
        halvings = math.floor(-math.log2(max(zoom, 1e-6)) + 1e-3)
        return min(max(0, halvings), len(self.levels) - 1)

    @property
    def nbytes(self) -> int:
        """Memory the pixels take."""
        return sum(level.nbytes for level in self.levels)


class PageStore:
    """Pages by number, the last used ones in memory; not more bytes than allowed, but one page.

    Processes forked after `warm` share what it decoded.
    """

    def __init__(
        self,
        pages: Sequence[PageLabel],
        *,
        page_pixels: float,
        largest_zoom: float = 1.5,
        closest: float = 2.0,
        most_bytes: int = 2**30,
    ) -> None:
        """`page_pixels` and `largest_zoom` are those of the reader's first look at a page.

        `closest` is how much larger than there training looks: no more pixels are kept.
        """
        self._pages = pages
        self._page_pixels = page_pixels
        self._largest_zoom = largest_zoom
        self._closest = closest
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[int, StoredPage] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pages)

    def __getitem__(self, number: int) -> StoredPage:
        """A page; raises OSError or ValueError if it cannot be decoded any more."""
        page = self._kept.get(number)
        if page is not None:
            self._kept.move_to_end(number)
            return page
        page = self._load(self._pages[number])
        self._kept[number] = page
        self._bytes += page.nbytes
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes
        return page

    def warm(self) -> None:
        """Decode pages until the memory is full; those that cannot be are left for later."""
        for number in range(len(self)):
            if self._bytes > 0.9 * self._most_bytes:
                return
            try:
                self[number]
            except (OSError, ValueError):
                continue

    def _load(self, label: PageLabel) -> StoredPage:
        image = read_image(label.image)
        height, width = image.shape[:2]
        look = min(math.sqrt(self._page_pixels / (height * width)), self._largest_zoom)
        kept = min(1.0, look * self._closest)
        size = (max(1, round(width * kept)), max(1, round(height * kept)))
        if kept < 1:
            image = cast(ImageArray, cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        scale = np.array([size[0] / width, size[1] / height], np.float32)
        return StoredPage(
            levels=_halved(image),
            polygons=tuple(region.polygon.astype(np.float32) * scale for region in label.regions),
            ignored=np.array([region.ignore for region in label.regions], bool),
            paper=_paper(image),
            first_look=look / kept,
        )


def _halved(image: ImageArray) -> tuple[ImageArray, ...]:
    """The image, half of it, a quarter: warping from the nearest one averages all its pixels."""
    levels = [np.ascontiguousarray(image)]
    while len(levels) < 3 and min(levels[-1].shape[:2]) >= 64:
        half = (levels[-1].shape[1] // 2, levels[-1].shape[0] // 2)
        smaller = cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA)
        levels.append(cast(ImageArray, smaller))
    return tuple(levels)


def _paper(image: ImageArray) -> tuple[int, int, int]:
    """The median colour of a coarse grid of pixels."""
    step = max(1, min(image.shape[:2]) // 64)
    red, green, blue = np.median(image[::step, ::step].reshape(-1, 3), axis=0)
    return int(red), int(green), int(blue)
