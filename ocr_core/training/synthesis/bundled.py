"""Fonts that packages of ours bring along, for systems that have none."""

from __future__ import annotations

import functools
from typing import Any

from PIL import ImageFont

from ocr_core.training.errors import FontsMissing
from ocr_core.training.synthesis.coverage import Characters

_PIL = "PIL"
_PYMUPDF = tuple(
    f"PyMuPDF {name}"
    for name in ("helv", "hebo", "heit", "tiro", "tibo", "tiit", "cour", "cobo", "cjk")
)
"""The fonts inside PyMuPDF that hold text: three families of Latin, and one of Chinese."""


def names() -> tuple[str, ...]:
    """One Latin font of PIL and, where PyMuPDF is installed, its Latin and Chinese ones."""
    try:
        import pymupdf  # noqa: F401  (only for its fonts)
    except ImportError:
        return (_PIL,)
    return (_PIL, *_PYMUPDF)


@functools.lru_cache(maxsize=16)
def font_file(name: str) -> bytes:
    """The bytes of a font; raises FontsMissing if PIL is built without FreeType."""
    if name != _PIL:
        return bytes(_pymupdf_font(name).buffer)
    font = ImageFont.load_default(20)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise FontsMissing("PIL is built without FreeType")
    return bytes(font.font_bytes)


def characters(name: str) -> Characters:
    """Code points that the font may have; those it lacks come out as a box, and are found so."""
    if name == _PIL:
        return frozenset(range(0x20, 0x250))
    return frozenset(map(int, _pymupdf_font(name).valid_codepoints()))


def _pymupdf_font(name: str) -> Any:
    import pymupdf

    return pymupdf.Font(name.removeprefix("PyMuPDF "))  # type: ignore[no-untyped-call]
