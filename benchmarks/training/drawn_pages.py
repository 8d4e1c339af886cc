"""Drawn pages for the detector: forms, receipts and columns, clean, scanned and photographed.

Fonts and texts come with Pagemill's own packages, so that the same pages are drawn everywhere.
"""

from __future__ import annotations

from pathlib import Path

from ocr_core.training.labelled import PageLabel
from ocr_core.training.labels import read_pages
from ocr_core.training.synthesis import bundled
from ocr_core.training.synthesis.faces import Face, FaceSet
from ocr_core.training.synthesis.folder import Drawing, fill
from ocr_core.training.synthesis.layouts import HORIZONTAL
from ocr_core.training.synthesis.looks import LOOKS
from ocr_core.training.synthesis.pages import PageRecipe

KINDS = ("clean", "scan", "photo", "receipt")
SMALLEST, LARGEST = (512, 512), (704, 704)


def drawn_pages(folder: Path, count: int, seed: int) -> list[PageLabel]:
    """Pages of a seed, labelled by line; drawn when they are not in the folder yet."""
    recipe = PageRecipe(
        texts=None,
        faces=FaceSet([Face(name) for name in bundled.names()]),
        looks=tuple(LOOKS[kind] for kind in KINDS),
        layouts=HORIZONTAL,
        smallest=SMALLEST,
        largest=LARGEST,
    )
    place = folder / f"pages-{seed}"
    for _ in fill(Drawing(folder=place, recipe=recipe, seed=seed), count):
        pass  # each is written as it is drawn
    return read_pages(place)[0][:count]
