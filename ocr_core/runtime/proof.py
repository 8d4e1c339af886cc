"""The proof that a static graph computes what its torch module computes, on real crops.

prove_equal     a module against a bundle's graph, on every static engine
sample_batches  pictures as the bundle's network takes them, in two sizes and two batch sizes
drawn_images    pictures for want of real ones
cut_lines       the lines of real pages, for networks that take lines
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from ocr_core.bundle import Bundle, load_bundle
from ocr_core.detection.detector import Detector, DetectorProfile
from ocr_core.errors import EngineFailed, ExportMismatch
from ocr_core.geometry import ImageArray, crop, quad_size
from ocr_core.runtime import FloatArray, RuntimeOptions, Session, installed_engines, open_session

TOLERANCE = 1e-4
"""Difference of a probability between network and graph that is rounding.

Measured with PP-OCRv6 in fp32 on 164 real lines: 99.9 % of the steps are within 2e-5.
"""
STEEP = 20.0
"""How many times that a single step may differ: where two classes are nearly as good as each other,
the soft-max enlarges the rounding. Two steps in 10,000 were above 1e-4, none above 4e-4."""
STEEP_SHARE = 100
"""One step or pixel in so many may be such a one."""

_MOST_PIXELS = 960 * 736
"""Pixels of a page it is proved on: the reader's first look at a page."""
_LONGEST = 3200
"""Pixels of a line."""
_LINES_A_PAGE = 8


def prove_equal(
    module: nn.Module,
    bundle: Bundle,
    batches: Sequence[FloatArray],
    tolerance: float = TOLERANCE,
) -> float:
    """The largest difference between a module and a bundle's graph, on every static engine, fp32.

    Raises ExportMismatch if one step or pixel in a hundred is further off than the tolerance, or
    any by 20 times as much; a best class that is another one was then nearly as good. Raises
    ValueError if there is nothing to compare.
    """
    if not batches:
        raise ValueError("equality cannot be proved without images")
    options = [RuntimeOptions(engine=e, precision="fp32") for e in installed_engines()]
    sessions = [open_session(bundle, each) for each in options if each.engine != "torch"]
    found: list[list[FloatArray]] = [[] for _ in sessions]
    for batch in batches:
        with torch.inference_mode():
            expected = module(torch.from_numpy(batch)).numpy()
        for session, differences in zip(sessions, found, strict=True):
            differences.append(_differences(session, batch, expected))
    return max(
        _largest(np.concatenate(differences), tolerance, session.engine)
        for session, differences in zip(sessions, found, strict=True)
    )


def _differences(session: Session, batch: FloatArray, expected: FloatArray) -> FloatArray:
    """Of each step its largest one, or of each pixel: (count,)."""
    try:
        actual = session.run(batch)
    except EngineFailed as error:
        raise ExportMismatch(error.detail) from error
    if actual.shape != expected.shape:
        raise ExportMismatch(f"shape {actual.shape}, not {expected.shape}, for {batch.shape}")
    difference = np.abs(actual - expected)
    is_map = difference.ndim == 4
    return cast(FloatArray, (difference if is_map else difference.max(axis=-1)).ravel())


def _largest(differences: FloatArray, tolerance: float, engine: str) -> float:
    largest, further = float(differences.max()), int((differences > tolerance).sum())
    # written so that NaN is refused too
    if largest <= STEEP * tolerance and further <= max(1, len(differences) // STEEP_SHARE):
        return largest
    told = f"up to {largest:.2g} on {engine}, in {further} of {len(differences)} places more than"
    raise ExportMismatch(f"{told} the allowed {tolerance:.2g}")


def sample_batches(bundle: Bundle, images: Sequence[ImageArray] = ()) -> list[FloatArray]:
    """Images as this network takes them, alone, and by twos in another size.

    Two sizes and two batches of each, for an exporter may freeze either without a word.
    """
    given = images or list(drawn_images())
    alone = [_network_input(bundle, image) for image in given]
    cut = [_network_input(bundle, image[:, : max(1, image.shape[1] * 2 // 3)]) for image in given]
    return [*alone, *(np.concatenate((batch, batch[..., ::-1])) for batch in cut)]


def drawn_images() -> Iterator[ImageArray]:
    """Lines and a page of text, drawn; odd widths among them."""
    text = "Invoice no. 20-417, due 31 May: total 1,284.50 EUR; thank you! Grüße, Pagemill & Co."
    for width, size in ((320, 28), (321, 30), (1001, 32), (37, 24)):
        yield _drawn((width, 48), [text], size)
    yield _drawn((496, 352), [text[i:] for i in range(0, 40, 3)], 20)


def cut_lines(pages: Sequence[ImageArray]) -> list[ImageArray]:
    """The longest lines of pages (H, W, 3), found by the built-in detector and cut out."""
    bundle = load_bundle("ppocrv6-small-det")
    session = open_session(bundle, RuntimeOptions(precision="fp32"))
    detector = Detector(session, DetectorProfile.of_bundle(bundle.profile))
    return [line for page in pages for line in _lines(page, detector)]


def _lines(page: ImageArray, detector: Detector) -> Iterator[ImageArray]:
    quads = detector.find(page).quads
    widths, heights = quad_size(quads)
    for number in np.argsort(-widths / np.maximum(heights, 1), kind="stable")[:_LINES_A_PAGE]:
        size = (max(1, round(float(widths[number]))), max(1, round(float(heights[number]))))
        yield crop(page, quads[number], size)


def _network_input(bundle: Bundle, image: ImageArray) -> FloatArray:
    """(H, W, 3) uint8 RGB to (1, 3, h, w), sized and normalised by the bundle's profile."""
    profile = bundle.profile
    picture = Image.fromarray(image).convert("RGB")
    pixels = np.asarray(picture.resize(_size(bundle, picture.size)), dtype=np.float32) / 255
    ordered = pixels[..., ::-1] if profile["order"] == "bgr" else pixels
    normal = (ordered - np.float32(profile["mean"])) / np.float32(profile["std"])
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)


def _size(bundle: Bundle, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which the network takes an image of this size."""
    width, height = size
    profile = bundle.profile
    if bundle.kind == "detector":
        multiple = int(profile["multiple"])
        scale = min(1.0, math.sqrt(_MOST_PIXELS / (width * height)))
        return _whole(width * scale, multiple), _whole(height * scale, multiple)
    if bundle.kind == "line_orientation":
        return int(profile["width"]), int(profile["height"])
    wide = round(width * profile["height"] / height)
    return min(max(wide, 16), _LONGEST), int(profile["height"])


def _whole(length: float, multiple: int) -> int:
    return math.ceil(length / multiple) * multiple


def _drawn(size: tuple[int, int], lines: Sequence[str], height: int) -> ImageArray:
    picture = Image.new("RGB", size, (246, 243, 238))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(height)
    for i, line in enumerate(lines):
        draw.text((4, 4 + i * 1.3 * height), line, fill=(32, 28, 40), font=font)
    return np.asarray(picture)
