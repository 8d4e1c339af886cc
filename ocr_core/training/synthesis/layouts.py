"""Layouts: how text stands on a page. Each fills a canvas; pixels from the page's top-left."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ocr_core.training.synthesis.canvas import Canvas
from ocr_core.training.synthesis.faces import shaping
from ocr_core.training.synthesis.galley import Galley
from ocr_core.training.synthesis.scatter import scattered

Layout = Callable[[Canvas], None]


def paragraphs(canvas: Canvas) -> None:
    """A heading, and running text in one column."""
    _columns(canvas, 1)


def columns(canvas: Canvas) -> None:
    """A heading, and running text in two or three columns."""
    narrow = canvas.size[0] < 26 * canvas.body
    _columns(canvas, 2 if narrow else int(canvas.rng.integers(2, 4)))


def _columns(canvas: Canvas, count: int) -> None:
    left, top, right, bottom = canvas.margins()
    rng, size, galley = canvas.rng, canvas.body, Galley()
    if rng.random() < 0.7:
        top = _heading(canvas, galley, (left, top), right - left)
    gap = rng.uniform(1.2, 2.5) * size
    width = (right - left - gap * (count - 1)) / count
    for i in range(count):
        x = left + i * (width + gap)
        canvas.setter.column(galley, (x, top), width, bottom - top, size)
        if i and rng.random() < 0.3:
            galley.rule((x - gap / 2, top, x - gap / 2 + 1, bottom))
    canvas.place(galley.block(), 0, 0)


def _heading(canvas: Canvas, galley: Galley, place: tuple[float, float], width: float) -> float:
    """A larger line, on the left or centred; returns where it ends."""
    size = round(canvas.body * canvas.rng.uniform(1.2, 2.0))
    canvas.setter.new_face()
    ink = canvas.setter.set(width, size)
    canvas.setter.new_face()
    if ink is None:
        return place[1]
    centred = canvas.rng.random() < 0.5
    galley.put(ink, place[0] + (width - ink.size[0]) / 2 * centred, place[1] + ink.top)
    return place[1] + 1.8 * size


def form(canvas: Canvas) -> None:
    """Names of fields with values beside or below them, on rules or in boxes."""
    left, top, right, bottom = canvas.margins()
    rng, size, galley = canvas.rng, canvas.body, Galley()
    y = _heading(canvas, galley, (left, top), right - left)
    count = int(rng.integers(1, 4))
    width = (right - left) / count
    boxed, row = rng.random() < 0.4, rng.uniform(2.0, 3.4) * size
    while y + row < bottom:
        for i in range(count):
            x = left + i * width
            if boxed:
                _frame(galley, (x, y, x + width, y + row))
            if rng.random() < 0.9:
                _field(canvas, galley, (x + 0.4 * size, y + 0.3 * size), width - size, row)
        y += row
    canvas.place(galley.block(), 0, 0)


def _field(
    canvas: Canvas, galley: Galley, place: tuple[float, float], width: float, row: float
) -> None:
    """One name and its value."""
    (x, y), rng, setter = place, canvas.rng, canvas.setter
    small = max(9, round(canvas.body * rng.uniform(0.65, 1.0)))
    name = setter.set(0.55 * width, small, longest=int(rng.integers(4, 19)))
    value = setter.set(0.4 * width, canvas.body, texts=setter.values, longest=16)
    if name is not None:
        galley.put(name, x, y + name.top)
    if value is None or rng.random() < 0.12:
        return
    below = row > 2.6 * canvas.body and rng.random() < 0.5
    across = 0.0 if below else (0.58 * width if name is not None else 0.0)
    down = 1.3 * small if below else 0.0
    galley.put(value, x + across, y + down + value.top)
    if rng.random() < 0.3:
        floor = y + down + 1.3 * canvas.body
        galley.rule((x + across, floor, x + width, floor + 1))


def _frame(galley: Galley, box: tuple[float, float, float, float], thick: int = 1) -> None:
    left, top, right, bottom = box
    galley.rule((left, top, right, top + thick))
    galley.rule((left, bottom, right, bottom + thick))
    galley.rule((left, top, left + thick, bottom))
    galley.rule((right, top, right + thick, bottom + thick))


def table(canvas: Canvas) -> None:
    """Rows of short cells, the first column words, the others values; with or without rules."""
    left, top, right, bottom = canvas.margins()
    rng, size, galley = canvas.rng, canvas.body, Galley()
    y = _heading(canvas, galley, (left, top), right - left)
    shares = rng.dirichlet(np.full(int(rng.integers(3, 7)), 9.0))
    stops = left + np.concatenate([[0.0], np.cumsum(shares)]) * (right - left)
    row, rules = rng.uniform(1.5, 2.3) * size, int(rng.integers(4))
    first = y
    while y + row < bottom:
        _cells(canvas, galley, stops, y + 0.25 * size)
        if rules & 1:
            galley.rule((left, y, right, y + 1))
        y += row
    if rules & 2:
        for stop in stops:
            galley.rule((stop, first, stop + 1, y))
    canvas.place(galley.block(), 0, 0)


def _cells(canvas: Canvas, galley: Galley, stops: NDArray[np.float64], y: float) -> None:
    """One row; values end at the right of their column."""
    setter, size = canvas.setter, canvas.body
    for i, (start, end) in enumerate(itertools.pairwise(stops.tolist())):
        if canvas.rng.random() < 0.08:
            continue
        texts = setter.values if i else None
        ink = setter.set(end - start - 0.9 * size, size, texts=texts, longest=14)
        if ink is not None:
            x = end - 0.45 * size - ink.size[0] if i else start + 0.45 * size
            galley.put(ink, x, y + ink.top)


def receipt(canvas: Canvas) -> None:
    """A narrow strip: a centred head, items with their prices, a larger total."""
    rng, size, setter = canvas.rng, canvas.body, canvas.setter
    width = min(0.92 * canvas.size[0], rng.uniform(18, 26) * size)
    left, y = (canvas.size[0] - width) / 2, 0.04 * canvas.size[1]
    galley, spacing = Galley(), rng.uniform(1.2, 1.6) * size
    for _ in range(int(rng.integers(2, 6))):
        ink = setter.set(width, size, longest=int(rng.integers(6, 30)))
        if ink is not None:
            galley.put(ink, left + (width - ink.size[0]) / 2, y + ink.top)
        y += spacing
    while y + 3 * spacing < 0.95 * canvas.size[1]:
        large = round(size * 1.5) if rng.random() < 0.07 else size
        _item(canvas, galley, (left, y), width, large)
        y += spacing * large / size
        if rng.random() < 0.1:
            galley.rule((left, y, left + width, y + 1))
            y += 0.5 * spacing
    canvas.place(galley.block(), 0, 0)


def _item(
    canvas: Canvas, galley: Galley, place: tuple[float, float], width: float, size: int
) -> None:
    setter, (x, y) = canvas.setter, place
    name = setter.set(0.62 * width, size, longest=int(canvas.rng.integers(4, 24)))
    price = setter.set(0.3 * width, size, texts=setter.values, longest=9)
    if name is not None:
        galley.put(name, x, y + name.top)
    if price is not None and canvas.rng.random() < 0.8:
        galley.put(price, x + width - price.size[0], y + price.top)


def vertical(canvas: Canvas) -> None:
    """Columns of Chinese or Japanese from right to left, each read from the top down."""
    left, top, right, bottom = canvas.margins()
    rng, size, galley = canvas.rng, canvas.body, Galley()
    spacing, x = rng.uniform(1.4, 2.0) * size, right
    while x - 1.1 * size > left:
        x -= spacing
        ink = canvas.setter.set(bottom - top, size, upright=True)
        if ink is not None and x > 0:
            start = top + (1.0 * size if rng.random() < 0.2 else 0.0)
            if start + ink.size[1] < canvas.size[1] - 2:
                galley.put(ink, x + (size - ink.size[0]) / 2, start)
    canvas.place(galley.block(), 0, 0)


LAYOUTS: dict[str, Layout] = {
    "paragraphs": paragraphs,
    "columns": columns,
    "form": form,
    "table": table,
    "receipt": receipt,
    "scattered": scattered,
    "vertical": vertical,
}
"""Layouts by name."""
HORIZONTAL = tuple(name for name in LAYOUTS if name != "vertical")


def can_set(name: str, pen: str) -> bool:
    """Whether this machine can set a layout with a pen: vertical text is type set by raqm."""
    return name != "vertical" or (shaping() and pen == "type")
