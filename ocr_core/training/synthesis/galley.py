"""Set lines, before they are on a page: composed into blocks, and blocks turned."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ocr_core.geometry import FloatArray
from ocr_core.training.synthesis.ink import Box, Ink, Mask

ROOM = 0.04
"""Between the ink and its quad on each side, over the height of the ink; at least a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A piece of text and where it is."""

    text: str
    quad: FloatArray
    """(4, 2) pixels, clockwise from the top-left corner of the text; the ink lies inside."""

    def moved(self, matrix: FloatArray) -> Placed:
        """The same text after a (3, 3) homography."""
        return Placed(self.text, cv2.perspectiveTransform(self.quad[None], matrix)[0])


@dataclass(frozen=True, slots=True, eq=False)
class PlacedLine:
    """A line, and its words if they can be told apart."""

    line: Placed
    words: tuple[Placed, ...]

    def moved(self, matrix: FloatArray) -> PlacedLine:
        """The same line after a (3, 3) homography."""
        return PlacedLine(self.line.moved(matrix), tuple(word.moved(matrix) for word in self.words))


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Lines that are printed together."""

    mask: Mask
    lines: tuple[PlacedLine, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.mask.shape[1], self.mask.shape[0]

    def turned(self, degrees: float) -> Block:
        """The block turned clockwise, as large as it then needs to be."""
        width, height = self.size
        radians = np.radians(degrees)
        cos, sin = np.cos(radians), np.sin(radians)
        wide = int(np.ceil(width * abs(cos) + height * abs(sin))) + 2
        high = int(np.ceil(width * abs(sin) + height * abs(cos))) + 2
        turn = np.array([[cos, -sin], [sin, cos]])
        shift = np.array([wide, high]) / 2 - turn @ np.array([width, height]) / 2
        matrix = np.eye(3, dtype=np.float32)
        matrix[:2] = np.column_stack([turn, shift])
        mask = cv2.warpPerspective(self.mask, pixel_centres(matrix), (wide, high))
        lines = tuple(line.moved(matrix) for line in self.lines)
        return Block(np.asarray(mask, np.uint8), lines)


def pixel_centres(matrix: FloatArray) -> FloatArray:
    """A homography of pixel edges as OpenCV wants it: the first pixel's centre is (0, 0)."""
    down, up = np.eye(3), np.eye(3)
    down[:2, 2], up[:2, 2] = -0.5, 0.5
    return np.asarray(down @ matrix @ up, np.float32)


class Galley:
    """Collects set lines and rules at their places, and becomes a block."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, int, Mask]] = []
        self._lines: list[PlacedLine] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, ink: Ink, x: float, y: float) -> None:
        """Set a line with its ink's top-left corner at a place of the galley."""
        left, top = max(0, round(x)), max(0, round(y))
        self._parts.append((left, top, ink.mask))
        words = tuple(Placed(w.text, _quad(w.box, left, top)) for w in ink.words)
        whole = _quad((0.0, 0.0, float(ink.size[0]), float(ink.size[1])), left, top)
        self._lines.append(PlacedLine(Placed(ink.text, whole), words))

    def rule(self, box: tuple[float, float, float, float], strength: int = 255) -> None:
        """Draw a filled rectangle: left, top, right, bottom."""
        left, top, right, bottom = (max(0, round(value)) for value in box)
        shape = (max(1, bottom - top), max(1, right - left))
        self._parts.append((left, top, np.full(shape, strength, np.uint8)))

    def block(self) -> Block:
        """Everything on one mask, with room for the quads."""
        width = max((x + part.shape[1] for x, _, part in self._parts), default=1) + 2
        height = max((y + part.shape[0] for _, y, part in self._parts), default=1) + 2
        mask = np.zeros((height, width), np.uint8)
        for x, y, part in self._parts:
            target = mask[y : y + part.shape[0], x : x + part.shape[1]]
            np.maximum(target, part, out=target)
        return Block(mask, tuple(self._lines))


def _quad(box: Box, left: float, top: float) -> FloatArray:
    """The corners of a box with a little room, at a place."""
    room = max(1.0, ROOM * (box[3] - box[1]))
    x0, x1 = left + box[0] - room, left + box[2] + room
    y0, y1 = top + box[1] - room, top + box[3] + room
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
