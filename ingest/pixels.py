"""Decoded pictures of any mode to grey or sRGB uint8. Runs inside the sandbox child only."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pil
from PIL import ImageCms

from ingest.content import Image, Pixels
from ocr_core.page import Rotation

_DEEP = ("I", "F")
_GREY = ("1", "L")
_WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262
_SURE_DPI = (50.0, 2400.0)
_LETTER_INCHES = 11.0


def rgb_of(picture: Pil.Image) -> Image:
    """The colours a person sees, (H, W, 3)."""
    seen = pixels_of(picture)
    return cv2.cvtColor(seen, cv2.COLOR_GRAY2RGB).astype(np.uint8) if seen.ndim == 2 else seen


def pixels_of(picture: Pil.Image) -> Pixels:
    """What a person sees: alpha over white, CMYK through its profile, deep grey scaled.

    Grey where the mode has no colours: a third of the bytes to pass on.
    """
    if picture.mode.startswith(_DEEP):
        return _eight_bits(np.asarray(picture), white_is_zero=_white_is_zero(picture))
    if picture.has_transparency_data:
        picture = _over_white(picture)
    if picture.mode == "CMYK":
        picture = _through_profile(picture)
    return np.asarray(picture.convert("L" if picture.mode in _GREY else "RGB"))


def decoded_jpeg(data: bytes, orientation: int = 1, *, grey: bool = False) -> Pixels | None:
    """The pixels of a JPEG file, turned as the EXIF orientation says; None if it is broken.

    `grey`: it has one channel. An orientation inside the file is not looked at: in a PDF it means
    nothing.
    """
    how = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), how | cv2.IMREAD_IGNORE_ORIENTATION)
    if stored is None:
        return None
    upright = _TURNS.get(orientation, _as_it_is)(stored.astype(np.uint8, copy=False))
    return np.ascontiguousarray(upright)


def _as_it_is(image: Pixels) -> Pixels:
    return image


# EXIF 2.3, orientation: what has to be done to the stored rows to see them upright.
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}
ORIENTATION_OF_TURN: dict[Rotation, int] = {0: 1, 90: 6, 180: 3, 270: 8}


def reduced(picture: Pil.Image, max_pixels: int) -> Pil.Image:
    """A picture beyond the limit at a half, a third ... of its size; deep grey as it is."""
    width, height = picture.size
    factor = math.ceil(math.sqrt(width * height / max_pixels))
    if factor < 2 or picture.mode.startswith(_DEEP):
        return picture
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture.reduce(factor)


def dpi_of(picture: Pil.Image) -> tuple[float, float]:
    """Declared resolution of the axes, if it is plausible; else a guess from the size.

    The guess takes the longer side for that of a letter page. An orientation that lays the
    picture on its side has exchanged the axes already, which only matters for fax pages.
    """
    declared = picture.info.get("dpi", ())
    lowest, highest = _SURE_DPI
    try:
        x, y = (float(value) for value in declared)
    except (TypeError, ValueError, ZeroDivisionError):
        x = y = 0.0
    if lowest <= x <= highest and lowest <= y <= highest:
        return x, y
    guess = max(lowest, max(picture.size) / _LETTER_INCHES)
    return guess, guess


def _white_is_zero(picture: Pil.Image) -> bool:
    return getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _eight_bits(samples: npt.NDArray[np.generic], *, white_is_zero: bool) -> npt.NDArray[np.uint8]:
    """Grey samples of any depth to (H, W) uint8: by the full range of the depth they seem to have.

    Whole numbers are taken for 8, 12 or 16 bits by their largest value; anything else, such as
    heights or temperatures, is stretched from its smallest to its largest value.
    """
    values = np.nan_to_num(samples.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    whole = not np.issubdtype(samples.dtype, np.floating)
    full = next((full for full in (255, 4095, 65535) if high <= full), None)
    if low >= 0 and full and (whole or high > 1):
        low, high = 0.0, float(full)
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    grey = (values - low) * (255.0 / max(high - low, 1e-12))
    levels: npt.NDArray[np.uint8] = np.rint(255 - grey if white_is_zero else grey).astype(np.uint8)
    return levels


def _over_white(picture: Pil.Image) -> Pil.Image:
    see_through = picture.convert("RGBA")
    if see_through.getchannel("A").getextrema() == (255, 255):  # all of it is opaque
        return see_through.convert("RGB")
    paper = Pil.new("RGBA", picture.size, "white")
    return Pil.alpha_composite(paper, see_through)


def _through_profile(picture: Pil.Image) -> Pil.Image:
    """CMYK to sRGB by the embedded ICC profile; without a usable one, by plain subtraction."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture.convert("RGB")
    try:
        inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        screen = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, inks, screen, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture.convert("RGB")
    return converted or picture.convert("RGB")
