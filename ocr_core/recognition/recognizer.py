"""Reads the lines of a page, each at its own width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ocr_core.errors import ModelUnsuited
from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.recognition import decode
from ocr_core.recognition.decode import Symbol
from ocr_core.recognition.words import (
    LineScale,
    PlacedWord,
    ink_columns,
    restore_spaces,
    split_words,
)

if TYPE_CHECKING:
    from ocr_core.bundle import Bundle
    from ocr_core.runtime import BestPath, Session

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
    scale: LineScale
    """Of the crop and the frames."""

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
        return split_words(self.symbols, self.ink, self.scale)


class Recognizer:
    """A recogniser network with its charset."""

    def __init__(
        self, session: Session, charset: Sequence[str], scale: LineScale | None = None
    ) -> None:
        """`charset`: characters in class order without the blank; a space, if any, last."""
        self._session = session
        self._characters = ("", *charset)
        self._spaced = self._characters[-1].isspace()
        self.scale = scale or LineScale()

    @classmethod
    def of_bundle(cls, session: Session, bundle: Bundle) -> Recognizer:
        """The recogniser of an opened bundle; raises ModelUnsuited."""
        return cls(session, bundle.charset or (), line_scale(bundle.profile))

    def read(self, crop: ImageArray) -> ReadLine:
        """(height, W, 3) RGB crop of one line → its characters with their frames."""
        ink, stride = ink_columns(crop), self.scale.stride
        symbols: list[Symbol] = []
        for start, end in cuts(ink, stride):
            path = self._path(crop[:, start:end])
            part = decode.symbols(path, self._characters)
            symbols += [_shifted(symbol, start // stride) for symbol in part]
        return ReadLine(tuple(restore_spaces(symbols, ink, self.scale)), ink, self.scale)

    def _path(self, crop: ImageArray) -> BestPath:
        path = self._session.best(line_input(crop))
        if self._spaced:
            return path
        return path._replace(spaces=np.zeros_like(path.spaces))  # the last class is a character


def line_scale(profile: Mapping[str, Any]) -> LineScale:
    """What a bundle's profile says of its lines; raises ModelUnsuited if `line_input` is not it."""
    if [profile.get(name) for name in ("order", "mean", "std")] != ["bgr", [0.5] * 3, [0.5] * 3]:
        raise ModelUnsuited("a recogniser takes lines in blue, green, red, from -1 to 1")
    height, stride = profile.get("height"), profile.get("stride")
    if not (isinstance(height, int) and isinstance(stride, int) and min(height, stride) > 0):
        raise ModelUnsuited(f"its profile says no height and stride but {height} and {stride}")
    return LineScale(height=height, stride=stride)


def cuts(ink: NDArray[np.bool_], stride: int = 8) -> list[tuple[int, int]]:
    """Parts, in crop pixels, in which a line is read: one, unless it is longer than `LONGEST`.

    Long lines are cut in the middle of the widest gap before the limit, as near as whole frames of
    `stride` pixels allow.
    """
    parts: list[tuple[int, int]] = []
    start = 0
    while len(ink) - start > LONGEST:
        window = ink[start + LONGEST - _CUT_WINDOW : start + LONGEST]
        middle = start + LONGEST - _CUT_WINDOW + _middle_of_widest_gap(window)
        cut = round(middle / stride) * stride
        parts.append((start, cut))
        start = cut
    return [*parts, (start, len(ink))]


def _middle_of_widest_gap(ink: NDArray[np.bool_]) -> int:
    """Where the longest run of columns without ink has its middle; the end if there is none."""
    steps = np.diff(np.r_[0, ~ink, 0].astype(np.int8))
    begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if not len(begins):
        return len(ink)
    widest = int(np.argmax(ends - begins))
    return int(begins[widest] + ends[widest]) // 2


def padded_width(width: int) -> int:
    """The width a line is padded to: few different widths, and little padding for any.

    Every new width costs the engine a first time, so the steps grow with the line:
    32 pixels up to 640, then 64, then 128 from 1280 on.
    """
    step = 32 if width <= 640 else 64 if width <= 1280 else 128
    return max(64, -(-width // step) * step)


def line_input(crop: ImageArray) -> FloatArray:
    """(H, W, 3) RGB → (1, 3, H, padded W): blue, green, red, in [-1, 1], padded with 0."""
    height, width = crop.shape[:2]
    batch = np.zeros((1, 3, height, padded_width(width)), np.float32)
    line = batch[0, :, :, :width]
    np.multiply(crop.transpose(2, 0, 1)[::-1], np.float32(1 / 127.5), out=line)
    line -= 1
    return batch


def _shifted(symbol: Symbol, frames: int) -> Symbol:
    return replace(symbol, first=symbol.first + frames, last=symbol.last + frames)
