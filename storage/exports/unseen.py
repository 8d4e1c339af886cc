"""Lines of a page as PDF operators that show their text unseen, each word where it stands.

A line is one text object running along its quad, so that readers keep it together. Characters are
stretched so that every word fills its box exactly; a space fills the gap to the next one. Words
that no space divides, as in Chinese, touch: each reaches to the middle of the gap, or readers
would put a space there. Vertical text runs downwards, lying on its side, which covers the same
boxes. Words that run from the right are written from left to right with their characters turned
round, as every program writes Arabic and Hebrew and every reader expects it.

A line that slants a little is written level, each of its words raised to where it stands: readers
are good at level text, and pdf.js loses the end of a line that is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ocr_core.page import Point, TextLine
from storage.exports.affine import Affine, moved_quad
from storage.exports.glyphless import BLANK, BLANK_WIDTH, EM, WIDTH, Codes
from storage.exports.parts import Part, parts_of
from storage.exports.visual_order import as_seen, has_right_to_left

LEAST_SPACE = 0.12
"""Of the height of a line: readers overlook narrower gaps, so words make room for them."""
_MOST_TAKEN = 0.3
"""Share of a word that may become room for a space."""
_TOLERANCE = 0.4
"""Points by which the edge of a character inside a word, or the height of a word, may be off."""
_RISE = 0.25
"""Points by which the foot of a word may be off."""
_SLANT = 1.6
"""Points a word's end may lie above or below its start for its line to be written level."""
_ROUNDED = 0.3
"""Points by which a word may be longer or shorter, to save digits; the next one is not moved."""
_SMALLEST = 1e-3


def operators(lines: Iterable[TextLine], place: Affine, font: str, codes: Codes) -> bytes:
    """Write the lines as the content of a page; nothing if there is no text.

    `place` leads from the pixels of the lines to the page's user space; `font` is the name of the
    unseen font among the page's resources.
    """
    shown = [piece for line in lines for piece in _line(line, place, codes)]
    if not shown:
        return b""
    return b"".join([b"q BT 3 Tr/%s 1 Tf\n" % font.encode(), *shown, b"ET Q\n"])


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a line runs: the direction of its text, and the one from its foot to its top."""

    along: Point
    up: Point

    def span(self, corners: Sequence[Point]) -> tuple[float, float, float, float]:
        """Start and end along the line, foot and top across it: the middles of the four sides."""
        along = sorted(x * self.along[0] + y * self.along[1] for x, y in corners)
        across = sorted(x * self.up[0] + y * self.up[1] for x, y in corners)
        start, end = (sum(pair) / 2 for pair in (along[:2], along[2:]))
        foot, top = (sum(pair) / 2 for pair in (across[:2], across[2:]))
        return start, end, foot, top

    def point(self, along: float, across: float) -> Point:
        """The way back from a place in the frame."""
        return (
            along * self.along[0] + across * self.up[0],
            along * self.along[1] + across * self.up[1],
        )


@dataclass(frozen=True, slots=True)
class _Box:
    """A word in the frame of its line."""

    text: str
    spaced: bool
    start: float
    end: float
    foot: float
    top: float

    @property
    def height(self) -> float:
        """Of the word's box."""
        return max(self.top - self.foot, _SMALLEST)


def _line(line: TextLine, place: Affine, codes: Codes) -> Iterator[bytes]:
    parts = [replace(part, quad=moved_quad(place, part.quad)) for part in parts_of(line)]
    if not parts:
        return
    frame = _frame(moved_quad(place, line.quad), parts)
    boxes = [_box(part, frame) for part in parts]
    if has_right_to_left(line.text):
        boxes = _in_visual_order(boxes)
    for row in _rows(boxes):
        yield _row(_fitted(row), frame, codes)


