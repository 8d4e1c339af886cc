"""From the characters of a line to its words: lost spaces put back, each word with its place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import ImageArray
from ocr_core.recognition import decode
from ocr_core.recognition.decode import Symbol, is_unspaced

# Lengths in pixels of a line 48 pixels high.
# A space that the network half saw, over a gap that is there. Measured on receipts, typescripts and
# books: docs/decisions.md, "Lost spaces".
_LIKELY_SPACE = 0.1
_LIKELY_GAP = 6
# A gap so much wider than the line's usual one that it is a space whatever the network saw.
_WIDE_DISTANCE = 20
_WIDE_GAP = 9
_USUAL_DISTANCE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class LineScale:
    """How a recogniser sees a line; the defaults are PP-OCRv6's."""

    height: int = 48
    """Pixels of line height."""
    stride: int = 8
    """Pixels of line width in one frame."""

    @property
    def unit(self) -> float:
        """Pixels that are one pixel of a line 48 pixels high."""
        return self.height / 48


_PUBLISHED = LineScale()


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word and the stretch of the line crop it covers."""

    text: str
    confidence: float
    start: float
    """Left edge, pixels of the crop."""
    end: float
    """Right edge, pixels of the crop."""


def ink_columns(crop: ImageArray) -> NDArray[np.bool_]:
    """(H, W, 3) crop of a line → (W,) whether a column holds ink, dark on light or light on dark.

    The rows next to the border are left out: they hold neighbours and rulings.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    margin = crop.shape[0] // 8
    core = grey[margin : crop.shape[0] - margin]
    dark = core <= level
    ink = dark if dark.mean() < 0.5 else ~dark
    return cast(NDArray[np.bool_], ink.sum(axis=0) > 1)


def restore_spaces(
    symbols: Sequence[Symbol], ink: NDArray[np.bool_], scale: LineScale = _PUBLISHED
) -> list[Symbol]:
    """Put back spaces that the network dropped between characters of spaced scripts."""
    if len(symbols) < 2:
        return list(symbols)
    usual = _usual_distance(symbols, scale)
    whole = _inside_numbers(symbols)
    out = [symbols[0]]
    for n, (before, after) in enumerate(itertools.pairwise(symbols)):
        if not (whole[n] or whole[n + 1]) and _is_lost_space(before, after, usual, ink, scale):
            first, last = before.last + 1, max(before.last + 1, after.first - 1)
            out.append(Symbol(" ", max(after.space_before, 0.5), first, last))
        out.append(after)
    return out


def _usual_distance(symbols: Sequence[Symbol], scale: LineScale) -> float:
    """Pixels from the middle of a character to that of the next one."""
    distances = [
        b.center - a.center
        for a, b in itertools.pairwise(symbols)
        if not (a.is_space or b.is_space)
    ]
    if not distances:
        return _USUAL_DISTANCE * scale.unit
    return float(np.median(distances)) * scale.stride


def _inside_numbers(symbols: Sequence[Symbol]) -> list[bool]:
    """For each character, whether it is a mark inside a number, a time or a date: 1.50, 12:30."""
    inside = [False] * len(symbols)
    for n in range(1, len(symbols) - 1):
        first, mark, second = (s.text for s in symbols[n - 1 : n + 2])
        inside[n] = mark in ".,:/-" and first.isdigit() and second.isdigit()
    return inside


def _is_lost_space(
    a: Symbol, b: Symbol, usual: float, ink: NDArray[np.bool_], scale: LineScale
) -> bool:
    if a.is_space or b.is_space or is_unspaced(a.text) or is_unspaced(b.text):
        return False
    start, end = a.center * scale.stride, b.center * scale.stride
    likely = b.space_before >= _LIKELY_SPACE
    wide = end - start - usual >= _WIDE_DISTANCE * scale.unit
    if not (likely or wide):
        return False
    gap = _widest_gap(ink, start, end)
    width = (gap[1] - gap[0]) / scale.unit
    return (likely and width >= _LIKELY_GAP) or (wide and width >= _WIDE_GAP)


def _widest_gap(ink: NDArray[np.bool_], start: float, end: float) -> tuple[int, int]:
    """The longest stretch without ink between two places; an empty one in the middle if none."""
    low = min(max(0, round(start)), len(ink))
    high = min(max(low, round(end)), len(ink))
    edges = np.flatnonzero(np.diff(np.concatenate([[True], ink[low:high], [True]]).astype(np.int8)))
    if not len(edges):
        middle = (low + high) // 2
        return middle, middle
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return low + int(starts[best]), low + int(ends[best])


def split_words(
    symbols: Sequence[Symbol], ink: NDArray[np.bool_], scale: LineScale = _PUBLISHED
) -> list[PlacedWord]:
    """Words of a line with their left and right edges in crop pixels.

    Words end at spaces; each character of an unspaced script is a word of its own. Between two
    words the widest gap without ink is the border, and its two edges are theirs.
    """
    groups = _group(symbols)
    if not groups:
        return []
    frame = scale.stride
    gaps = [
        _widest_gap(ink, a[-1].center * frame, b[0].center * frame)
        for a, b in itertools.pairwise(groups)
    ]
    first = _widest_gap(ink, 0, groups[0][0].center * frame)
    last = _widest_gap(ink, groups[-1][-1].center * frame, len(ink))
    starts = [first[1] if first[0] == 0 else 0, *(gap[1] for gap in gaps)]
    ends = [*(gap[0] for gap in gaps), last[0] if last[1] >= len(ink) else len(ink)]
    return [
        PlacedWord("".join(s.text for s in g), decode.confidence(g), start, max(end, start + 1))
        for g, start, end in zip(groups, starts, ends, strict=True)
    ]


def _group(symbols: Sequence[Symbol]) -> list[list[Symbol]]:
    groups: list[list[Symbol]] = []
    open_word = False
    for symbol in symbols:
        alone = is_unspaced(symbol.text[0])
        if symbol.is_space:
            open_word = False
        elif open_word and not alone:
            groups[-1].append(symbol)
        else:
            groups.append([symbol])
            open_word = not alone
    return groups
