"""Warping a picture by a few points that are moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocr_core.geometry import FloatArray

_SPACING = 8
"""Pixels between the places at which the warp is computed; between them it is interpolated."""


def warp_map(moved: FloatArray, origin: FloatArray, size: tuple[int, int]) -> FloatArray:
    """For each pixel of a (width, height) picture, where in the source its colour comes from.

    `moved` (K, 2) are places in the result, `origin` (K, 2) where they were in the source: at
    least two, at different places. Similarity deformation by moving least squares (Schaefer et
    al. 2006, "Image deformation using moving least squares", section 2.2), written with complex
    numbers. Returns (H, W, 2) x, y.
    """
    width, height = size
    columns = max(2, -(-width // _SPACING) + 1)
    rows = max(2, -(-height // _SPACING) + 1)
    xs, ys = np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows)
    places = (xs[None, :] + 1j * ys[:, None]).ravel()  # (G,)
    found = _deformed(places, _complex(moved), _complex(origin)).reshape(rows, columns)
    across, down = _between(columns, width), _between(rows, height)
    parts = [down @ part.astype(np.float32) @ across.T for part in (found.real, found.imag)]
    fine: FloatArray = np.stack(parts, axis=-1)
    return fine


def _between(count: int, pixels: int) -> FloatArray:
    """(pixels, count) weights of linear interpolation; the first and last place are pixels."""
    at = np.linspace(0, count - 1, pixels, dtype=np.float32)
    weights: FloatArray = np.maximum(
        0, 1 - np.abs(at[:, None] - np.arange(count, dtype=np.float32))
    )
    return weights


def _deformed(
    places: NDArray[np.complex128], moved: NDArray[np.complex128], origin: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """(G,) places → where each comes from: its own best rotation and scale of the (K,) points."""
    away = places[:, None] - moved[None, :]
    weights = 1 / (away.real**2 + away.imag**2 + 1e-6)
    weights /= weights.sum(axis=1, keepdims=True)
    middle, source = weights @ moved, weights @ origin
    around, there = moved[None, :] - middle[:, None], origin[None, :] - source[:, None]
    turned = (weights * around.conj() * there).sum(axis=1)
    spread = (weights * np.abs(around) ** 2).sum(axis=1)
    found: NDArray[np.complex128] = source + (places - middle) * turned / np.maximum(spread, 1e-9)
    return found


def _complex(points: FloatArray) -> NDArray[np.complex128]:
    return points[:, 0].astype(np.float64) + 1j * points[:, 1].astype(np.float64)
