"""What comes out of the sandbox: facts about a document and the content of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ocr_core.page import Box, Rotation, TextLine

Image = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""
Pixels = npt.NDArray[np.uint8]
"""(H, W) grey, or (H, W, 3) RGB: what a sandbox child makes of a picture."""
Mode = Literal["auto", "skip", "redo"]
"""What to do with a text layer: judge it, take it as it is, or ignore it."""
Verdict = Literal["true", "partial", "none", "hidden", "garbage", "blank", "taken"]
"""What the text layer of a page was found to be.

- `true`: it says what the page shows; no image is given, the page is not read.
- `partial`: true, but `areas` show text that it does not cover; they are read and joined.
- `none`: the page has no text layer (or a mode ignores it); the page is read.
- `hidden`: invisible text, as an earlier OCR leaves it over a scan; the page is read anew.
- `garbage`: its characters are not the ones that are shown; the page is read.
- `blank`: nothing is drawn on the page; neither image nor lines.
- `taken`: the layer was taken as it is, not judged (mode `skip`); no image.

With `hidden` and `garbage` too, `lines` are those that are true all the same, such as a stamp
that a program put on a scan; what is read is joined to them.
"""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """A page as its file declares it, before anything is drawn."""

    page_no: int
    """From 1."""
    width: float
    """Of the upright page: points (1/72 inch) in a PDF, pixels in an image file."""
    height: float
    rotation: Rotation = 0
    """Degrees clockwise that /Rotate or the EXIF orientation turns the stored page."""


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """A document that opened."""

    media_type: str
    page_count: int
    pages: tuple[PageFacts, ...]
    """One for each page, in order."""
    encrypted: bool = False
    """Whether it was encrypted (with an empty password, or one of those given)."""
    repaired: bool = False
    """Whether its structure was damaged and rebuilt."""
    title: str | None = None


@dataclass(frozen=True, slots=True)
class PageContent:
    """One page: an image to read, a text layer judged true, or both.

    Boxes and quads are pixels of the upright page at `dpi`, whether an image is given or not.
    """

    page_no: int
    width: int
    """Pixels of the upright page at `dpi`."""
    height: int
    dpi: float
    """Pixels an inch along the width; after capping and enlarging."""
    verdict: Verdict
    pixels: Pixels | None = None
    """Upright: EXIF orientation and /Rotate are applied. None if nothing is to be read.

    Grey where the file has no colours: pages wait in memory while others are read.
    """
    lines: tuple[TextLine, ...] = ()
    """Lines of the text layer; empty unless they are to be used."""
    areas: tuple[Box, ...] = ()
    """Where the image must be read; empty means the whole of it, when an image is given."""
    image_sha256: str | None = None
    """Of the pixels, row by row; None without any."""

    @property
    def image(self) -> Image | None:
        """The pixels in RGB, made anew each time where they are grey."""
        if self.pixels is None or self.pixels.ndim == 3:
            return self.pixels
        import cv2  # here, for a process that looks at no pixels stays without it

        return cv2.cvtColor(self.pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
