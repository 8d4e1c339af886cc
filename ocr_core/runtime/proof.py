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
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from ocr_core.bundle import Bundle, load_bundle
from ocr_core.detection.detector import Detector, DetectorProfile
from ocr_core.errors import EngineFailed, ExportMismatch
from ocr_core.geometry import ImageArray, crop, quad_size
from ocr_core.runtime import FloatArray, RuntimeOptions, Session, installed_engines, open_session

TOLERANCE = 1e-4
"""Largest difference of a probability between network and graph; fp32 gives about 5e-6."""
TIE = 1e-5
"""Difference of two probabilities up to which either class may be the best one."""

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

    Raises ExportMismatch if it is above the tolerance, or if the most probable class of any step
    differs; raises ValueError if there is nothing to compare.
    """
    if not batches:
        raise ValueError("equality cannot be proved without images")
    largest = 0.0
    for engine in installed_engines():
        if engine == "torch":
            continue
        session = open_session(bundle, RuntimeOptions(engine=engine, precision="fp32"))
        for batch in batches:
            largest = max(largest, _difference(module, session, batch, tolerance))
    return largest


def _difference(module: nn.Module, session: Session, batch: FloatArray, tolerance: float) -> float:
    try:
        actual = session.run(batch)
    except EngineFailed as error:
        raise ExportMismatch(error.detail) from error
    with torch.inference_mode():
        expected = module(torch.from_numpy(batch)).numpy()
    if actual.shape != expected.shape:
        raise ExportMismatch(f"shape {actual.shape}, not {expected.shape}, for {batch.shape}")
    largest = float(np.abs(actual - expected).max())
    if not largest <= tolerance:  # written so that NaN is refused too
        raise ExportMismatch(f"{largest:.2g} at {batch.shape}, allowed is {tolerance:.2g}")
    if actual.shape[-1] > 1 and actual.ndim < 4:  # classes, not a map
        different = int(_another_best(actual, expected).sum())
        if different:
            raise ExportMismatch(f"{different} steps at {batch.shape} have another best class")
    return largest


def _another_best(actual: FloatArray, expected: FloatArray) -> NDArray[np.bool_]:
    """Steps whose best class is another, and not merely as good."""
    chosen = np.take_along_axis(expected, actual.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return cast(NDArray[np.bool_], expected.max(axis=-1) - chosen > TIE)


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
