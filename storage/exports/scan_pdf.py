"""A PDF made of scans that have none: each picture as it is stored, its text unseen over it.

A page is as large as its picture at its resolution and turned as reading turned it, so that it is
seen upright. Pictures are not decoded here: their streams go into the file as they come.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ocr_core.page import Rotation
from storage.exports import archive
from storage.exports.affine import (
    Affine,
    scaling,
    size_before,
    then,
    turned_back,
)
from storage.exports.glyphless import OBJECTS, Codes, font_objects
from storage.exports.markup import file_name
from storage.exports.pdf_file import PdfFile, Stream
from storage.exports.unseen import operators

if TYPE_CHECKING:
    from storage.pages import PageRecord

Colours = Literal["grey", "rgb", "cmyk", "own"]
"""`own`: the stream itself says what its colours are (JPEG 2000)."""
_SPACES: dict[Colours, tuple[str, int]] = {
    "grey": ("/DeviceGray", 1),
    "rgb": ("/DeviceRGB", 3),
    "cmyk": ("/DeviceCMYK", 4),
}
_POINTS_AN_INCH = 72.0
_LONGEST_SIDE = 14_400.0
"""Points (ISO 32000-1, annex C.2); beyond it, a unit is made larger."""
_FONT = "T"
# EXIF 2.3, orientation: where the unit square of the stored picture goes, in an upright one.
_ORIENTED: dict[int, Affine] = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture in the form in which it goes into a PDF (ISO 32000-1, 8.9.5)."""

    width: int
    """Pixels as stored, before its orientation is looked at."""
    height: int
    colours: Colours
    bits: int
    filter: str
    """`DCTDecode`, `FlateDecode`, ... without a slash."""
    parameters: str = ""
    """Of the filter: between the double angle brackets."""
    palette: bytes = b""
    """Colours, three bytes each, if pixels are indices."""
    inverted: bool = False
    orientation: int = 1
    """As EXIF has it."""
    dpi: tuple[float, float] = (_POINTS_AN_INCH, _POINTS_AN_INCH)
    """Along the width and the height as stored."""
    profile: bytes = b""
    """ICC profile of its colours, if it has one."""
    stream: Stream


def write(
    pages: Iterable[PageRecord],
    picture_of: Callable[[int], Picture],
    put: Callable[[bytes], object],
    *,
    archival: bool = False,
) -> None:
    """Write the file, page by page; `picture_of` gives the picture of a page, from 1.

    `archival` makes it PDF/A-2b.
    """
    _ScanPdf(PdfFile(put), archival=archival).write(pages, picture_of)


class _ScanPdf:
    """The file being written, and the objects its pages share."""

    def __init__(self, file: PdfFile, *, archival: bool) -> None:
        self._file = file
        self._archival = archival
        self._codes = Codes()
        self._font = [file.reserve() for _ in range(OBJECTS)]
        self._tree = file.reserve()
        self._pages: list[int] = []
        self._profiles: dict[bytes, int] = {}

    def write(self, pages: Iterable[PageRecord], picture_of: Callable[[int], Picture]) -> None:
        """Write everything."""
        title = ""
        for page in pages:
            title = title or file_name(page.document.source)
            self._page(page, picture_of(page.page_no))
        kids = " ".join(f"{number} 0 R" for number in self._pages)
        self._file.put(self._tree, f"/Type/Pages/Count {len(self._pages)}/Kids[{kids}]")
        for number, each in zip(self._font, font_objects(self._font, self._codes), strict=True):
            self._file.put(number, each.dictionary, each.stream)
        root = self._file.reserve()
        about = archive.put_metadata(self._file, title) if self._archival else ""
        self._file.put(root, f"/Type/Catalog/Pages {self._tree} 0 R{about}")
        self._file.close(root)

    def _page(self, page: PageRecord, picture: Picture) -> None:
        image = self._image(picture)
        width, height, unit = _page_size(page, picture)
        shown = _cm(then(_ORIENTED[picture.orientation], scaling(width, height)))
        text = operators(page.lines, _place(page, width, height), _FONT, self._codes)
        content = self._file.reserve()
        self._file.put(content, "", b"q %s cm/I Do Q\n" % shown.encode() + text)
        number = self._file.reserve()
        self._pages.append(number)
        fonts = f"/Font<</{_FONT} {self._font[0]} 0 R>>"
        self._file.put(
            number,
            f"/Type/Page/Parent {self._tree} 0 R/MediaBox[0 0 {_short(width)} {_short(height)}]"
            f"{f'/UserUnit {_short(unit)}' if unit > 1 else ''}"
            f"{f'/Rotate {page.rotation}' if page.rotation else ''}"
            f"/Resources<</XObject<</I {image} 0 R>>{fonts}>>/Contents {content} 0 R",
        )

    def _image(self, picture: Picture) -> int:
        number = self._file.reserve()
        parts = [
            f"/Type/XObject/Subtype/Image/Width {picture.width}/Height {picture.height}",
            *self._colours(picture),
            f"/Filter/{picture.filter}",
        ]
        if picture.parameters:
            parts.append(f"/DecodeParms<<{picture.parameters}>>")
        self._file.put(number, "".join(parts), picture.stream)
        return number

    def _colours(self, picture: Picture) -> Iterator[str]:
        if picture.colours == "own":
            return
        space, channels = _SPACES[picture.colours]
        if picture.profile:
            space = f"[/ICCBased {self._profile(picture.profile, channels)} 0 R]"
        if picture.palette:
            last = len(picture.palette) // 3 - 1
            space = f"[/Indexed{space if space[0] == '/' else ' ' + space} {last}"
            space += f"<{picture.palette.hex()}>]"
            channels = 1
        yield f"/ColorSpace{space}/BitsPerComponent {picture.bits}"
        if picture.inverted:
            yield f"/Decode[{' '.join(['1 0'] * channels)}]"

    def _profile(self, profile: bytes, channels: int) -> int:
        """The object of an ICC profile, which many pages may share."""
        name = hashlib.sha256(profile).digest()
        if name not in self._profiles:
            number = self._profiles[name] = self._file.reserve()
            self._file.put(number, f"/N {channels}", profile)
        return self._profiles[name]


def _page_size(page: PageRecord, picture: Picture) -> tuple[float, float, float]:
    """Width and height of the page before it is turned, in units of so many points."""
    if page.width and page.height and page.dpi:
        width, height = size_before(_turn(page), page.width, page.height)
        width, height = (side / page.dpi * _POINTS_AN_INCH for side in (width, height))
    else:
        (width, height), dpi = (picture.width, picture.height), picture.dpi
        width, height = width / dpi[0] * _POINTS_AN_INCH, height / dpi[1] * _POINTS_AN_INCH
        if picture.orientation > 4:
            width, height = height, width
    unit = max(1.0, math.ceil(1000 * max(width, height) / _LONGEST_SIDE) / 1000)
    return width / unit, height / unit, unit


def _place(page: PageRecord, width: float, height: float) -> Affine:
    """From pixels of the upright page image to the page before it is turned, from its foot up."""
    if not page.width or not page.height:
        return scaling(1, -1)
    before = size_before(_turn(page), page.width, page.height)
    back = turned_back(_turn(page), page.width, page.height)
    x, y = width / before[0], height / before[1]
    return then(back, (x, 0.0, 0.0, -y, 0.0, height))


def _turn(page: PageRecord) -> Rotation:
    match page.rotation:
        case 90 | 180 | 270 as turn:
            return turn
        case _:
            return 0


def _cm(map_: Affine) -> str:
    return " ".join(_short(value) for value in map_)


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
