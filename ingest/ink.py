"""What is visible on a drawn page: whether a line shows, and where text is that no line covers.

Works on a grey picture of the page at about DPI, on which print of 5 points is 3 pixels high and
letters are still apart from each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ocr_core.page import Box

DPI = 120.0
LONGEST_SIDE = 5000
"""Pixels of the picture of a very large page, whose print is larger too."""
Grey = npt.NDArray[np.uint8]
"""(H, W)."""

_VISIBLE = 16
"""Difference in grey that a person can see."""
_STEP = 6
"""Every how manyth pixel is taken for the background, the median of five by five of them."""
_RULE = 48
"""Pixels of a straight line that is no part of a letter."""
_OFFSET = 24
_HEIGHTS = (4, 56)
"""Of a letter: from print of 5 points to a heading of 40."""
_LONGEST = 240
_THINNEST = 0.1
_FEW_STROKES = 100
"""Pixels, fewer than a word has."""
_LETTERS = 4
"""In a row, to be taken for a line of text."""
_BUSY = 0.002
"""Share of pixels on strokes; one line of handwriting on a page is more."""
_FEW_LETTERS = 8
"""On the whole page; fewer are a logo or chance."""


def shows(grey: Grey, box: Box) -> bool:
    """Whether anything can be seen inside a box, given in pixels of the picture."""
    height, width = grey.shape
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(box[2]) + 1), min(height, int(box[3]) + 1)
    part = grey[y0:y1, x0:x1]
    return bool(part.size) and int(part.max()) - int(part.min()) >= _VISIBLE


def is_uniform(picture: npt.NDArray[np.uint8]) -> bool:
    """Whether every pixel of a picture, (H, W) or (H, W, 3), has the same colour."""
    if np.any(picture[::7, ::7] != picture[0, 0]):  # most pictures are settled here
        return False
    return not np.any(picture != picture[0, 0])


def uncovered_text(grey: Grey, covered: Sequence[Box]) -> list[Box]:
    """Areas that look like text, in pixels, after what lies in the boxes `covered` is left out.

    Rules, frames, dots, bars and large shapes do not look like text; three or more lines of
    letters do, and so does a single line with many.
    """
    mask = _mask(grey, covered)
    ring = cv2.erode(mask, np.ones((3, 3), np.uint8)) != mask
    lines: list[_Line] = []
    for strokes in _strokes(grey):
        if cv2.countNonZero(strokes & mask) > _FEW_STROKES:
            lines += _lines(_without_rules(strokes) & mask, ring)
    if sum(line.letters for line in lines) < _FEW_LETTERS:
        return []
    return _joined([line.box for line in lines], grey.shape)


def is_busy(grey: Grey, box: Box, covered: Sequence[Box]) -> bool:
    """Whether a box, in pixels, shows more than plain or softly changing colour.

    The boxes `covered` are left out. A scan of handwriting is busy, and so are most photographs.
    """
    dark, light = _strokes(grey)
    strokes = _without_rules(dark | light) & _mask(grey, covered)
    height, width = grey.shape
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    part = strokes[y0 : min(height, int(box[3])), x0 : min(width, int(box[2]))]
    return part.size > 0 and cv2.countNonZero(part) > _BUSY * part.size


def _mask(grey: Grey, covered: Sequence[Box]) -> Grey:
    """255 everywhere but in the boxes, with a margin of two pixels."""
    mask = np.full(grey.shape, 255, np.uint8)
    for box in covered:
        x0, y0, x1, y1 = (round(value) for value in box)
        cv2.rectangle(mask, (x0 - 2, y0 - 2), (x1 + 2, y1 + 2), 0, cv2.FILLED)
    return mask


@dataclass(frozen=True, slots=True)
class _Line:
    box: Box
    letters: int


def _strokes(grey: Grey) -> tuple[Grey, Grey]:
    """255 where a pixel is clearly darker, and where it is clearly lighter, than its background.

    The background is the median of the neighbourhood: what most pixels are.
    """
    height, width = grey.shape
    median = cv2.medianBlur(np.ascontiguousarray(grey[::_STEP, ::_STEP]), 5)
    background = cv2.resize(median, (width, height), interpolation=cv2.INTER_LINEAR)
    differences = cv2.subtract(background, grey), cv2.subtract(grey, background)
    dark, light = (
        cv2.threshold(difference, _OFFSET, 255, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False)
        for difference in differences
    )
    return dark, light


def _without_rules(strokes: Grey) -> Grey:
    """Strokes without long straight lines: the rules and frames of tables."""
    mask = strokes
    for shape in ((_RULE, 1), (1, _RULE)):
        rules = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones(shape, np.uint8))
        mask = cv2.subtract(mask, cv2.dilate(rules, np.ones((3, 3), np.uint8))).astype(np.uint8)
    return mask


def _lines(strokes: Grey, ring: npt.NDArray[np.bool_]) -> list[_Line]:
    letters = _letters(strokes, ring)
    if len(letters) < _LETTERS:
        return []
    rows = _rows(letters, strokes.shape)
    return [_Line(_around(row), len(row)) for row in rows if _is_text(row)]


def _letters(strokes: Grey, ring: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Shapes of the size and make of letters: (N, 4) left, top, width, height.

    What touches the `ring` around covered boxes is the rest of something that was cut through.
    """
    _, labels, shapes, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    whole = np.ones(len(shapes), np.bool_)
    whole[labels[ring]] = False
    _, _, width, height, area = shapes[1:].T
    fitting = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (width <= _LONGEST)
    inked = area / (width * height)
    fitting &= (inked > _THINNEST) & (width >= 1)
    fitting &= (width < 12 * height) & (area >= 5) & whole[1:]
    letters: npt.NDArray[np.int32] = shapes[1:][fitting][:, :4].astype(np.int32)
    return letters


