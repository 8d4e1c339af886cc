"""A page while it is printed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ocr_core.geometry import ImageArray
from ocr_core.training.synthesis.galley import Block, PlacedLine
from ocr_core.training.synthesis.paper import Colour, print_on
from ocr_core.training.synthesis.typesetter import Typesetter


@dataclass(slots=True)
class Canvas:
    """The sheet, what sets its text, and what stands on it so far; pixels from its top-left."""

    image: ImageArray
    setter: Typesetter
    ink: Colour
    body: int
    """Pixels an em of running text."""
    lines: list[PlacedLine] = field(default_factory=list)

    @property
    def rng(self) -> np.random.Generator:
        """The page's chance."""
        return self.setter.rng

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    def margins(self) -> tuple[float, float, float, float]:
        """A print area: left, top, right, bottom."""
        width, height = self.size
        left, top, right, bottom = self.rng.uniform(0.04, 0.11, 4)
        return left * width, top * height, (1 - right) * width, (1 - bottom) * height

    def place(self, block: Block, x: float, y: float) -> None:
        """Print a block with its top-left corner at a place."""
        left, top = round(x), round(y)
        print_on(self.image, block.mask, (left, top), self.ink)
        shift = np.eye(3, dtype=np.float32)
        shift[:2, 2] = left, top
        self.lines += [line.moved(shift) for line in block.lines]

    def fits(self, block: Block, x: float, y: float) -> bool:
        """Whether the block lies on the page as a whole."""
        width, height = self.size
        return x >= 0 and y >= 0 and x + block.size[0] <= width and y + block.size[1] <= height
