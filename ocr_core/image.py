"""Page images as arrays: (H, W, 3) uint8, red, green, blue."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
from PIL import Image, ImageOps

from ocr_core.geometry import ImageArray

MAX_SIDE = 32_000
"""Pixels; OpenCV's warps address pixels by 16-bit numbers."""


def read_image(path: Path) -> ImageArray:
    """The first image of a trusted file, upright by its EXIF orientation.

    For library use, training and benchmarks. Foreign files go through `ingest.sandbox`.
    """
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file)
        if upright.mode.startswith("I") or upright.mode == "F":
            return _stretched(np.asarray(upright, np.float32))
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            paper = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(paper, upright.convert("RGBA"))
        return np.asarray(upright.convert("RGB"))


def _stretched(grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> ImageArray:
    """Deep grey values (H, W) → 8 bits, the darkest 0 and the lightest 255."""
    low, high = float(grey.min()), float(grey.max())
    levels = (grey - low) * (255 / (high - low)) if high > low else np.full_like(grey, 255)
    return np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)


def shrink_to_side(image: ImageArray, side: int) -> tuple[ImageArray, float]:
    """The image with neither side longer than `side`, and by what it was scaled (1.0: not)."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image, 1.0
    size = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
    return cast(ImageArray, cv2.resize(image, size, interpolation=cv2.INTER_AREA)), scale