def _frame(corners: Sequence[Point], parts: Sequence[Part]) -> _Frame:
    """Along the quad of the line, or down, if that is where its words go."""
    along = _direction(corners, parts)
    up = (-along[1], along[0])
    first, last = _centre(parts[0].quad), _centre(parts[-1].quad)
    way = (last[0] - first[0], last[1] - first[1])
    across = way[0] * up[0] + way[1] * up[1]
    if len(parts) > 1 and -across > abs(way[0] * along[0] + way[1] * along[1]):
        return _Frame(along=(-up[0], -up[1]), up=along)
    return _Frame(along, up)


def _direction(corners: Sequence[Point], parts: Sequence[Part]) -> Point:
    """Unit vector along the quad of a line; an axis, if every word slants but a little."""
    a, b, c, d = corners
    x, y = b[0] - a[0] + c[0] - d[0], b[1] - a[1] + c[1] - d[1]
    length = math.hypot(x, y)
    if length < _SMALLEST:
        return 1.0, 0.0
    slope = min(abs(x), abs(y)) / length
    if slope * max(math.dist(part.quad[0], part.quad[2]) for part in parts) > _SLANT:
        return x / length, y / length
    level = abs(x) >= abs(y)
    return (math.copysign(1.0, x), 0.0) if level else (0.0, math.copysign(1.0, y))


def _centre(corners: Sequence[Point]) -> Point:
    return sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4


def _box(part: Part, frame: _Frame) -> _Box:
    return _Box(part.text, part.spaced, *frame.span(part.quad))


def _rows(boxes: Sequence[_Box]) -> Iterator[list[_Box]]:
    """Yield words of one height that go on to the right, together."""
    row = [boxes[0]]
    for box in boxes[1:]:
        last = row[-1]
        alike = abs(box.height - row[0].height) < _TOLERANCE
        if not alike or box.start < max(last.start, last.end - 0.5 * last.height):
            yield row
            row = []
        row.append(box)
    yield row


def _fitted(row: Sequence[_Box]) -> list[_Box]:
    """Words that touch where no space divides them, and leave room where one does."""
    starts, ends = [box.start for box in row], [box.end for box in row]
    for at in range(len(row) - 1):
        gap = starts[at + 1] - ends[at]
        if row[at + 1].spaced:
            lacking = max(0.0, LEAST_SPACE * row[at].height - gap) / 2
            ends[at] -= min(lacking, _MOST_TAKEN * (ends[at] - starts[at]))
            starts[at + 1] += min(lacking, _MOST_TAKEN * (ends[at + 1] - starts[at + 1]))
        else:
            ends[at] = starts[at + 1] = max(ends[at] + gap / 2, starts[at] + _SMALLEST)
            ends[at + 1] = max(ends[at + 1], starts[at + 1] + _SMALLEST)
    return [
        replace(box, start=start, end=end)
        for box, start, end in zip(row, starts, ends, strict=True)
    ]


def _row(row: Sequence[_Box], frame: _Frame, codes: Codes) -> bytes:
    height = round(row[0].height, 1) or _SMALLEST
    x, y = frame.point(row[0].start, row[0].foot)
    (a, b), (c, d) = ((height * x, height * y) for x, y in (frame.along, frame.up))
    matrix = " ".join(
        [*(_number(value, 4) for value in (a, b, c, d)), _number(x, 1), _number(y, 1)]
    )
    pen = _Pen(row[0].start, row[0].foot, height)
    shown = b"".join(_stretch(stretch, pen, codes) for stretch in _stretches(row))
    return matrix.encode() + b" Tm" + shown + (b"\n0 Ts\n" if pen.risen else b"\n")


@dataclass(slots=True)
class _Pen:
    """Where the next character will stand, and how wide characters are."""

    at: float
    foot: float
    """Of the row."""
    size: float
    stretch: float = 0.0
    """Percent; 0 before the first."""
    risen: float = 0.0
    """By how much text stands above the foot of the row."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Characters of one width up to `end`; at the end of a word, where the next one begins."""

    text: str
    foot: float
    end: float
    following: float | None = None


