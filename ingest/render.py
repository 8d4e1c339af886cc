"""One page to an image, or to the text layer in its place. Runs inside the sandbox child only.

A PDF page is drawn as ingest.scale says. An image file keeps its own pixels, but for fax pages,
whose pixels are not square, and for pictures beyond the limit, which are made smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from ingest import ink, pdf, pixels
from ingest.content import Mode, PageContent, Pixels
from ingest.layer import Layer
from ingest.layer_lines import text_lines
from ingest.media import Limits
from ingest.pdf_text import layer_of, pictures_of
from ingest.raster import RasterFile
from ingest.scale import (
    LONGEST_SIDE,
    POINTS_AN_INCH,
    Scale,
    filling_picture,
    native_dpi,
    picture_scale,
    vector_scale,
)
from ingest.split import Document
from ingest.text_layer import Judgement, judge
from ocr_core.page import Box

_LEGIBLE_PIXELS = 3.0
"""Font size below which nothing can be read."""
_FAX_RATIO = (1.4, 2.6)
"""Of the resolutions of the two axes of fax pages: 204 x 98 dpi and its relatives."""


def page_of(
    document: Document, page_no: int, *, mode: Mode, dpi: float | None, limits: Limits
) -> PageContent:
    """The content of a page, from 1; raises PageRefused and whatever the parsers raise."""
    if isinstance(document, RasterFile):
        return _raster_page(document, page_no, dpi, limits)
    page = document.page(page_no)
    layer = pictures_of(page) if mode == "redo" else layer_of(page)
    return _PdfPage(page, page_no, layer, limits, dpi).content(mode)


@dataclass(frozen=True)
class _PdfPage:
    """A PDF page on its way to its content."""

    page: Any
    page_no: int
    layer: Layer
    limits: Limits
    dpi: float | None

    @property
    def box(self) -> Box:
        """Of the upright page, in points."""
        return (0.0, 0.0, self.page.rect.width, self.page.rect.height)

    @cached_property
    def text_scale(self) -> Scale:
        """How large the page is taken to be when it is not drawn."""
        return vector_scale(self.box, self.limits.max_pixels, self.dpi)

    @cached_property
    def read_scale(self) -> Scale:
        """How large the page is drawn to be read."""
        if self.dpi is not None:
            return self.text_scale
        return picture_scale(self.box, self.layer.pictures, self.limits.max_pixels)

    @cached_property
    def image(self) -> Pixels:
        """The page, drawn to be read."""
        scan = self._scan()
        return pdf.draw(self.page, self.read_scale.x, self.read_scale.y) if scan is None else scan

    def _scan(self) -> Pixels | None:
        """The pixels of the one JPEG the page consists of, if it is to be drawn on just those.

        That is six times faster than to have MuPDF draw it, and without loss by shifted pixels.
        """
        picture = filling_picture(self.box, self.layer.pictures)
        if picture is None or picture.channels not in (1, 3) or picture.turn is None:
            return None
        size = (picture.width, picture.height)
        if self._drawn_size() != size or (jpeg := pdf.sole_jpeg(self.page)) is None:
            return None
        orientation = pixels.ORIENTATION_OF_TURN[picture.turn]
        scan = pixels.decoded_jpeg(jpeg, orientation, grey=picture.channels == 1)
        return scan if scan is not None and scan.shape[1::-1] == size else None

    def _drawn_size(self) -> tuple[int, int]:
        scale = self.read_scale
        return pdf.drawn_size(self.box[2], self.box[3], scale.x, scale.y)

    def content(self, mode: Mode) -> PageContent:
        """The page as the mode wants it."""
        written = [line for line in self.layer.lines if not line.text.isspace()]
        if mode == "redo" or not written:
            return self._to_read(Judgement("none"))
        if mode == "skip":
            return self._as_text(Judgement("taken", self.layer.lines))
        if not any(glyph.painted or glyph.clips for line in written for glyph in line.glyphs):
            return self._to_read(Judgement("hidden"))
        judgement = self._judged()
        if judgement.verdict in ("true", "blank"):
            return self._as_text(judgement)
        return self._to_read(judgement)

    def _judged(self) -> Judgement:
        grey, scale = self._looked_at()
        legible = _LEGIBLE_PIXELS / self.text_scale.x
        return judge(self.layer, self.box, grey, scale, legible)

    def _looked_at(self) -> tuple[ink.Grey, float]:
        """The page in grey at about ink.DPI, and its pixels a point.

        A page of pictures will most likely be read: it is drawn for that, once.
        """
        longest = max(self.box[2], self.box[3])
        scale = min(ink.DPI * max(1.0, self.text_scale.dpi / 200), self.text_scale.dpi)
        wanted = min(scale / POINTS_AN_INCH, ink.LONGEST_SIDE / longest)
        if native_dpi(self.box, self.layer.pictures) is None:
            return pdf.draw(self.page, wanted, wanted, grey=True), wanted
        grey = self.image
        if grey.ndim == 3:
            grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        size = (math.ceil(self.box[2] * wanted), math.ceil(self.box[3] * wanted))
        return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.uint8), wanted

    def _as_text(self, judgement: Judgement) -> PageContent:
        scale = self.text_scale
        width, height = pdf.drawn_size(self.box[2], self.box[3], scale.x, scale.y)
        return PageContent(
            page_no=self.page_no,
            width=width,
            height=height,
            dpi=scale.dpi,
            verdict=judgement.verdict,
            lines=tuple(text_lines(judgement.lines, scale.x, scale.y)),
        )

    def _to_read(self, judgement: Judgement) -> PageContent:
        scale = self.read_scale
        height, width = self.image.shape[:2]
        if ink.is_uniform(self.image):
            return _blank(self.page_no, width, height, scale.dpi)
        areas = tuple(
            (x0 * scale.x, y0 * scale.y, x1 * scale.x, y1 * scale.y)
            for x0, y0, x1, y1 in judgement.areas
        )
        return PageContent(
            page_no=self.page_no,
            width=width,
            height=height,
            dpi=scale.dpi,
            verdict=judgement.verdict,
            pixels=self.image,
            lines=tuple(text_lines(judgement.lines, scale.x, scale.y)),
            areas=areas,
        )


def _raster_page(
    document: RasterFile, page_no: int, dpi: float | None, limits: Limits
) -> PageContent:
    image = document.jpeg_pixels()
    picture = document.frame(page_no, decode=image is None)
    stored = picture.size
    if image is None:
        image = pixels.pixels_of(pixels.reduced(picture, limits.max_pixels))
    else:
        stored = image.shape[1], image.shape[0]
    x_dpi, y_dpi = pixels.dpi_of(picture)
    if picture.format != "TIFF" or not _is_fax(x_dpi, y_dpi):
        y_dpi = x_dpi
    width, height = _raster_size(stored, (x_dpi, y_dpi), dpi, limits.max_pixels)
    if image.shape[:2] != (height, width):
        shrinks = width * height < image.shape[0] * image.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        image = cv2.resize(image, (width, height), interpolation=how).astype(np.uint8, copy=False)
    final_dpi = x_dpi * width / stored[0]
    if ink.is_uniform(image):
        return _blank(page_no, width, height, final_dpi)
    return PageContent(page_no, width, height, final_dpi, "none", image)


def _is_fax(x_dpi: float, y_dpi: float) -> bool:
    lowest, highest = _FAX_RATIO
    return lowest < max(x_dpi / y_dpi, y_dpi / x_dpi) < highest


def _raster_size(
    stored: tuple[int, int], dpis: tuple[float, float], wanted: float | None, max_pixels: int
) -> tuple[int, int]:
    """Width and height to give a picture: its own, unless there is a reason."""
    finest = max(dpis)
    width, height = (side * finest / dpi for side, dpi in zip(stored, dpis, strict=True))
    room = min(math.sqrt(max_pixels / (width * height)), LONGEST_SIDE / max(width, height))
    factor = min(wanted / finest if wanted else 1.0, room)
    return max(1, int(width * factor)), max(1, int(height * factor))


def _blank(page_no: int, width: int, height: int, dpi: float) -> PageContent:
    return PageContent(page_no, width, height, dpi, "blank")
