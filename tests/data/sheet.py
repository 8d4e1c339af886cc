"""A page to draw text on that remembers, in reading order, what was drawn.

Only fonts inside the PyMuPDF wheel are used, so the same page comes out on every machine.
Sizes and positions are points (1/72 inch) from the top-left corner.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

import pymupdf

A4 = (595.0, 842.0)
FULL_WIDTH_STOPS = "，。、；：！？）」』"


@dataclass(slots=True)
class Sheet:
    """One page of a document, with a cursor that moves down a column."""

    page: pymupdf.Page
    left: float = 64
    right: float = 531
    y: float = 72
    """Where the next line's top is."""
    font: str = "tiro"
    size: float = 13
    lines: list[str] = field(default_factory=list)
    """Every line drawn so far, in the order of drawing."""

    @property
    def text(self) -> str:
        """The truth of the page."""
        return "\n".join(self.lines)

    def line(self, text: str, *, font: str | None = None, size: float | None = None) -> None:
        """Draw one line at the cursor and remember it."""
        size = size or self.size
        self._put(self.left, text, font or self.font, size)
        self.lines.append(text)
        self.y += 1.42 * size

    def paragraph(self, text: str, *, font: str | None = None, size: float | None = None) -> None:
        """Draw text broken into lines of the column, and leave a gap below."""
        for row in text.split("\n"):
            for piece in self._broken(row, font or self.font, size or self.size):
                self.line(piece, font=font, size=size)
        self.y += 0.6 * self.size

    def row(self, cells: list[str], stops: list[float], *, font: str | None = None) -> None:
        """Draw the cells of one table row: the first from the left, others ending at their stop."""
        face = font or self.font
        self._put(self.left, cells[0], face, self.size)
        for cell, stop in zip(cells[1:], stops[-len(cells) + 1 :], strict=True):
            self._put(stop - self._width(cell, face, self.size), cell, face, self.size)
        self.lines.append(" ".join(cells))
        self.y += 1.6 * self.size

    def rule(self) -> None:
        """A thin line across the column."""
        self.page.draw_line((self.left, self.y - 2), (self.right, self.y - 2), width=0.7)
        self.y += 0.5 * self.size

    def skip(self, points: float) -> None:
        """Move the cursor down."""
        self.y += points

    def _put(self, x: float, text: str, font: str, size: float) -> None:
        writer = pymupdf.TextWriter(self.page.rect)
        writer.append((x, self.y + size), text, font=_face(font), fontsize=size)
        writer.write_text(self.page)

    def _broken(self, text: str, font: str, size: float) -> list[str]:
        """The text cut into pieces that fit the column: at spaces, or anywhere in Chinese."""
        pieces = [""]
        for unit in _units(text):
            full = self._width(pieces[-1] + unit.rstrip(), font, size) > self.right - self.left
            if full and unit not in FULL_WIDTH_STOPS:
                pieces.append("")
            pieces[-1] += unit
        return [piece.strip() for piece in pieces]

    def _width(self, text: str, font: str, size: float) -> float:
        return float(_face(font).text_length(text, fontsize=size))


_FACES: dict[str, pymupdf.Font] = {}


def _face(name: str) -> pymupdf.Font:
    """A font of the wheel, opened once: the Chinese one is large."""
    if name not in _FACES:
        _FACES[name] = pymupdf.Font(name)
    return _FACES[name]


def _units(text: str) -> list[str]:
    """What a line break may not cut: words with the space after them, single wide characters."""
    units: list[str] = []
    for character in text:
        wide = unicodedata.east_asian_width(character) in "WF"
        after_wide = bool(units) and unicodedata.east_asian_width(units[-1][-1]) in "WF"
        if not units or wide or after_wide or units[-1].endswith(" "):
            units.append(character)
        else:
            units[-1] += character
    return units
