"""Lines drawn once for all trials of an experiment, as files with labels."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ocr_core.geometry import ImageArray
from ocr_core.training.labels import LineLabel, read_lines
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis.faces import FaceSet, find_faces
from ocr_core.training.synthesis.lines import LineRecipe, draw_line
from ocr_core.training.synthesis.looks import Look
from ocr_core.training.synthesis.texts import TextSource


def drawn_lines(
    folder: Path, recipe: Callable[[], LineRecipe], count: int, seed: int, width: int | None = None
) -> list[LineLabel]:
    """`count` lines of the series `seed`, drawn unless the folder has them; all of one width
    if one is given.

    A folder appears whole or not at all, so that trials side by side may ask for the same.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".lines-") as draft:
            _draw(Path(draft), recipe(), count, seed, width)
            whole = Path(draft) / "whole"
            if not folder.exists():
                whole.rename(folder)
    lines, _ = read_lines(folder)
    return lines


def faces() -> FaceSet:
    """The fonts of this system."""
    return find_faces((), Skips())


def look_recipe(look: Look, texts: TextSource | None, shortest: int, longest: int) -> LineRecipe:
    """Lines of one look, as crops from pages are: at their own height."""
    return LineRecipe(texts=texts, faces=faces(), looks=(look,), shortest=shortest, longest=longest)


def _draw(draft: Path, recipe: LineRecipe, count: int, seed: int, width: int | None) -> None:
    whole = draft / "whole"
    whole.mkdir(mode=0o755)
    with (whole / "labels.jsonl").open("w", encoding="utf-8") as labels:
        for index in range(count):
            sample = draw_line(recipe, seed, index)
            name = f"{index:05}.png"
            Image.fromarray(_sized(sample.image, width)).save(whole / name)
            record = {"image": name, "text": sample.text}
            labels.write(json.dumps(record, ensure_ascii=False) + "\n")


def _sized(image: ImageArray, width: int | None) -> ImageArray:
    if width is None:
        return image
    return np.asarray(cv2.resize(image, (width, image.shape[0])), np.uint8)
