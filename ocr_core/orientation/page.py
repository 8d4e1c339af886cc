"""Which way up a page is: decided by its lines together, never by a single one.

Lines vote by how well they read. A line that is upside-down reads as fewer characters and with
less confidence, so reading a few lines both ways settles every doubt; the classifier only says
where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import TALL, FloatArray, quad_size
from ocr_core.page import Rotation
from ocr_core.recognition.decode import is_unspaced
from ocr_core.recognition.recognizer import ReadLine

VOTERS = 5
"""Lines that are asked."""
CERTAIN = 0.9
"""Mean confidence from which the lines of a page are surely the right way up."""

ReadTurned = Callable[[int, int], ReadLine]
"""Reads the line of that number, turned by 0, 90, 180 or 270 degrees clockwise."""
UpsideDown = Callable[[int], float]
"""Probability that the line of that number stands on its head."""


def page_rotation(quads: FloatArray, read: ReadTurned, upside_down: UpsideDown) -> Rotation:
    """Degrees clockwise by which the page has to be turned, from its quads (N, 4, 2).

    Columns of Chinese or Japanese stay: they read from top to bottom without turning the page.
    """
    widths, heights = quad_size(quads)
    lengths = np.maximum(widths, heights)
    tall = heights >= TALL * widths
    if lengths[tall].sum() > lengths[~tall].sum():
        return _turn_of_columns(_longest(tall, lengths), read)
    return _turn_of_lines(_longest(widths >= 2 * heights, lengths), read, upside_down)


def _longest(which: NDArray[np.bool_], lengths: FloatArray) -> list[int]:
    order = np.argsort(-lengths, kind="stable")
    return [int(i) for i in order if which[i]][:VOTERS]


def _turn_of_lines(lines: Sequence[int], read: ReadTurned, upside_down: UpsideDown) -> Rotation:
    upright = [read(line, 0) for line in lines]
    against = sum(upside_down(line) > 0.5 for line in lines)
    if not lines or (_confidence(upright) >= CERTAIN and 2 * against <= len(lines)):
        return 0
    turned = [read(line, 180) for line in lines]
    return 180 if weight(turned) > weight(upright) else 0


def _turn_of_columns(lines: Sequence[int], read: ReadTurned) -> Rotation:
    down = [read(line, 270) for line in lines]
    if _confidence(down) < CERTAIN:
        up = [read(line, 90) for line in lines]
        if weight(up) > weight(down):
            return 90
    text = "".join(line.text for line in down)
    vertical_script = 2 * sum(map(is_unspaced, text)) > len(text)
    return 0 if vertical_script else 270


def _confidence(lines: Sequence[ReadLine]) -> float:
    symbols = [s.confidence for line in lines for s in line.symbols]
    return sum(symbols) / len(symbols) if symbols else 0.0


def weight(lines: Sequence[ReadLine]) -> float:
    """How much was read, counting only what was read with some confidence."""
    return sum(max(0.0, line.confidence - 0.5) * len(line.symbols) for line in lines)
