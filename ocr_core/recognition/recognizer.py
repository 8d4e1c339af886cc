"""Reads the lines of a page, each at its own width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.recognition import decode
from ocr_core.recognition.decode import Symbol
from ocr_core.recognition.words import FRAME, PlacedWord, ink_columns, restore_spaces, split_words

if TYPE_CHECKING:
    from ocr_core.runtime import Session

HEIGHT = 48
"""Pixels of line height the network was made for (PP-OCR §3.3)."""
LONGEST = 3200
"""Pixels of line width in one pass; a longer line is cut where it has no ink."""
_CUT_WINDOW = 800
"""Pixels before `LONGEST` in which a place to cut is looked for."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """What one crop says."""

    symbols: tuple[Symbol, ...]
    ink: NDArray[np.bool_]
    """(W,) whether a column of the crop holds ink."""

    @property
    def text(self) -> str:
        """The characters, spaces included."""
        return "".join(s.text for s in self.symbols)

    @property
    def confidence(self) -> float:
        """Mean confidence of the characters that are no spaces; 0 for an empty line."""
        return decode.confidence([s for s in self.symbols if not s.is_space])

    @property
    def words(self) -> list[PlacedWord]:
        """The words with their place on the crop."""
        return split_words(self.symbols, self.ink)


class Recognizer:
    """A recogniser network with its charset."""

    def __init__(self, session: Session, charset: Sequence[str]) -> None:
        """`charset`: characters in class order without the blank, the space last."""
        self._session = session
        self._characters = ("", *charset)

    def read(self, crop: ImageArray) -> ReadLine:
        """(48, W, 3) RGB crop of one line → its characters with their frames."""
        ink = ink_columns(crop)
        symbols: list[Symbol] = []
        for start, end in cuts(ink):
            path = self._session.best(line_input(crop[:, start:end]))
            part = decode.symbols(path, self._characters)
            symbols += [_shifted(symbol, start // FRAME) for symbol in part]
        return ReadLine(tuple(restore_spaces(symbols, ink)), ink)


def cuts(ink: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Parts, in crop pixels, in which a line is read: one, unless it is longer than `LONGEST`.

    Long lines are cut in the widest gap before the limit, at a whole frame.
    """
    parts: list[tuple[int, int]] = []
    start = 0
    while len(ink) - start > LONGEST:
        window = ink[start + LONGEST - _CUT_WINDOW : start + LONGEST]
        emptiness = np.convolve(~window, np.ones(FRAME * 3), mode="same")
        cut = start + LONGEST - _CUT_WINDOW + int(np.argmax(emptiness))
        cut -= cut % FRAME
        parts.append((start, cut))
        start = cut
    return [*parts, (start, len(ink))]


def padded_width(width: int) -> int:
    """The width a line is padded to: few different widths, and little padding for any.

    Every new width costs the engine a first time, so the steps grow with the line:
    32 pixels up to 640, then 64, then 128 from 1280 on.
    """
    step = 32 if width <= 640 else 64 if width <= 1280 else 128
    return max(64, -(-width // step) * step)


def line_input(crop: ImageArray) -> FloatArray:
    """(48, W, 3) RGB → (1, 3, 48, padded W): blue, green, red, in [-1, 1], padded with 0."""
    width = crop.shape[1]
    batch = np.zeros((1, 3, HEIGHT, padded_width(width)), np.float32)
    line = batch[0, :, :, :width]
    np.multiply(crop.transpose(2, 0, 1)[::-1], np.float32(1 / 127.5), out=line)
    line -= 1
    return batch


def _shifted(symbol: Symbol, frames: int) -> Symbol:
    return replace(symbol, first=symbol.first + frames, last=symbol.last + frames)
