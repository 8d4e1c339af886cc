"""PDF files through MuPDF: open, measure, draw. Runs inside the sandbox child only."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf as _pymupdf

from ingest.content import DocumentFacts, Image, PageFacts
from ingest.errors import (
    DamagedFile,
    EncryptionUnsupported,
    NoPages,
    OutOfMemory,
    PageDamaged,
    PageMissing,
    PasswordNeeded,
    TooManyPages,
    UnsupportedType,
)
from ingest.media import Limits
from ocr_core.page import Rotation

pymupdf: Any = _pymupdf  # it has no types worth checking
MEDIA_TYPE = "application/pdf"
_ROTATIONS: dict[int, Rotation] = {0: 0, 90: 90, 180: 180, 270: 270}
_PLAIN_COLOURS = {"DeviceGray", "DeviceRGB", "CalGray", "CalRGB", "ICCBased"}
_CHANGING_KEYS = ("Decode", "Mask", "DecodeParms", "ImageMask")
_CHANGING_OPERATORS = re.compile(rb"(?:^|\s)(?:gs|W\*?|sh)(?:\s|$)")
_LONG_CONTENT = 1_000_000
_NO_SIZE = (0.0, 0.0)


def preload() -> None:
    """Make MuPDF ready: silent, and without state shared between documents."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    pymupdf.Font("cjk")  # the fallback font lies in the library; find it before files are closed


class PdfFile:
    """An open PDF; raises DocumentRefused if it is no good.

    Owner passwords, which only ask readers not to print or copy, are no obstacle.
    """

    def __init__(self, path: Path, passwords: Sequence[str], limits: Limits) -> None:
        self.document = _opened(path)
        self.encrypted = bool(self.document.metadata and self.document.metadata.get("encryption"))
        if self.document.needs_pass:
            self.encrypted = True
            _unlock(self.document, passwords)
        self.page_count = self.document.page_count
        if self.page_count < 1:
            raise DamagedFile("no page is left") if self.document.is_repaired else NoPages
        if self.page_count > limits.max_pages:
            raise TooManyPages(f"{self.page_count:,} pages, at most {limits.max_pages:,}")

    def facts(self) -> DocumentFacts:
        """Size and rotation of each page; a page that does not load has the size 0."""
        pages = tuple(self._page_facts(number) for number in range(1, self.page_count + 1))
        return DocumentFacts(
            MEDIA_TYPE,
            len(pages),
            pages,
            encrypted=self.encrypted,
            repaired=bool(self.document.is_repaired),
            title=(self.document.metadata or {}).get("title") or None,
        )

    def page(self, page_no: int) -> Any:
        """A pymupdf.Page, from 1; raises PageMissing and PageDamaged."""
        if not 1 <= page_no <= self.page_count:
            raise PageMissing(f"page {page_no} of {self.page_count}")
        page = self.document.load_page(page_no - 1)
        if page.rect.is_empty or page.rect.is_infinite:
            raise PageDamaged("it has no area")
        return page

    def _page_facts(self, page_no: int) -> PageFacts:
        try:
            page = self.document.load_page(page_no - 1)
            return PageFacts(
                page_no, page.rect.width, page.rect.height, _ROTATIONS.get(page.rotation, 0)
            )
        except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
            return PageFacts(page_no, *_NO_SIZE)


def draw(page: Any, scale_x: float, scale_y: float, *, grey: bool = False) -> Image:
    """The page as a person sees it, notes and form fields included, on white.

    `scale` is pixels a point. Returns (H, W, 3) uint8 RGB, or (H, W) grey.
    """
    colours = pymupdf.csGRAY if grey else pymupdf.csRGB
    pymupdf.TOOLS.reset_mupdf_warnings()
    drawn = page.get_pixmap(
        matrix=pymupdf.Matrix(scale_x, scale_y), colorspace=colours, alpha=False
    )
    if "alloc" in pymupdf.TOOLS.mupdf_warnings():  # it went on without what did not fit
        raise OutOfMemory
    samples = np.frombuffer(drawn.samples_mv, np.uint8)
    rows = samples.reshape(drawn.height, drawn.stride)[:, : drawn.width * drawn.n]
    shape = (drawn.height, drawn.width) if grey else (drawn.height, drawn.width, 3)
    return rows.reshape(shape).copy()  # MuPDF frees its own with the pixmap


def drawn_size(width: float, height: float, scale_x: float, scale_y: float) -> tuple[int, int]:
    """Pixels that `draw` gives a page of this size in points: what is touched is drawn.

    MuPDF lets a thousandth of a pixel pass (fz_round_rect).
    """
    return max(1, math.ceil(width * scale_x - 1e-3)), max(1, math.ceil(height * scale_y - 1e-3))


def sole_jpeg(page: Any) -> bytes | None:
    """The JPEG file a page consists of, if it is nothing but one plain JPEG picture.

    Hidden text may lie over it. Whatever changes how the picture looks (masks, inverted or odd
    colours, transparency, clipping, anything else painted) gives None.
    """
    pictures = page.get_images(full=True)
    if len(pictures) != 1:
        return None
    xref, mask, _, _, bits, colours, _, _, packing, inside = pictures[0]
    plain = (mask, bits, packing, inside) == (0, 8, "DCTDecode", 0) and colours in _PLAIN_COLOURS
    if not plain or any(_has(page.parent, xref, key) for key in _CHANGING_KEYS):
        return None
    content = page.read_contents()
    if len(content) > _LONG_CONTENT or _CHANGING_OPERATORS.search(content):
        return None
    painted = [kind for kind, *_ in page.get_bboxlog() if kind != "ignore-text"]
    jpeg: bytes | None = page.parent.xref_stream_raw(xref)
    return jpeg if painted == ["fill-image"] else None


def _has(document: Any, xref: int, key: str) -> bool:
    return bool(document.xref_get_key(xref, key)[0] != "null")


def _opened(path: Path) -> Any:
    try:
        document = pymupdf.open(str(path), filetype="pdf")
    except pymupdf.FileDataError as error:
        reason = str(error.__cause__ or error).strip()
        if "encryption" in reason or "crypt" in reason:
            raise EncryptionUnsupported(reason) from None
        raise DamagedFile(reason) from None
    if not document.is_pdf:
        raise UnsupportedType("its content is not PDF")
    return document


def _unlock(document: Any, passwords: Sequence[str]) -> None:
    if not any(document.authenticate(password) for password in passwords):
        raise PasswordNeeded(f"none of the {len(passwords)} given opens it" if passwords else "")
