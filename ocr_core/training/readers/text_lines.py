"""Lines of label files that are plain text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ocr_core.training.errors import LabelsUnreadable

ILLEGIBLE = frozenset({"###", "*"})
"""Texts of regions that nobody could read (ICDAR 2015, PaddleOCR)."""
_IMAGES = frozenset(
    {".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


def numbered_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Where each line that is not empty stands, and the line; raises LabelsUnreadable."""
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as text:
            for number, line in enumerate(text, start=1):
                if line.strip():
                    yield f"{file} line {number}", line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsUnreadable(f"{file}: {error}") from error


def first_line(file: Path) -> str:
    """The first line that is not empty, or nothing if the file is no text."""
    try:
        return next((line for _, line in numbered_lines(file)), "")
    except LabelsUnreadable:
        return ""


def is_image(file: Path) -> bool:
    """Whether the name is that of an image."""
    return file.suffix.lower() in _IMAGES
