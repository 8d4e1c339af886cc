"""Whole pages with exact labels, to train and test a detector, or both stages together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.labelled import Region
from ocr_core.training.synthesis.canvas import Canvas
from ocr_core.training.synthesis.faces import FaceSet
from ocr_core.training.synthesis.galley import PlacedLine, pixel_centres
from ocr_core.training.synthesis.layouts import LAYOUTS, can_set
from ocr_core.training.synthesis.looks import Look, source_of
from ocr_core.training.synthesis.paper import sheet
from ocr_core.training.synthesis.texts import TextSource
from ocr_core.training.synthesis.typesetter import Typesetter
from ocr_core.training.synthesis.wear import worn

Unit = Literal["line", "word"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRecipe:
    """What pages are drawn from."""

    texts: TextSource | None
    """None: what each look is for, or else values as forms have them."""
    faces: FaceSet
    looks: tuple[Look, ...]
    layouts: tuple[str, ...]
    """Names in `LAYOUTS`; each page has one of them."""
    smallest: tuple[int, int] = (640, 640)
    """Width and height in pixels."""
    largest: tuple[int, int] = (960, 1280)

    def __post_init__(self) -> None:
        if unknown := set(self.layouts) - set(LAYOUTS):
            raise ValueError(f"no such layouts: {', '.join(sorted(unknown))}")
        if not any(can_set(name, look.pen) for name in self.layouts for look in self.looks):
            raise CharactersNotDrawn("vertical text needs raqm, which this PIL is built without")


@dataclass(frozen=True, slots=True, eq=False)
class PageSample:
    """A drawn page."""

    image: ImageArray
    lines: tuple[PlacedLine, ...]
    look: str
    layout: str
    passed_over: tuple[str, ...] = ()
    """Texts that no face has, or that the look cannot write."""

    def regions(self, unit: Unit = "line") -> tuple[Region, ...]:
        """Labels by line or by word; a line whose words cannot be told apart is then ignored."""
        if unit == "line":
            return tuple(Region(line.line.quad, line.line.text) for line in self.lines)
        return tuple(region for line in self.lines for region in _word_regions(line))


def _word_regions(line: PlacedLine) -> list[Region]:
    if not line.words:
        return [Region(line.line.quad, line.line.text, ignore=True)]
    return [Region(word.quad, word.text) for word in line.words]


def draw_page(recipe: PageRecipe, seed: int, index: int) -> PageSample:
    """Page `index` of the endless series `seed`: the same whoever draws it, and in which order.

    Raises CharactersNotDrawn if not one line could be set.
    """
    rng = np.random.default_rng((seed, index))
    pairs = [(a, b) for a in recipe.layouts for b in recipe.looks if can_set(a, b.pen)]
    layout, look = pairs[int(rng.integers(len(pairs)))]
    setter = Typesetter(source_of(recipe.texts, look), recipe.faces, look, rng)
    width, height = (
        int(rng.integers(low, high + 1))
        for low, high in zip(recipe.smallest, recipe.largest, strict=True)
    )
    paper, ink = look.tones.choose(rng)
    image = sheet((width, height), paper, look.tones, rng)
    canvas = Canvas(image, setter, ink, body=_body_size(look, rng))
    LAYOUTS[layout](canvas)
    if not canvas.lines:
        seen = ", ".join(map(repr, setter.passed_over[:5]))
        raise CharactersNotDrawn(f"look {look.name}, layout {layout}: {seen or 'no room'}")
    matrix = _tilt((width, height), look.warp, rng)
    lines = tuple(line.moved(matrix) for line in canvas.lines)
    image = worn(_tilted(image, matrix, paper, rng), look.wear, rng)
    return PageSample(image, lines, look.name, layout, tuple(setter.passed_over))


def _body_size(look: Look, rng: np.random.Generator) -> int:
    """Running text is in the smaller half of a look's sizes."""
    low, high = look.sizes
    return int(rng.integers(low, max(low, round((low * high) ** 0.5)) + 1))


def _tilt(size: tuple[int, int], warp: float, rng: np.random.Generator) -> FloatArray:
    """A homography (3, 3) of pixel edges that moves the page's corners inward, none outward."""
    if not warp:
        return np.eye(3, dtype=np.float32)
    corners: FloatArray = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    inward = 1 - 2 * corners
    moved = corners + inward * rng.uniform(0, 0.4 * warp, (4, 2)).astype(np.float32)
    scale = np.array(size, np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners * scale, moved * scale), np.float32)


def _tilted(
    image: ImageArray, matrix: FloatArray, paper: FloatArray, rng: np.random.Generator
) -> ImageArray:
    """The page seen from aside, on a table of another shade."""
    if np.array_equal(matrix, np.eye(3)):
        return image
    table = np.clip(paper * rng.uniform(0.3, 1.0), 0, 255).tolist()
    size = (image.shape[1], image.shape[0])
    turned = cv2.warpPerspective(image, pixel_centres(matrix), size, borderValue=table)
    return np.asarray(turned, np.uint8)
