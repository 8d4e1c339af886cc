"""Opens a document of any type, by its content. Runs inside the sandbox child only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.media import HEAD, Limits, sniff
from ingest.pdf import MEDIA_TYPE, PdfFile
from ingest.raster import RasterFile

Document = PdfFile | RasterFile
"""An open document: page_count, and facts() about every page."""


def media_type_of(path: Path) -> str:
    """Name the type of a file by its first bytes; raises EmptyFile and UnsupportedType."""
    with path.open("rb") as file:
        return sniff(file.read(HEAD))


def open_document(path: Path, passwords: Sequence[str], limits: Limits) -> Document:
    """Open a file as what its first bytes say it is; raises DocumentRefused."""
    media_type = media_type_of(path)
    if media_type == MEDIA_TYPE:
        return PdfFile(path, passwords, limits)
    return RasterFile(path, media_type, limits)