def _rows(letters: npt.NDArray[np.int32], shape: tuple[int, ...]) -> list[npt.NDArray[np.int32]]:
    """Letters that stand side by side, closer than one and a half of their heights."""
    canvas = np.zeros(shape[:2], np.uint8)
    for x, y, width, height in letters:
        reach = int(0.75 * height) + 1
        middle = y + height // 2
        half = max(1, height // 4)
        cv2.rectangle(
            canvas, (x - reach, middle - half), (x + width + reach, middle + half), 255, -1
        )
    _, labels = cv2.connectedComponents(canvas, connectivity=4)
    of = labels[letters[:, 1] + letters[:, 3] // 2, letters[:, 0] + letters[:, 2] // 2]
    order = np.argsort(of, kind="stable")
    return np.split(letters[order], np.flatnonzero(np.diff(of[order])) + 1)


def _is_text(row: npt.NDArray[np.int32]) -> bool:
    """Whether shapes side by side are letters: of like height, unlike width, and not mere bars."""
    if len(row) < _LETTERS:
        return False
    widths, heights = row[:, 2], row[:, 3]
    usual = np.median(heights)
    alike = np.mean((heights > 0.45 * usual) & (heights < 1.8 * usual))
    _, top, _, bottom = _around(row)
    bars = np.mean(widths < 0.25 * heights)
    same = np.ptp(widths) <= 1 and np.ptp(heights) <= 1
    return bool(alike >= 0.6 and bottom - top < 3.5 * usual and bars < 0.6 and not same)


def _around(row: npt.NDArray[np.int32]) -> Box:
    x0, y0 = row[:, :2].min(axis=0)
    x1, y1 = (row[:, :2] + row[:, 2:]).max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _joined(boxes: Sequence[Box], shape: tuple[int, ...]) -> list[Box]:
    """Boxes that nearly touch as one, with a margin, inside the picture."""
    canvas = np.zeros(shape[:2], np.uint8)
    for x0, y0, x1, y1 in boxes:
        margin = int(0.6 * (y1 - y0)) + 2
        corner = (int(x1) + margin, int(y1) + margin)
        cv2.rectangle(canvas, (int(x0) - margin, int(y0) - margin), corner, 255, cv2.FILLED)
    _, _, areas, _ = cv2.connectedComponentsWithStats(canvas, connectivity=8)
    return [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in areas[1:]]
