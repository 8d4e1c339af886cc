"""Single lines of text as pictures, to train and test a recogniser."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.synthesis.faces import Face, FaceSet
from ocr_core.training.synthesis.looks import Look, source_of
from ocr_core.training.synthesis.paper import print_on, sheet
from ocr_core.training.synthesis.texts import TextSource
from ocr_core.training.synthesis.wear import worn

TRIES = 50
"""Texts that no face covers before drawing gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRecipe:
    """What lines are drawn from."""

    texts: TextSource | None
    """None: what each look is for, or else values as forms have them."""
    faces: FaceSet
    looks: tuple[Look, ...]
    """Each line has one of them."""
    shortest: int = 1
    longest: int = 25
    """Characters."""
    height: int | None = None
    """Pixels of every picture; None: as it was drawn, as crops from pages are."""
    margins: tuple[float, float] = (0.03, 0.25)
    """Room around the ink, over the text's height, smallest and largest."""

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"lengths must be 1 ≤ {self.shortest} ≤ {self.longest}")


@dataclass(frozen=True, slots=True, eq=False)
class LineSample:
    """A drawn line."""

    image: ImageArray
    text: str
    look: str
    face: str
    """The name of its typeface."""
    passed_over: tuple[str, ...] = ()
    """Texts that came first but that no face has, or that the look cannot write."""


def draw_line(recipe: LineRecipe, seed: int, index: int) -> LineSample:
    """Line `index` of the endless series `seed`: the same whoever draws it, and in which order.

    Raises CharactersNotDrawn if no face has the characters of many texts in a row.
    """
    rng = np.random.default_rng((seed, index))
    look = recipe.looks[int(rng.integers(len(recipe.looks)))]
    source = source_of(recipe.texts, look)
    passed_over: list[str] = []
    while len(passed_over) < TRIES:
        longest = int(rng.integers(recipe.shortest, recipe.longest + 1))
        text = source.piece(rng, longest)
        face = recipe.faces.choose(rng, text) if look.shows(text) else None
        if face is not None:
            image = _picture(recipe, look, text, face, rng)
            return LineSample(image, text, look.name, face.name, tuple(passed_over))
        passed_over.append(text)
    raise CharactersNotDrawn(f"look {look.name}: {', '.join(map(repr, passed_over[:5]))}")


def _picture(
    recipe: LineRecipe, look: Look, text: str, face: Face, rng: np.random.Generator
) -> ImageArray:
    size = look.some_size(rng)
    ink = look.set(text, face, size, rng).scaled(rng.uniform(*look.stretch), 1.0)
    left, top, right, bottom = rng.uniform(*recipe.margins, 4) * size
    width, height = ink.size
    paper_colour, ink_colour = look.tones.choose(rng)
    whole = (round(width + left + right) + 2, round(height + top + bottom) + 2)
    image = sheet(whole, paper_colour, look.tones, rng)
    print_on(image, ink.mask, (round(left) + 1, round(top) + 1), ink_colour)
    if look.warp:
        image = _warped(image, look.warp * size, rng)
    image = worn(image, look.wear, rng)
    return image if recipe.height is None else _with_height(image, recipe.height)


def _warped(image: ImageArray, reach: float, rng: np.random.Generator) -> ImageArray:
    """The picture with its corners moved a little outward or inward, as a careless crop has them.

    Inward at most half as far as outward, so that the ink stays.
    """
    height, width = image.shape[:2]
    corners: FloatArray = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    outward = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    moved = corners + outward * rng.uniform(-reach / 4, reach, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(moved - 0.5, corners - 0.5)
    turned = cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _with_height(image: ImageArray, height: int) -> ImageArray:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    smaller = height < image.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
