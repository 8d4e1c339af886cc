"""Labels: what is written where on which image, read from files and checked.

Nothing here needs torch. Coordinates are pixels of the upright image, origin top-left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar, get_args

import cv2
import numpy as np
import shapely
from PIL import Image

from ocr_core.geometry import TALL, FloatArray, as_quad, order_corners, quad_size
from ocr_core.image import read_image
from ocr_core.page import Quad
from ocr_core.training.errors import EmptyTrainingSet, LabelFormUnknown
from ocr_core.training.skips import Skips

Form = Literal["auto", "jsonl", "icdar", "paddle", "page-xml"]
FORMS: tuple[Form, ...] = get_args(Form)

_INSIDE = 0.5
"""Share of a region that must lie on the image."""
_NARROW = 1e-3
"""Area in square pixels below which a polygon is a line or a point."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A labelled piece of text on a page."""

    polygon: FloatArray
    """(k, 2), k ≥ 3; clockwise from the top-left corner of the text where it has four points."""
    text: str
    ignore: bool = False
    """Illegible, or no text at all: neither right nor wrong to find."""


@dataclass(frozen=True, slots=True, eq=False)
class PageLabel:
    """An image with everything that is written on it."""

    image: Path
    regions: tuple[Region, ...]
    language: str | None = None


@dataclass(frozen=True, slots=True)
class LineLabel:
    """One line of text."""

    image: Path
    text: str
    quad: Quad | None = None
    """Where the line lies on the image, clockwise from the top-left corner of the text; None: the
    whole image is the line."""


def read_pages(path: Path, *, form: Form = "auto") -> tuple[list[PageLabel], Skips]:
    """Pages with their regions, from a label file or a folder that holds one.

    Every image is decoded once, so that none can fail later. Left out and counted: images that are
    missing or cannot be decoded, regions that are no polygons or lie outside. Raises
    EmptyTrainingSet if no page is left, LabelsUnreadable, LabelFormUnknown.
    """
    skips = Skips()
    pages = _checked(_page_reader(path, form)(path, skips), _check_page, skips)
    if not pages:
        raise _empty(path, skips)
    return pages, skips


def read_lines(path: Path, *, form: Form = "auto") -> tuple[list[LineLabel], Skips]:
    """Lines, from labels of lines or from the regions of labelled pages.

    Checked as by `read_pages`; lines without text and ignored regions are left out and counted.
    """
    skips = Skips()
    reader = _line_reader(path, form)
    if reader is None:
        pages = _checked(_page_reader(path, form)(path, skips), _check_page, skips)
        lines = [line for page in pages for line in lines_of(page, skips)]
    else:
        lines = _checked(reader(path, skips), _check_line, skips)
    if not lines:
        raise _empty(path, skips)
    return lines, skips


def lines_of(page: PageLabel, skips: Skips) -> Iterator[LineLabel]:
    """One line a region; a tall region with several characters is a line on its side."""
    for number, region in enumerate(page.regions):
        text = region.text.strip()
        if region.ignore or not text:
            reason = "ignored" if region.ignore else "empty_text"
            skips.add(reason, f"{page.image} region {number}")
        else:
            yield LineLabel(page.image, text, as_quad(reading_quad(region.polygon, text)))


def reading_quad(polygon: FloatArray, text: str) -> FloatArray:
    """(k, 2) polygon → (4, 2) corners in the direction of reading.

    Four points are kept in the order given; others become their smallest rectangle. Upright
    rectangles much taller than wide are read from the top down, as the recogniser takes them.
    """
    quad = polygon if len(polygon) == 4 else _rectangle(polygon)
    widths, heights = quad_size(quad[None])
    tall = heights[0] >= TALL * max(float(widths[0]), 1.0)
    return np.roll(quad, -1, axis=0) if tall and len(text) > 1 else quad


def _rectangle(polygon: FloatArray) -> FloatArray:
    return order_corners(cv2.boxPoints(cv2.minAreaRect(polygon)).astype(np.float32))


PageReader = Callable[[Path, Skips], Iterable[PageLabel]]
LineReader = Callable[[Path, Skips], Iterable[LineLabel]]


def _page_reader(path: Path, form: Form) -> PageReader:
    from ocr_core.training.readers import jsonl

    match form if form != "auto" else guess_form(path):
        case "jsonl":
            return jsonl.pages
    raise LabelFormUnknown(f"{path}")


def _line_reader(path: Path, form: Form) -> LineReader | None:
    """None: the labels are those of pages."""
    from ocr_core.training.readers import jsonl

    match form if form != "auto" else guess_form(path):
        case "jsonl":
            return None if jsonl.holds_pages(path) else jsonl.lines
    raise LabelFormUnknown(f"{path}")


def guess_form(path: Path) -> Form:
    """The form of a label file or of the labels in a folder; raises LabelFormUnknown."""
    if path.suffix == ".jsonl" or (path / "labels.jsonl").is_file():
        return "jsonl"
    raise LabelFormUnknown(str(path))


Label = TypeVar("Label", PageLabel, LineLabel)
Size = tuple[int, int]


def _checked(
    labels: Iterable[Label], check: Callable[[Label, Size, Skips], Label | None], skips: Skips
) -> list[Label]:
    """The labels whose images can be decoded and that pass the check, in the order given."""
    given = list(labels)
    images = list(dict.fromkeys(label.image for label in given))
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        sizes = dict(zip(images, pool.map(_size_of, images), strict=True))
    kept = []
    for label in given:
        size = sizes[label.image]
        if isinstance(size, str):
            skips.add(size, str(label.image))
        elif (good := check(label, size, skips)) is not None:
            kept.append(good)
    return kept


def _size_of(image: Path) -> Size | str:
    """Width and height of an image that can be decoded to its end, or why it cannot be used."""
    if not image.is_file():
        return "missing_image"
    try:
        pixels = read_image(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return "unreadable_image"
    return pixels.shape[1], pixels.shape[0]


def _check_page(page: PageLabel, size: Size, skips: Skips) -> PageLabel:
    kept = []
    for number, region in enumerate(page.regions):
        reason = _fault(region.polygon, size)
        if reason is None:
            kept.append(region)
        else:
            skips.add(reason, f"{page.image} region {number} {region.text[:40]!r}")
    return replace(page, regions=tuple(kept))


def _check_line(line: LineLabel, size: Size, skips: Skips) -> LineLabel | None:
    text = line.text.strip()
    reason = None if text else "empty_text"
    if line.quad is not None:
        reason = reason or _fault(np.asarray(line.quad, np.float32), size)
    if reason is not None:
        skips.add(reason, f"{line.image} {text[:40]!r}")
        return None
    return replace(line, text=text)


def _fault(polygon: FloatArray, size: Size) -> str | None:
    """Why a polygon cannot be used on an image of this width and height."""
    if polygon.ndim != 2 or polygon.shape[0] < 3 or polygon.shape[1] != 2:
        return "bad_polygon"
    if not np.isfinite(polygon).all():
        return "bad_polygon"
    hull = shapely.MultiPoint(polygon).convex_hull
    if hull.area < _NARROW:
        return "bad_polygon"
    inside = hull.intersection(shapely.box(0, 0, *size)).area
    return None if inside >= _INSIDE * hull.area else "region_outside"


def _empty(path: Path, skips: Skips) -> EmptyTrainingSet:
    return EmptyTrainingSet("; ".join((str(path), *skips.lines())))
