"""What a read page is: plain frozen values that cross every border of the system.

All coordinates are pixels of the upright page image: origin top-left, x right, y down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]
"""Corners clockwise from the top-left corner of the *text*, not of the page."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 with x0 <= x1 and y0 <= y1."""
TextSource = Literal["ocr", "text_layer"]
Rotation = Literal[0, 90, 180, 270]


def box_of(quad: Quad) -> Box:
    """The upright rectangle around a quad."""
    xs = [x for x, _ in quad]
    ys = [y for _, y in quad]
    return min(xs), min(ys), max(xs), max(ys)


def quad_of(box: Box) -> Quad:
    """The four corners of an upright rectangle."""
    x0, y0, x1, y1 = box
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def _check_confidence(confidence: float) -> None:
    if not 0.0 <= confidence <= 1.0:
        raise ValueError(f"confidence must be in [0, 1], got {confidence}")


@dataclass(frozen=True, slots=True)
class Word:
    """A run of text without spaces; in scripts written without spaces, one character."""

    text: str
    quad: Quad
    confidence: float
    """Mean probability of the decoded characters, in [0, 1]."""

    def __post_init__(self) -> None:
        _check_confidence(self.confidence)


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text, placed on the page image."""

    text: str
    quad: Quad
    confidence: float
    """Mean probability of the decoded characters, in [0, 1]; 1 for a true text layer."""
    words: tuple[Word, ...] = ()
    source: TextSource = "ocr"
    block_no: int = 0
    """The block (column, paragraph group) the line belongs to, in reading order, from 0."""

    def __post_init__(self) -> None:
        _check_confidence(self.confidence)

    @property
    def box(self) -> Box:
        """The upright rectangle around the line."""
        return box_of(self.quad)


@dataclass(frozen=True, slots=True)
class PageResult:
    """Everything that was read on one page image."""

    width: int
    """Width of the upright page image, pixels."""
    height: int
    lines: tuple[TextLine, ...]
    """In reading order."""
    rotation: Rotation = 0
    """Degrees clockwise by which the given image was turned to make it upright."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of each stage: detect, crop, orient, recognise, order."""

    @property
    def text(self) -> str:
        """The lines in reading order, divided by line breaks."""
        return "\n".join(line.text for line in self.lines)

    @property
    def mean_confidence(self) -> float | None:
        """Mean confidence of the lines, weighted by their length; None on a blank page."""
        total = sum(len(line.text) for line in self.lines)
        if not total:
            return None
        return sum(line.confidence * len(line.text) for line in self.lines) / total
