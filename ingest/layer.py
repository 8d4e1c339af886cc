"""The text layer of a page as plain values, before anybody judges it. In points, upright page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ocr_core.page import Box, Quad, Rotation


@dataclass(frozen=True, slots=True)
class Glyph:
    """One drawn character."""

    text: str
    """Usually one character; never empty. U+FFFD if the file does not say which it is."""
    quad: Quad
    """Corners clockwise from the top-left corner of the character, in points."""
    box: Box
    """Around `quad`, kept because it is asked for many times."""
    font: str
    size: float
    """Of the font, in points."""
    painted: bool
    """Whether it leaves paint: filled or stroked, and not see-through."""
    clips: bool = False
    """Whether it only cuts out what is painted after it (text render mode 7)."""


@dataclass(frozen=True, slots=True)
class LayerLine:
    """Characters on one baseline, in the order of reading."""

    glyphs: tuple[Glyph, ...]
    direction: tuple[float, float]
    """Unit vector in which the text runs; (1, 0) for upright horizontal text."""
    vertical: bool
    """Whether upright characters stand below each other, as in Japanese books."""
    block_no: int
    order: int
    """Place in the order of painting, shared with pictures."""
    box: Box
    """Around the glyphs, in points."""

    def with_glyphs(self, glyphs: Sequence[Glyph]) -> LayerLine:
        """Make the same line of other glyphs, at least one."""
        if len(glyphs) == len(self.glyphs):
            return self
        return replace(self, glyphs=tuple(glyphs), box=around([glyph.box for glyph in glyphs]))

    @property
    def text(self) -> str:
        """The characters joined."""
        return "".join(glyph.text for glyph in self.glyphs)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image placed on the page."""

    box: Box
    """In points; may reach beyond the page."""
    width: int
    """Pixels, as it lies on the page: of the stored image, or exchanged by a quarter turn."""
    height: int
    channels: int
    """Of its colour space; 0 for a stencil, through which a colour is painted."""
    opaque: bool
    """Whether it hides what was painted before it."""
    turn: Rotation | None
    """Degrees clockwise by which it is turned; None if it is mirrored or slants."""
    order: int
    """Place in the order of painting, shared with lines."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Everything on a page that is not line art."""

    lines: tuple[LayerLine, ...]
    pictures: tuple[Picture, ...]


def around(boxes: Sequence[Box]) -> Box:
    """Draw the smallest box around some boxes."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def hull(quads: Sequence[Quad], direction: tuple[float, float]) -> Quad:
    """Draw the smallest rectangle along a direction around some quads."""
    dx, dy = direction
    points = [point for quad in quads for point in quad]
    along = [x * dx + y * dy for x, y in points]
    across = [y * dx - x * dy for x, y in points]
    corners = (
        (min(along), min(across)),
        (max(along), min(across)),
        (max(along), max(across)),
        (min(along), max(across)),
    )
    a, b, c, d = ((u * dx - v * dy, u * dy + v * dx) for u, v in corners)
    return a, b, c, d
