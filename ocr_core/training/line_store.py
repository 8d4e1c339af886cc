"""Crops of text lines, cut once and kept side by side: no batch waits for a page to decode."""

from __future__ import annotations

import copy
import mmap
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import FloatArray, ImageArray, crop, quad_size, taller
from ocr_core.image import read_image
from ocr_core.training.labelled import LineLabel
from ocr_core.training.skips import Skips

MARGIN = 0.1
"""Space above and below a line cut from a page, in parts of its height: as the reader cuts it."""
SMALLEST = 5
"""Pixels of height below which a line is left out."""
NARROWEST = 8
"""Pixels of width every crop has at least."""


class LineStore:
    """(height, W, 3) uint8 RGB crops of different widths in one temporary file.

    The file is mapped, not read: loader processes share it, and it may be larger than memory.
    """

    def __init__(self, height: int, crops: Iterable[ImageArray]) -> None:
        self.height = height
        widths: list[int] = []
        with tempfile.TemporaryFile(prefix="pagemill-lines-") as file:
            for line in crops:
                if line.shape[0] != height:
                    raise ValueError(f"a crop is {line.shape[0]} pixels high, not {height}")
                widths.append(line.shape[1])
                file.write(np.ascontiguousarray(line).tobytes())
            file.flush()
            self._pixels = _mapped(file.fileno(), sum(widths) * height * 3)
        self.widths: NDArray[np.int64] = np.array(widths, np.int64)
        ends = np.cumsum(self.widths)
        self._starts: NDArray[np.int64] = (ends - self.widths) * height * 3

    def only(self, numbers: NDArray[np.integer]) -> LineStore:
        """The crops with these numbers, in this order; no pixel is copied."""
        part = copy.copy(self)
        part.widths, part._starts = self.widths[numbers], self._starts[numbers]
        return part

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, number: int) -> ImageArray:
        """A crop, not to be written to."""
        start, width = int(self._starts[number]), int(self.widths[number])
        pixels = self._pixels[start : start + self.height * width * 3]
        return pixels.reshape(self.height, width, 3)


def cut_lines(
    labels: Sequence[LineLabel], height: int, widest: int, skips: Skips
) -> tuple[LineStore, list[int]]:
    """Cut lines out of their images, straight and `height` pixels high; also which were kept.

    Left out and counted: lines less than SMALLEST pixels high (`too_small`) and those that would
    be wider than `widest` (`too_wide`). The pages are decoded once each if their lines follow one
    another.
    """
    kept: list[int] = []

    def crops() -> Iterable[ImageArray]:
        for number, label in enumerate(labels):
            line = _cut(label, height, widest, skips)
            if line is not None:
                kept.append(number)
                yield line

    return LineStore(height, crops()), kept


def natural_width(width: float, height: float, target: int) -> int:
    """Width of a line of this size when it is `target` pixels high."""
    return max(NARROWEST, round(target * width / max(height, 1.0)))


def _cut(label: LineLabel, height: int, widest: int, skips: Skips) -> ImageArray | None:
    image = _decoded(label.image)
    if label.quad is None:
        rows, columns = image.shape[:2]
        quad = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    else:
        quad = taller(np.array(label.quad, np.float32), MARGIN)
    widths, heights = quad_size(quad[None])
    width = natural_width(float(widths[0]), float(heights[0]), height)
    reason = "too_small" if heights[0] < SMALLEST else "too_wide" if width > widest else None
    if reason is not None:
        skips.add(reason, f"{label.image} {label.text[:40]!r}")
        return None
    return crop(image, quad, (width, height))


_Decoder = Callable[[Path], ImageArray]
_decoded: _Decoder = lru_cache(maxsize=4)(read_image)


def _mapped(descriptor: int, size: int) -> NDArray[np.uint8]:
    """A file as an array that outlives the file's name and descriptor."""
    if size == 0:
        return np.zeros(0, np.uint8)
    return np.frombuffer(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ), np.uint8)


def as_float(crops: Sequence[ImageArray], width: int) -> FloatArray:
    """Crops of one height as a batch (N, 3, H, width): blue, green, red, in [-1, 1], padded with 0.

    The same numbers as `ocr_core.recognition.recognizer.line_input`.
    """
    batch = np.zeros((len(crops), 3, crops[0].shape[0], width), np.float32)
    for row, line in zip(batch, crops, strict=True):
        part = row[:, :, : line.shape[1]]
        np.multiply(line.transpose(2, 0, 1)[::-1], np.float32(1 / 127.5), out=part)
        part -= 1
    return batch
