"""Looks: what text is set with, what it stands on, and what happened to it since."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from ocr_core.training.synthesis import wear
from ocr_core.training.synthesis.faces import Face
from ocr_core.training.synthesis.ink import Ink, set_text
from ocr_core.training.synthesis.paper import Tones
from ocr_core.training.synthesis.pens import SEGMENT_CHARACTERS, dots, segments
from ocr_core.training.synthesis.texts import DISPLAY_PATTERNS, Fields, TextSource
from ocr_core.training.synthesis.wear import Wear

Pen = Literal["type", "dots", "segments"]
PLAIN = Tones(paper=(255, 255), ink=(0, 0))
"""Black on white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A kind of print and of picture."""

    name: str
    pen: Pen = "type"
    sizes: tuple[int, int] = (18, 48)
    """Pixels an em, smallest and largest."""
    stretch: tuple[float, float] = (0.9, 1.1)
    """Width over what the font says."""
    warp: float = 0.0
    """How far the corners of a picture may be from where they belong, over the text's height."""
    tones: Tones = PLAIN
    wear: tuple[Wear, ...] = ()
    texts: TextSource | None = None
    """What is written in this look when no text is given; None: anything."""

    def shows(self, text: str) -> bool:
        """Whether this look can write the text at all."""
        return self.pen != "segments" or set(text) <= SEGMENT_CHARACTERS

    def set(
        self,
        text: str,
        face: Face,
        size: int,
        rng: np.random.Generator,
        *,
        words: bool = False,
        upright: bool = False,
    ) -> Ink:
        """Write a line; `upright` runs it from the top down and is known to type only."""
        if self.pen == "segments":
            return segments(text, size, rng)
        if self.pen == "dots":
            wide = any(character >= "\u2e80" for character in text)
            rows = int(rng.integers(16, 25) if wide else rng.integers(10, 14))
            return dots(text, face, rows, size, rng)
        return set_text(text, face, size, words=words, upright=upright)

    def some_size(self, rng: np.random.Generator) -> int:
        """A size, smaller ones more often; few large ones, since faces are kept open by size."""
        low, high = np.log(self.sizes)
        size = float(np.exp(rng.uniform(low, high)))
        return round(size) if size < 24 else 4 * round(size / 4)


LOOKS: dict[str, Look] = {
    look.name: look
    for look in (
        Look(name="clean", tones=PLAIN),
        Look(
            name="scan",
            sizes=(16, 48),
            warp=0.05,
            tones=Tones(paper=(205, 255), coloured=0.15, tint=15, texture=3, fibre=1.5),
            wear=(
                Wear(0.4, partial(wear.bleed, spread=(-0.5, 0.6))),
                Wear(0.6, partial(wear.blur, sigma=(0.3, 1.0))),
                Wear(0.2, partial(wear.low_resolution, factor=(0.5, 0.9))),
                Wear(0.5, partial(wear.noise, sigma=(1, 9))),
                Wear(0.15, partial(wear.one_bit, level=(0.4, 0.65))),
                Wear(0.5, partial(wear.jpeg, quality=(35, 92))),
            ),
        ),
        Look(
            name="photo",
            sizes=(14, 56),
            stretch=(0.8, 1.2),
            warp=0.16,
            tones=Tones(
                paper=(150, 255),
                ink=(0, 55),
                coloured=0.7,
                tint=40,
                inverted=0.25,
                texture=9,
                fibre=3,
            ),
            wear=(
                Wear(0.7, partial(wear.shade, depth=(0.1, 0.5))),
                Wear(0.5, partial(wear.blur, sigma=(0.4, 1.6))),
                Wear(0.2, partial(wear.motion, length=(2, 5))),
                Wear(0.35, partial(wear.low_resolution, factor=(0.4, 0.9))),
                Wear(0.6, partial(wear.colour_noise, sigma=(2, 14))),
                Wear(0.4, partial(wear.contrast, factor=(0.6, 1.2), shift=(-25, 25))),
                Wear(0.8, partial(wear.jpeg, quality=(30, 90))),
            ),
        ),
        Look(
            name="fax",
            sizes=(13, 16),
            tones=Tones(paper=(235, 255), ink=(0, 40)),
            wear=(
                Wear(0.6, partial(wear.bleed, spread=(-0.3, 0.6))),
                Wear(1.0, partial(wear.noise, sigma=(10, 45))),
                Wear(1.0, partial(wear.one_bit, level=(0.35, 0.65))),
                Wear(0.3, partial(wear.lost_rows, share=(0.01, 0.06))),
                Wear(1.0, partial(wear.salt_and_pepper, share=(0.005, 0.06))),
            ),
        ),
        Look(
            name="dot-matrix",
            pen="dots",
            sizes=(24, 48),
            stretch=(0.7, 1.1),
            warp=0.05,
            tones=Tones(paper=(215, 255), ink=(30, 110), coloured=0.4, tint=25, texture=4, fibre=2),
            wear=(
                Wear(0.7, partial(wear.blur, sigma=(0.4, 1.1))),
                Wear(0.3, partial(wear.low_resolution, factor=(0.45, 0.9))),
                Wear(0.6, partial(wear.noise, sigma=(2, 12))),
                Wear(0.2, partial(wear.one_bit, level=(0.4, 0.6))),
                Wear(0.5, partial(wear.jpeg, quality=(40, 92))),
            ),
        ),
        Look(
            name="receipt",
            sizes=(16, 34),
            stretch=(0.75, 1.15),
            warp=0.08,
            tones=Tones(paper=(200, 250), ink=(30, 100), coloured=0.3, tint=12, texture=6, fibre=2),
            wear=(
                Wear(0.5, partial(wear.fade, depth=(0.1, 0.55))),
                Wear(0.3, partial(wear.shade, depth=(0.05, 0.3))),
                Wear(0.6, partial(wear.blur, sigma=(0.4, 1.1))),
                Wear(0.3, partial(wear.low_resolution, factor=(0.5, 0.9))),
                Wear(0.5, partial(wear.noise, sigma=(2, 9))),
                Wear(0.6, partial(wear.jpeg, quality=(35, 90))),
            ),
        ),
        Look(
            name="seven-segment",
            pen="segments",
            sizes=(24, 56),
            stretch=(0.75, 1.2),
            warp=0.1,
            tones=Tones(
                paper=(120, 235), ink=(0, 60), coloured=0.7, tint=40, inverted=0.5, texture=5
            ),
            wear=(
                Wear(0.4, partial(wear.shade, depth=(0.05, 0.35))),
                Wear(0.35, partial(wear.glow, sigma=(1.5, 4.0))),
                Wear(0.6, partial(wear.blur, sigma=(0.5, 1.8))),
                Wear(0.3, partial(wear.low_resolution, factor=(0.3, 0.8))),
                Wear(0.5, partial(wear.colour_noise, sigma=(2, 14))),
                Wear(0.6, partial(wear.jpeg, quality=(30, 90))),
            ),
            texts=Fields(DISPLAY_PATTERNS),
        ),
    )
}
"""Looks by name. `scan`, `photo` and `receipt` vary most; the others are one kind of print each."""


def source_of(texts: TextSource | None, look: Look) -> TextSource:
    """The given text or, if there is none, what the look is for."""
    return texts or look.texts or Fields()
