"""What a file is, by its bytes, and how much of it is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ingest.errors import EmptyFile, UnsupportedType

HEAD = 2048
"""How many bytes of a file tell its type."""
_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document and one page may cost. Beyond it they are refused, or drawn smaller."""

    max_bytes: int = 2 * _GIB
    """Size of a file."""
    max_pages: int = 20_000
    """Pages of a document."""
    max_pixels: int = 60_000_000
    """Pixels of a page image; a page beyond it is drawn smaller, never refused."""
    max_image_pixels: int = 300_000_000
    """Declared pixels of a raster image, which has to be decoded whole; beyond is refused."""
    memory_bytes: int = 1 * _GIB
    """Address space of the reading process beyond what it starts with."""
    cpu_seconds: float = 10.0
    """Processor time of opening a document."""
    cpu_seconds_a_page: float = 10.0
    """Processor time of each page on top."""
    wall_seconds: float = 60.0
    """Time after which a request is given up, however little processor time it used."""
    max_text_bytes: int = 64 * 1024**2
    """Size of the text layer of one page, as sent."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"the limit {name} must be positive, got {getattr(self, name)}")


def sniff(head: bytes) -> str:
    """Name the media type of a file that starts with `head`, its first HEAD bytes.

    Raises EmptyFile and UnsupportedType. Names of files are never looked at. An image signature,
    which stands at the very start, comes before the one of PDF, which may follow junk.
    """
    if not head:
        raise EmptyFile
    for media_type, is_it in _IMAGES.items():
        if is_it(head):
            return media_type
    if b"%PDF" in head[:1088] or _PDF_OBJECT.search(head):
        return "application/pdf"
    raise UnsupportedType(_describe(head))


# A PDF that lost its first line still begins with a comment or an object: readers repair it.
_PDF_OBJECT = re.compile(rb"(?:^|[\s>])\d{1,7}\s+\d{1,5}\s+obj\b")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def _starts(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(signatures)


def _brands(head: bytes) -> set[bytes]:
    """Brands of an ISO media file (ISO/IEC 14496-12, 4.3): the major one and those it fits."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}


_IMAGES: dict[str, Callable[[bytes], bool]] = {
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/png": _starts(b"\x89PNG\r\n\x1a\n"),
    "image/tiff": _starts(b"II*\0", b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08"),
    "image/gif": _starts(b"GIF87a", b"GIF89a"),
    "image/webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "image/jp2": _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "image/avif": lambda head: bool(_brands(head) & _AVIF),
    "image/heic": lambda head: bool(_brands(head) & _HEIC),
    "image/bmp": lambda head: (
        head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    ),
}
_KNOWN_OTHERS = {
    b"PK\x03\x04": "a ZIP archive, perhaps an office document",
    b"\xd0\xcf\x11\xe0": "an old office document",
    b"8BPS": "a Photoshop image",
    b"%!PS": "PostScript",
    b"{\\rtf": "RTF",
    b"\0\0\x01\0": "an icon",
    b"<": "markup such as HTML, XML or SVG",
}


def _describe(head: bytes) -> str:
    for signature, what in _KNOWN_OTHERS.items():
        if head.lstrip().startswith(signature) or head.startswith(signature):
            return f"it looks like {what}"
    return f"it begins with {head[:8]!r}"
