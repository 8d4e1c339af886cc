import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]
Picture = NDArray[np.uint8]

LINES = (
    "Invoice no. 20-417, due 31 May: 1,284.50 EUR",
    "台北市政府公告：本週五停止上班上課",
    "The quick brown fox jumps over the lazy dog; Größe, café, naïve.",
    "漢字とかなの混じった文章、ABC 123 と ＡＢＣ",
)


def draw(lines: tuple[str, ...], width: int, height: int, size: float) -> Picture:
    """Lines of text on white, as a PDF renderer draws them."""
    with pymupdf.open() as document:
        page = document.new_page(width=width, height=height)
        writer = pymupdf.TextWriter(page.rect)
        for i, line in enumerate(lines):
            font = pymupdf.Font("helv" if line.isascii() else "cjk")
            writer.append((4, (1 + 1.5 * i) * size + 4), line, font=font, fontsize=size)
        writer.write_text(page)
        pixels = page.get_pixmap()
        shape = (pixels.height, pixels.width, pixels.n)
        return np.frombuffer(pixels.samples, np.uint8).reshape(shape)[..., :3].copy()


@pytest.fixture(scope="session")
def drawn_lines() -> list[Picture]:
    """Four lines of text, 48 pixels high, in Latin, Chinese and Japanese script."""
    return [draw((line,), 24 * len(line) + 16, 48, 28) for line in LINES]


@pytest.fixture(scope="session")
def drawn_page() -> Picture:
    """A page of the same lines, 1000 pixels wide."""
    return draw(LINES * 5, 1000, 760, 20)


@pytest.fixture(scope="session")
def real_images() -> list[Path]:
    """Pages of the evaluation data: a form, a book in Taiwanese, a document; empty without it."""
    data = os.environ.get("PAGEMILL_EVAL_DATA")
    if data is None:
        pytest.skip("PAGEMILL_EVAL_DATA is not set")
    sets = ("funsd", "taigi", "omnidocbench_demo")
    return [sorted((Path(data) / name / "images").iterdir())[0] for name in sets]


@pytest.fixture(scope="session")
def real_crops(real_images: list[Path]) -> list[Picture]:
    """The three largest labelled texts of each real page, cut out upright."""
    return [crop for path in real_images for crop in _crops(path)]


def _crops(path: Path) -> list[Picture]:
    labels = (path.parent.parent / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    regions = next(
        entry["regions"]
        for entry in map(json.loads, labels)
        if entry["image"] == f"images/{path.name}"
    )
    longest = sorted(regions, key=lambda region: -len(region["text"]))[:3]
    picture = Image.open(path).convert("RGB")
    return [np.asarray(picture.crop(_box(region["polygon"]))) for region in longest]


def _box(polygon: list[list[float]]) -> tuple[int, int, int, int]:
    xs, ys = zip(*polygon, strict=True)
    return int(min(xs)), int(min(ys)), int(max(xs)) + 1, int(max(ys)) + 1


@pytest.fixture(scope="session")
def as_batch() -> Callable[..., FloatArray]:
    """Pictures resized to one height and width, as one (N, 3, H, W) batch in [-1, 1], BGR."""

    def batch(pictures: list[Picture], height: int, width: int) -> FloatArray:
        sized = [Image.fromarray(picture).resize((width, height)) for picture in pictures]
        stacked = np.stack([np.asarray(picture, np.float32) for picture in sized])[..., ::-1]
        return np.ascontiguousarray((stacked / 127.5 - 1).transpose(0, 3, 1, 2))

    return batch
