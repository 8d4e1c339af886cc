"""Quads on the page: corner order, size, angle, growing, and cutting a line out of the picture.

Arrays of quads are float32 (N, 4, 2): x, y of four corners, clockwise from the top-left corner.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.page import Quad

FloatArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]

TALL = 1.5
"""Height over width from which a region is a column, or a line on its side (PP-OCR §1.6)."""


def order_corners(points: FloatArray) -> FloatArray:
    """(4, 2) corners of a rectangle in any order → clockwise from the top-left one.

    Sorted by x; of the two left points the upper one is top-left, and likewise on the right
    (PP-OCR `get_mini_boxes`).
    """
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.stack([left[0], right[0], right[1], left[1]]).astype(np.float32)


def quad_size(quads: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(N, 4, 2) → the longer of the two opposite sides: widths (N,), heights (N,), pixels."""
    sides = np.linalg.norm(np.roll(quads, -1, axis=1) - quads, axis=2)
    widths = np.maximum(sides[:, 0], sides[:, 2])
    heights = np.maximum(sides[:, 1], sides[:, 3])
    return widths.astype(np.float32), heights.astype(np.float32)


def grow_rectangle(
    center: tuple[float, float], size: tuple[float, float], angle: float, by: float
) -> FloatArray:
    """Corners (4, 2) of a rotated rectangle with every side moved outward by `by` pixels."""
    box = (center, (size[0] + 2 * by, size[1] + 2 * by), angle)
    return order_corners(cast(FloatArray, cv2.boxPoints(box)))


def unclip_distance(width: float, height: float, ratio: float) -> float:
    """Offset that undoes the shrinking of a text rectangle: area · ratio / perimeter.

    Differentiable binarization (Liao et al. 2020, arXiv:1911.08947), "Label generation".
    """
    perimeter = 2 * (width + height)
    return width * height * ratio / perimeter if perimeter else 0.0


def taller(quad: FloatArray, margin: float) -> FloatArray:
    """The quad (4, 2) with a margin above and below, in parts of its height."""
    up = (quad[:2] - quad[:1:-1]) * np.float32(margin)
    return np.concatenate([quad[:2] + up, quad[2:] - up[::-1]])


def as_quad(points: FloatArray) -> Quad:
    """(4, 2) array → plain floats, to a hundredth of a pixel."""
    return cast(Quad, tuple((round(float(x), 2), round(float(y), 2)) for x, y in points))


def rotate_points(points: FloatArray, size: tuple[int, int], rotation: int) -> FloatArray:
    """Where points (…, 2) of a (width, height) image land when it is turned clockwise.

    Pixel edges count, not pixel centres: the corner (0, 0) of the image stays a corner.
    `rotation` is 0, 90, 180 or 270 degrees.
    """
    width, height = size
    x, y = points[..., 0], points[..., 1]
    turned = {
        0: (x, y),
        90: (height - y, x),
        180: (width - x, height - y),
        270: (y, width - x),
    }
    if rotation not in turned:
        raise ValueError(f"rotation must be 0, 90, 180 or 270, got {rotation}")
    return np.stack(turned[rotation], axis=-1).astype(np.float32)


def rotate_image(image: ImageArray, rotation: int) -> ImageArray:
    """Turn an (H, W, 3) image clockwise by 0, 90, 180 or 270 degrees; no copy for 0."""
    return np.rot90(image, k=-(rotation // 90) % 4) if rotation else image


def crop(image: ImageArray, quad: FloatArray, size: tuple[int, int]) -> ImageArray:
    """Cut the quad (4, 2) out of the image, straightened to (width, height) pixels.

    Cutting and scaling are one pass. Lines much taller than the crop are halved first, so that
    thin strokes are averaged and not jumped over.
    """
    image, quad = _window(image, quad)
    width, height = size
    shrink = int(quad_size(quad[None])[1][0] // (height * 1.5))
    if shrink >= 2:
        small = (max(1, image.shape[1] // shrink), max(1, image.shape[0] // shrink))
        ratio = (small[0] / image.shape[1], small[1] / image.shape[0])
        quad = quad * np.array(ratio, np.float32)
        image = cast(ImageArray, cv2.resize(image, small, interpolation=cv2.INTER_AREA))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    # The corner (0, 0) is the edge of the first pixel, whose centre lies at (0.5, 0.5).
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32) - 0.5, target - 0.5)
    line = cv2.warpPerspective(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cast(ImageArray, line)


def _window(image: ImageArray, quad: FloatArray) -> tuple[ImageArray, FloatArray]:
    """The part of the image around a quad, and the quad on it: warping a whole page is slow."""
    x0, y0 = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.ceil(quad.max(axis=0)).astype(int) + 3
    part = image[y0:y1, x0:x1]
    if part.size == 0:  # a quad wholly outside: the nearest pixel stands for it
        x0, y0 = min(x0, image.shape[1] - 1), min(y0, image.shape[0] - 1)
        part = image[y0 : y0 + 1, x0 : x0 + 1]
    return part, quad - np.array([x0, y0], np.float32)