def _stretches(row: Sequence[_Box]) -> Iterator[_Stretch]:
    """Yield characters of one width together; no stretch goes beyond a space."""
    run: list[_Box] = []
    for box, following in zip(row, [*row[1:], None], strict=True):
        run.append(box)
        if following is None or following.spaced:
            yield from _evened(run, box.end if following is None else following.start)
            run = []


def _evened(run: Sequence[_Box], following: float) -> list[_Stretch]:
    """Join characters into as few stretches as leave every edge where it is, within tolerance."""
    text = "".join(box.text for box in run)
    edges = [
        box.start + (box.end - box.start) * at / len(box.text)
        for box in run
        for at in range(len(box.text))
    ]
    edges.append(run[-1].end)
    foot = sum(box.foot for box in run) / len(run)
    stretches, start = [], 0
    while start < len(text):
        end = _furthest(edges, start)
        stretches.append(_Stretch(text[start:end], foot, edges[end]))
        start = end
    return [*stretches[:-1], replace(stretches[-1], following=following)]


def _furthest(edges: Sequence[float], start: int) -> int:
    """The last edge to which characters from `start` on may have one width."""
    low, high = -math.inf, math.inf
    furthest = start + 1
    for at in range(start + 1, len(edges)):
        width = (edges[at] - edges[start]) / (at - start)
        if low <= width <= high:
            furthest = at
        slack = _TOLERANCE / (at - start)
        low, high = max(low, width - slack), min(high, width + slack)
        if low > high:
            break
    return furthest


def _stretch(stretch: _Stretch, pen: _Pen, codes: Codes) -> bytes:
    """Set the width of characters and show them; at the end of a word, a blank and a jump."""
    natural = len(stretch.text) * pen.size * WIDTH / EM
    wanted = 100 * max(stretch.end - pen.at, _SMALLEST) / natural
    digits = next((few for few in (0, 1) if 0.5 * natural / 10 ** (few + 2) < _ROUNDED), 2)
    percent = max(round(wanted, digits), 0.01)
    before = _risen(stretch, pen)
    if percent != pen.stretch:
        before += b"\n" + _number(percent, digits).encode() + b" Tz"
        pen.stretch = percent
    pen.at += natural * percent / 100
    if stretch.following is None:
        return before + _string(codes.encoded(stretch.text)) + b"Tj"
    em = pen.size * percent / 100
    shown = _string(codes.encoded(stretch.text + BLANK))
    if stretch.following <= stretch.end:  # the row ends
        return before + shown + b"Tj"
    jump = round((pen.at + BLANK_WIDTH / EM * em - stretch.following) / em * EM, -1)
    pen.at += (BLANK_WIDTH - jump) / EM * em
    return before + b"[" + shown + b"%d]TJ" % jump


def _risen(stretch: _Stretch, pen: _Pen) -> bytes:
    """Raise the text to its foot, if it stands elsewhere by now."""
    rise = stretch.foot - pen.foot
    if abs(rise - pen.risen) < _RISE:
        return b""
    pen.risen = rise
    return b"\n" + _number(rise / pen.size).encode() + b" Ts"


def _string(data: bytes) -> bytes:
    """A literal string (ISO 32000-1, 7.3.4.2)."""
    for raw, escaped in ((b"\\", b"\\\\"), (b"(", b"\\("), (b")", b"\\)"), (b"\r", b"\\r")):
        data = data.replace(raw, escaped)
    return b"(" + data + b")"


def _number(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _in_visual_order(boxes: Sequence[_Box]) -> list[_Box]:
    """Words from left to right, their characters as they are seen from left to right.

    Where two words that are neighbours only to the eye meet, a space divides them.
    """
    order = sorted(range(len(boxes)), key=lambda at: boxes[at].start)
    ordered = [replace(boxes[order[0]], spaced=False)]
    for left, right in pairwise(order):
        apart = abs(left - right) != 1 or boxes[max(left, right)].spaced
        ordered.append(replace(boxes[right], spaced=apart))
    return [replace(box, text=as_seen(box.text)) for box in ordered]
