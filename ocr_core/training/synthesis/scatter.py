"""Small blocks of any size and angle, as on signs, labels and drawings."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.training.synthesis.canvas import Canvas
from ocr_core.training.synthesis.galley import Block, Galley

_COARSE = 8
"""Pixels of a cell in which it is remembered that something is printed there."""


def scattered(canvas: Canvas) -> None:
    """Some blocks that do not touch."""
    rng, (width, height) = canvas.rng, canvas.size
    taken = np.zeros((height // _COARSE + 1, width // _COARSE + 1), bool)
    upright = rng.random() < 0.3
    for _ in range(int(rng.integers(6, 30))):
        block = _scrap(canvas)
        if block is None:
            continue
        block = block.turned(0.0 if upright else _angle(rng))
        free = _free_place(block, taken, canvas)
        if free is not None:
            canvas.place(block, *free)


def _angle(rng: np.random.Generator) -> float:
    """Degrees clockwise: mostly small, now and then on its side."""
    if rng.random() < 0.12:
        return float(rng.choice([-90.0, 90.0]))
    return float(rng.normal(0, 6) if rng.random() < 0.6 else rng.uniform(-45, 45))


def _scrap(canvas: Canvas) -> Block | None:
    """One to four lines in a face and size of their own."""
    rng, setter, galley = canvas.rng, canvas.setter, Galley()
    size = max(9, round(canvas.body * float(np.exp(rng.uniform(-0.3, 0.9)))))
    width, y = rng.uniform(0.15, 0.6) * canvas.size[0], 0.0
    setter.new_face()
    for _ in range(int(rng.integers(1, 5))):
        ink = setter.set(width, size, longest=int(rng.integers(2, 24)))
        if ink is not None:
            galley.put(ink, 2, y + ink.top)
            y += 1.35 * size
    return galley.block() if galley else None


def _free_place(
    block: Block, taken: NDArray[np.bool_], canvas: Canvas
) -> tuple[float, float] | None:
    """Where the block's ink touches nothing printed before; remembers it as taken."""
    room = 2 * _COARSE
    reach = (block.size[0] + room, block.size[1] + room)
    inked = np.zeros((reach[1] // _COARSE + 1, reach[0] // _COARSE + 1), np.uint8)
    rows, columns = np.nonzero(block.mask)
    inked[(rows + _COARSE) // _COARSE, (columns + _COARSE) // _COARSE] = 1
    grown = cv2.dilate(inked, np.ones((3, 3), np.uint8))
    for _ in range(12):
        x = float(canvas.rng.integers(max(1, canvas.size[0] - block.size[0])) // _COARSE * _COARSE)
        y = float(canvas.rng.integers(max(1, canvas.size[1] - block.size[1])) // _COARSE * _COARSE)
        window = taken[int(y) // _COARSE :, int(x) // _COARSE :][: grown.shape[0], : grown.shape[1]]
        part = grown[: window.shape[0], : window.shape[1]] > 0
        if canvas.fits(block, x, y) and not (window & part).any():
            window |= part
            return x, y
    return None
