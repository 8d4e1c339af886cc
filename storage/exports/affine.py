"""Maps of the plane as PDF writes them: from pixels of a read page to where they are in a file."""

from __future__ import annotations

from ocr_core.page import Point, Quad, Rotation

Affine = tuple[float, float, float, float, float, float]
"""a b c d e f: x' = a x + c y + e, y' = b x + d y + f (ISO 32000-1, 8.3.3)."""


def scaling(x: float, y: float) -> Affine:
    """Stretch both axes."""
    return x, 0.0, 0.0, y, 0.0, 0.0


def then(first: Affine, second: Affine) -> Affine:
    """Do one after the other."""
    a, b, c, d, e, f = first
    A, B, C, D, E, F = second
    return (
        a * A + b * C,
        a * B + b * D,
        c * A + d * C,
        c * B + d * D,
        e * A + f * C + E,
        e * B + f * D + F,
    )


def inverse(map_: Affine) -> Affine:
    """The way back; raises ZeroDivisionError if there is none."""
    a, b, c, d, e, f = map_
    area = a * d - b * c
    return (
        d / area,
        -b / area,
        -c / area,
        a / area,
        (c * f - d * e) / area,
        (b * e - a * f) / area,
    )


def moved(map_: Affine, point: Point) -> Point:
    """Where a point goes."""
    a, b, c, d, e, f = map_
    x, y = point
    return a * x + c * y + e, b * x + d * y + f


def moved_quad(map_: Affine, quad: Quad) -> Quad:
    """Where four corners go."""
    p, q, r, s = (moved(map_, point) for point in quad)
    return p, q, r, s


def turned_back(rotation: Rotation, width: float, height: float) -> Affine:
    """From an image of this size, to what it was before it was turned clockwise by `rotation`."""
    match rotation:
        case 90:  # the left edge of the turned image was the bottom
            return 0.0, -1.0, 1.0, 0.0, 0.0, width
        case 180:
            return -1.0, 0.0, 0.0, -1.0, width, height
        case 270:
            return 0.0, 1.0, -1.0, 0.0, height, 0.0
        case _:
            return 1.0, 0.0, 0.0, 1.0, 0.0, 0.0


def size_before(rotation: Rotation, width: float, height: float) -> tuple[float, float]:
    """Width and height of an image before it was turned."""
    return (height, width) if rotation in (90, 270) else (width, height)
