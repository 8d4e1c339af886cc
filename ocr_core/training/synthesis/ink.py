"""A line of text as ink: how much of each pixel it covers, and where its words are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageFont import FreeTypeFont

from ocr_core.training.synthesis.faces import Face, sized

Mask = NDArray[np.uint8]
"""(H, W) coverage: 0 is paper, 255 is ink."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom: pixel edges from the top-left corner of a mask."""


@dataclass(frozen=True, slots=True)
class InkWord:
    """A word of a line and the box of its ink."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """Text without paper; the mask is exactly as large as the ink."""

    text: str
    mask: Mask
    words: tuple[InkWord, ...]
    """In the order of the text; empty where words cannot be told apart: text of both directions."""
    top: float = 0.0
    """Pixels from the top of the line to the ink: lines with the same top share a baseline."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.mask.shape[1], self.mask.shape[0]

    def scaled(self, across: float, down: float) -> Ink:
        """The ink stretched by two factors."""
        width = max(1, round(self.mask.shape[1] * across))
        height = max(1, round(self.mask.shape[0] * down))
        mask = cv2.resize(self.mask, (width, height), interpolation=cv2.INTER_AREA)
        x, y = width / self.mask.shape[1], height / self.mask.shape[0]
        words = tuple(
            InkWord(word.text, (word.box[0] * x, word.box[1] * y, word.box[2] * x, word.box[3] * y))
            for word in self.words
        )
        return Ink(self.text, np.asarray(mask, np.uint8), words, self.top * down)


def set_text(
    text: str, face: Face, size: int, *, words: bool = False, upright: bool = False
) -> Ink:
    """Set a line in a face at `size` pixels an em; `upright` runs it from the top down.

    The face must cover the text. Words are looked for only if asked, and not in vertical text,
    which needs raqm (`faces.shaping`). Raises ValueError if nothing of the text is visible.
    """
    font = sized(face, size)
    core, (left, top) = font.getmask2(text, "L", direction="ttb" if upright else None)
    width, height = core.size
    mask = np.frombuffer(bytes(core), np.uint8).reshape(height, width)
    found = _word_spans(text, font) if words and not upright else ()
    spans = [(word, first - left, last - left) for word, first, last in found]
    return inked(text, mask, spans, top=top)


Span = tuple[str, float, float]
"""A word, and the columns between which its ink lies."""


def inked(text: str, mask: Mask, spans: Iterable[Span], *, top: float = 0.0) -> Ink:
    """Cut a mask, `top` pixels below the top of its line, to its ink, and find each word's box.

    Raises ValueError if there is no ink.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError(f"no ink in {text!r}")
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    start = float(columns[0])
    words = (_word(word, mask, first - start, last - start) for word, first, last in spans)
    return Ink(text, mask, tuple(filter(None, words)), top + float(rows[0]))


def _word_spans(text: str, font: FreeTypeFont) -> Iterator[Span]:
    """Words and their ranges across, from the pen's start, bounded by the middles of the spaces."""
    directions = {unicodedata.bidirectional(character) for character in text}
    backwards = bool(directions & {"R", "AL"})
    if backwards and directions & {"L", "EN", "AN"}:
        return  # the order on the paper is not the order of the text
    whole = font.getlength(text)
    for match in re.finditer(r"\S+", text):
        before, after = text[: match.start()].rstrip(), text[match.end() :]
        rest = match.end() + len(after) - len(after.lstrip())
        first = (font.getlength(before) + font.getlength(text[: match.start()])) / 2
        last = (font.getlength(text[: match.end()]) + font.getlength(text[:rest])) / 2
        first = first if before else -font.size
        last = last if after.strip() else whole + font.size
        yield (match[0], whole - last, whole - first) if backwards else (match[0], first, last)


def _word(text: str, mask: Mask, first: float, last: float) -> InkWord | None:
    """The box of the ink between two columns; None if there is no ink."""
    left, right = max(0, round(first)), min(mask.shape[1], round(last))
    part = mask[:, left:right]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return None
    x0, x1 = float(left + columns[0]), float(left + columns[-1] + 1)
    return InkWord(text, (x0, float(rows[0]), x1, float(rows[-1] + 1)))
