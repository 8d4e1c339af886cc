"""What the maps of a detector should be: shrunken text, its border, and where labels count.

PP-OCR reference, section 2.6; "Label generation" of differentiable binarization (Liao et al. 2020,
arXiv:1911.08947). Polygons are in pixels of the map, the corner (0, 0) being the edge of the first
pixel, as `ocr_core.detection.postprocess` gives them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from ocr_core.geometry import FloatArray

MaskArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProfile:
    """How labels become maps; the defaults are PP-OCRv2's."""

    shrink_ratio: float = 0.4
    """The smaller it is, the further text is shrunk: the offset is area · (1 - r²) / perimeter."""
    second_ratio: float = 0.8
    """Used where the first one leaves nothing of a polygon or cuts it in two."""
    min_height: float = 8.0
    """Pixels; lower text is ignored: it can neither be found nor held against the network."""
    lowest: float = 0.3
    """Threshold at a distance from the border."""
    highest: float = 0.7
    """Threshold on the border."""


class TargetMaps(NamedTuple):
    """Each (H, W)."""

    text: MaskArray
    """1 in shrunken text."""
    mask: MaskArray
    """1 where `text` counts, 0 in what is ignored."""
    threshold: FloatArray
    """From `lowest` to `highest`, the closer to a border the higher."""
    border: MaskArray
    """1 where `threshold` counts: around every text that is not ignored."""


def draw_targets(
    polygons: Sequence[FloatArray],
    ignored: BoolArray,
    size: tuple[int, int],
    profile: TargetProfile | None = None,
) -> TargetMaps:
    """Maps of (height, width) for polygons (k, 2), which may reach beyond the map."""
    profile = profile or TargetProfile()
    maps = TargetMaps(
        np.zeros(size, np.uint8),
        np.ones(size, np.uint8),
        np.full(size, profile.lowest, np.float32),
        np.zeros(size, np.uint8),
    )
    shapes = [_simple(polygon) for polygon in polygons]
    for polygon, shape, ignore in zip(polygons, shapes, ignored, strict=True):
        core = None if ignore or _height(polygon) < profile.min_height else _core(shape, profile)
        if core is None:
            _fill(maps.mask, polygon, 0)
        else:
            _fill(maps.text, _points(core), 1)
            _draw_border(maps, shape, offset(shape, profile.shrink_ratio), profile)
    return maps


def offset(shape: shapely.Polygon, ratio: float) -> float:
    """How far the border of a text moves inward, in pixels."""
    return float(shape.area * (1 - ratio * ratio) / max(shape.length, 1e-6))


def shrink(polygon: FloatArray, ratio: float) -> FloatArray | None:
    """The polygon (k, 2) moved inward, or None where nothing or more than one piece is left."""
    shape = _simple(polygon)
    core = shape.buffer(-offset(shape, ratio))
    if core.geom_type != "Polygon" or core.is_empty:
        return None
    return _points(core)


def _core(shape: shapely.Polygon, profile: TargetProfile) -> shapely.Polygon | None:
    for ratio in (profile.shrink_ratio, profile.second_ratio):
        core = shape.buffer(-offset(shape, ratio))
        if core.geom_type == "Polygon" and not core.is_empty:
            return core
    return None


def _simple(polygon: FloatArray) -> shapely.Polygon:
    """As a shape; of one that crosses itself, the hull."""
    shape = shapely.Polygon(polygon)
    return shape if shape.is_valid else cast(shapely.Polygon, shapely.convex_hull(shape))


def _points(shape: shapely.Polygon) -> FloatArray:
    return np.asarray(shape.exterior.coords[:-1], np.float32)


def _height(polygon: FloatArray) -> float:
    return float(min(cv2.minAreaRect(polygon.astype(np.float32))[1]))


def _fill(canvas: MaskArray, polygon: FloatArray, value: int) -> None:
    # OpenCV paints the pixels whose centres are given, the border included.
    corners = np.rint(polygon - 0.5).astype(np.int32)
    cv2.fillPoly(canvas, [cast(Any, corners)], value)


def _draw_border(
    maps: TargetMaps, shape: shapely.Polygon, reach: float, profile: TargetProfile
) -> None:
    """Threshold and its mask within `reach` pixels of a border; where two meet, the higher."""
    padded = _points(shape.buffer(reach, quad_segs=4))
    box = _box(padded, maps.border.shape)
    if box is None:
        return
    x0, y0, x1, y1 = box
    _fill(maps.border, padded, 1)
    near = 1 - np.minimum(_distance(_points(shape), box) / max(reach, 1e-6), 1)
    part = maps.threshold[y0:y1, x0:x1]
    np.maximum(part, near * (profile.highest - profile.lowest) + profile.lowest, out=part)


def _box(polygon: FloatArray, size: tuple[int, ...]) -> Box | None:
    """The pixels around a polygon, x0, y0, x1, y1, as far as they are on the map."""
    low = np.floor(polygon.min(axis=0)).astype(int)
    high = np.ceil(polygon.max(axis=0)).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), size[1]), min(int(high[1]), size[0])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _distance(polygon: FloatArray, box: Box) -> FloatArray:
    """Of the centre of each pixel of the box (h, w) from the nearest edge of the polygon."""
    x0, y0, x1, y1 = box
    xs = np.arange(x0, x1, dtype=np.float32)[None, :] + np.float32(0.5)
    ys = np.arange(y0, y1, dtype=np.float32)[:, None] + np.float32(0.5)
    nearest = np.full((y1 - y0, x1 - x0), np.inf, np.float32)
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        np.minimum(nearest, _squared(xs, ys, start, end), out=nearest)
    return np.sqrt(nearest, out=nearest)


def _squared(xs: FloatArray, ys: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Squared distance of pixels from a straight edge."""
    dx, dy = (end - start).astype(np.float32)
    length = np.float32(max(dx * dx + dy * dy, 1e-12))
    along = ((xs - start[0]) * (dx / length)) + ((ys - start[1]) * (dy / length))
    np.clip(along, 0, 1, out=along)
    right, down = xs - start[0] - along * dx, ys - start[1] - along * dy
    return cast(FloatArray, right * right + down * down)
