"""Labels read from files of several forms, and checked against their images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import shapely
from PIL import Image

from ocr_core.geometry import FloatArray
from ocr_core.image import read_image
from ocr_core.training.errors import EmptyTrainingSet
from ocr_core.training.labelled import LineLabel, PageLabel, Region, lines_of, places_of
from ocr_core.training.readers import Form, line_reader, page_reader
from ocr_core.training.skips import Skips

__all__ = [
    "Form",
    "LineLabel",
    "PageLabel",
    "Region",
    "Skips",
    "read_lines",
    "read_pages",
    "unlabelled_lines",
    "whole_images",
]

_INSIDE = 0.5
"""Share of a region that must lie on the image."""
_NARROW = 1e-3
"""Area in square pixels below which a polygon is a line or a point."""


def read_pages(path: Path, *, form: Form = "auto") -> tuple[list[PageLabel], Skips]:
    """Pages with their regions, from a label file or a folder that holds one.

    Every image is decoded once, so that none can fail later. Left out and counted: images that are
    missing or cannot be decoded, regions that are no polygons or lie outside. Raises
    EmptyTrainingSet if no page is left, LabelsUnreadable, LabelFormUnknown.
    """
    skips = Skips()
    return _some(_pages(path, form, skips), path, skips), skips


def read_lines(path: Path, *, form: Form = "auto") -> tuple[list[LineLabel], Skips]:
    """Lines, from labels of lines or from the regions of labelled pages.

    Checked as by `read_pages`; lines without text and ignored regions are left out and counted.
    """
    skips = Skips()
    reader = line_reader(path, form)
    if reader is None:
        lines = [line for page in _pages(path, form, skips) for line in lines_of(page, skips)]
    else:
        lines = _checked(reader(path, skips), _check_line, skips)
    return _some(lines, path, skips), skips


def unlabelled_lines(path: Path, *, form: Form = "auto") -> tuple[list[LineLabel], Skips]:
    """Lines to learn from without their texts: those with no text are among them, too."""
    skips = Skips()
    reader = line_reader(path, form)
    if reader is None:
        lines = [line for page in _pages(path, form, skips) for line in places_of(page)]
    else:
        lines = _checked(reader(path, skips), _check_place, skips)
    return _some(lines, path, skips), skips


def whole_images(images: Iterable[Path], skips: Skips) -> list[LineLabel]:
    """Images that are a line each, without texts; those that cannot be decoded are counted."""
    return _checked([LineLabel(image, "") for image in images], _check_place, skips)


def _pages(path: Path, form: Form, skips: Skips) -> list[PageLabel]:
    return _checked(page_reader(path, form)(path, skips), _check_page, skips)


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
    placed = _check_place(line, size, skips)
    if placed is None or placed.text:
        return placed
    skips.add("empty_text", str(line.image))
    return None


def _check_place(line: LineLabel, size: Size, skips: Skips) -> LineLabel | None:
    text = line.text.strip()
    reason = None if line.quad is None else _fault(np.asarray(line.quad, np.float32), size)
    if reason is None:
        return replace(line, text=text)
    skips.add(reason, f"{line.image} {text[:40]!r}")
    return None


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


def _some(labels: list[Label], path: Path, skips: Skips) -> list[Label]:
    if not labels:
        raise EmptyTrainingSet("; ".join((str(path), *skips.lines())))
    return labels
