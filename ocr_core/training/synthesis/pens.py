"""Ink that no outline font makes: the dots of an impact printer, the segments of a display."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.training.synthesis.faces import Face
from ocr_core.training.synthesis.ink import Ink, Mask, Span, inked, set_text

_LIT = 96
"""Coverage from which a pixel of a glyph is a dot."""
_DIGITS = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc",
    "7": "abc", "8": "abcdefg", "9": "abcdfg", "-": "g", "_": "d", " ": "", "A": "abcefg",
    "b": "cdefg", "C": "adef", "c": "deg", "d": "bcdeg", "E": "adefg", "F": "aefg", "H": "bcefg",
    "h": "cefg", "L": "def", "n": "ceg", "o": "cdeg", "P": "abefg", "r": "eg", "t": "defg",
    "U": "bcdef", "u": "cde", "y": "bcdfg",
}  # fmt: skip
"""The lit segments: a on top, then clockwise b to f, g in the middle."""
_POINTS = ".:"
SEGMENT_CHARACTERS = frozenset("".join(_DIGITS) + _POINTS)
"""What a seven-segment display can show."""
_WIDTH, _ADVANCE = 0.52, 0.72
"""Of a digit, over its height: without and with the gap to the next."""
_DARK_SEEN = 0.35
"""Share of displays whose dark segments can be seen."""
_ADVANCES = {".": 0.14, ":": 0.22}


def dots(text: str, face: Face, rows: int, height: int, rng: np.random.Generator) -> Ink:
    """Text as an impact printer sets it: a glyph of `rows` pixels an em, a struck dot each.

    The em comes out `height` pixels high. Pins hit a little beside their place, and some are worn.
    """
    ink = set_text(text, face, rows, words=True)
    lit = ink.mask > _LIT
    pitch = height / rows
    worn = rng.random() < 0.4
    pins = rng.uniform(0.6 if worn else 1.0, np.ones(lit.shape[0]))
    places = np.argwhere(lit & (rng.random(lit.shape) >= rng.uniform(0.0, 0.04)))
    centers = (places + 1) * pitch + rng.normal(0, 0.07 * pitch, places.shape)
    strengths = pins[places[:, 0]] * rng.uniform(0.7, 1.0, len(places))
    height, width = (math.ceil((side + 1) * pitch) for side in lit.shape)
    mask = _discs((height, width), centers, pitch * rng.uniform(0.40, 0.62), strengths)
    spans = [(w.text, (w.box[0] - 0.5) * pitch, (w.box[2] + 1.5) * pitch) for w in ink.words]
    return inked(text, mask, spans, top=ink.top * pitch)


def _discs(
    shape: tuple[int, int], centers: NDArray[np.float64], radius: float, strengths: NDArray[Any]
) -> Mask:
    """Discs at (row, column) centers on an empty mask, to a sixteenth of a pixel."""
    mask = np.zeros(shape, np.uint8)
    fixed = np.round(16 * (centers - 0.5)).astype(int).tolist()
    for (y, x), strength in zip(fixed, (255 * strengths).tolist(), strict=True):
        cv2.circle(mask, (x, y), round(16 * radius), strength, cv2.FILLED, cv2.LINE_AA, 4)
    return mask


def segments(text: str, height: int, rng: np.random.Generator) -> Ink:
    """Text as a seven-segment display of `height` pixels shows it.

    The characters must be among `SEGMENT_CHARACTERS`. Displays differ in thickness, gaps and
    slant; on some, dark segments can be seen.
    """
    shape = _SegmentShape(
        height=height,
        thickness=float(rng.uniform(0.09, 0.17)),
        gap=float(rng.uniform(0.01, 0.035)),
        slant=float(rng.choice([0.0, rng.uniform(0.05, 0.18)])),
        blunt=bool(rng.random() < 0.3),
    )
    starts = _cell_starts(text)
    lit = shape.blank(starts[-1])
    for character, start in zip(text, starts, strict=False):
        shape.draw(lit, start, _DIGITS.get(character, character))
    ink = inked(text, lit, _cell_spans(text, starts, height))
    if rng.random() > _DARK_SEEN:
        return ink
    dark = shape.blank(starts[-1])
    for character, start in zip(text, starts, strict=False):
        shape.draw(dark, start, _DIGITS["8"] if character in _DIGITS else character)
    ghosts = _same_place(dark, lit, ink.mask.shape) * rng.uniform(0.04, 0.16)
    return replace(ink, mask=np.maximum(ink.mask, ghosts.astype(np.uint8)))


def _cell_starts(text: str) -> list[float]:
    """Where each character starts, and where the last ends, over the height of a digit.

    A point stands in the gap behind its digit; a colon has a narrow place of its own.
    """
    advances = [_ADVANCES.get(character, _ADVANCE) for character in text]
    return [0.0, *itertools.accumulate(advances)]


def _cell_spans(text: str, starts: list[float], height: int) -> Iterator[Span]:
    for match in re.finditer(r"\S+", text):
        yield match[0], starts[match.start()] * height, (starts[match.end()] + 0.2) * height


def _same_place(dark: Mask, lit: Mask, shape: tuple[int, ...]) -> Mask:
    """The part of `dark` where the ink of `lit` is."""
    top = int(np.flatnonzero(lit.any(axis=1))[0])
    left = int(np.flatnonzero(lit.any(axis=0))[0])
    return dark[top : top + shape[0], left : left + shape[1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SegmentShape:
    """How the segments of a display look; lengths over the height of a digit."""

    height: int
    """Pixels."""
    thickness: float
    gap: float
    slant: float
    blunt: bool
    """Ends are cut straight, not pointed."""

    def blank(self, length: float) -> Mask:
        """Room for cells of this length, slanted ones too."""
        width = math.ceil((length + self.slant + 0.2) * self.height)
        return np.zeros((self.height + 2, width), np.uint8)

    def draw(self, mask: Mask, start: float, lit: str) -> None:
        """Light the segments of one cell, or its points."""
        if lit in _POINTS and lit:
            x, heights = (0.0, (1 - self.thickness / 2,)) if lit == "." else (0.06, (0.3, 0.7))
            for y in heights:
                self._point(mask, start + x, y)
            return
        for name in lit:
            self._polygon(mask, self._segment(name), start)

    def _segment(self, name: str) -> NDArray[np.float64]:
        """(6, 2) corners of a segment in its cell."""
        half = self.thickness / 2
        left, right = half, _WIDTH - half
        ends = {
            "a": ((left, half), (right, half)),
            "b": ((right, half), (right, 0.5)),
            "c": ((right, 0.5), (right, 1 - half)),
            "d": ((left, 1 - half), (right, 1 - half)),
            "e": ((left, 0.5), (left, 1 - half)),
            "f": ((left, half), (left, 0.5)),
            "g": ((left, 0.5), (right, 0.5)),
        }
        first, last = np.array(ends[name])
        along = (last - first) / np.linalg.norm(last - first)
        aside = np.array([-along[1], along[0]]) * half
        first, last = first + self.gap * along, last - self.gap * along
        point = along * (0.0 if self.blunt else half)
        return np.array(
            [
                *(first, first + point + aside, last - point + aside),
                *(last, last - point - aside, first + point - aside),
            ]
        )

    def _point(self, mask: Mask, start: float, y: float) -> None:
        half = self.thickness / 2
        corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
        self._polygon(mask, corners + np.array([0.0, y]), start)

    def _polygon(self, mask: Mask, corners: NDArray[np.float64], start: float) -> None:
        """Fill a polygon of a cell that starts there; all over the height of a digit."""
        slanted = corners.copy()
        slanted[:, 0] += start + self.slant * (1 - corners[:, 1])
        fixed = np.round(16 * (slanted * self.height + 0.5)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
