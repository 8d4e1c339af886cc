"""Label files of PaddleOCR and PPOCRLabel: an image and its labels on a line, divided by a tab.

Pages, `Label.txt`:
    folder/x.jpg<TAB>[{"transcription": "…", "points": [[x, y], …], "difficult": false}, …]
Lines, `rec_gt.txt`:
    crop_img/x.jpg<TAB>text

Images are named relative to the label file, or, as PPOCRLabel does, to the folder above it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ocr_core.geometry import FloatArray
from ocr_core.training.labelled import LineLabel, PageLabel, Region
from ocr_core.training.readers.text_lines import ILLEGIBLE, first_line, numbered_lines
from ocr_core.training.skips import Skips

PAGES = "Label.txt"
LINES = "rec_gt.txt"


def holds_lines(path: Path) -> bool:
    """Whether a file has texts, not regions; of a folder, whether it has a file of lines."""
    if path.is_dir():
        return (path / LINES).is_file() or not _page_files(path)
    return not _has_regions(path)


def pages(path: Path, skips: Skips) -> Iterator[PageLabel]:
    """The pages of a label file or folder, unchecked; lines of another form are counted."""
    for file in _page_files(path):
        for where, line in numbered_lines(file):
            name, _, labels = line.partition("\t")
            try:
                regions = tuple(map(_region, json.loads(labels)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                skips.add("bad_record", f"{where}: {type(error).__name__} {error}")
            else:
                yield PageLabel(_image(file, name), regions)


def lines(path: Path, skips: Skips) -> Iterator[LineLabel]:
    """The lines of a label file or folder, unchecked; lines of another form are counted."""
    for file in _line_files(path):
        for where, line in numbered_lines(file):
            name, tab, text = line.partition("\t")
            if tab:
                yield LineLabel(_image(file, name), text)
            else:
                skips.add("bad_record", f"{where}: no tab in {line[:60]!r}")


def _region(label: dict[str, Any]) -> Region:
    text = str(label["transcription"])
    ignore = bool(label.get("difficult")) or text in ILLEGIBLE
    return Region(_polygon(label["points"]), text, ignore)


def _polygon(points: object) -> FloatArray:
    """(k, 2), or an empty one, which is counted later, for anything else."""
    try:
        return np.asarray(points, np.float32)
    except (TypeError, ValueError):
        return np.empty((0, 2), np.float32)


def _image(file: Path, name: str) -> Path:
    beside = file.parent / name
    above = file.parent.parent / name
    return above if not beside.exists() and above.exists() else beside


def _page_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    usual = path / PAGES
    return [usual] if usual.is_file() else [f for f in _texts(path) if _has_regions(f)]


def _line_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    usual = path / LINES
    return [usual] if usual.is_file() else [f for f in _texts(path) if "\t" in first_line(f)]


def _texts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))


def _has_regions(file: Path) -> bool:
    _, _, labels = first_line(file).partition("\t")
    try:
        return isinstance(json.loads(labels), list)
    except ValueError:
        return False
