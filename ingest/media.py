"""What a file is, by its bytes, and how much of it is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import filetype

from ingest.errors import EmptyFile, UnsupportedType

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document and one page may cost. Beyond it they are refused, or drawn smaller."""

    max_bytes: int = 2 * GIB
    """Size of a file."""
    max_pages: int = 20_000
    """Pages of a document."""
    max_pixels: int = 60_000_000
    """Pixels of a page image; a page beyond it is drawn smaller, never refused."""
    max_image_pixels: int = 400_000_000
    """Declared pixels of a raster image, which has to be decoded whole; beyond it is refused."""
    memory_bytes: int = 1 * GIB
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
    """The media type of a file that starts with `head` (2 KiB suffice).

    Raises EmptyFile and UnsupportedType. Names are never looked at.
    """
    raise NotImplementedError
