"""Our own label files: one JSON object a line.

Pages, `labels.jsonl`:
    {"image": "images/x.jpg", "language": "en",
     "regions": [{"polygon": [[x, y], …], "text": "…", "ignore": false}, …]}
Lines:
    {"image": "lines/x.png", "text": "…"}, with "quad": [[x, y] * 4] if the line is part of an image

Images are named relative to the label file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from ocr_core.geometry import FloatArray
from ocr_core.page import Quad
from ocr_core.training.errors import LabelsUnreadable
from ocr_core.training.labelled import LineLabel, PageLabel, Region
from ocr_core.training.readers.text_lines import ILLEGIBLE, numbered_lines
from ocr_core.training.skips import Skips

NAME = "labels.jsonl"


def label_file(path: Path) -> Path:
    """The file itself, or `labels.jsonl` of a folder."""
    return path / NAME if path.is_dir() else path


def holds_pages(path: Path) -> bool:
    """Whether the first record has regions; raises LabelsUnreadable."""
    return any("regions" in record for _, record in _first(path))


def pages(path: Path, skips: Skips) -> Iterator[PageLabel]:
    """The pages of a label file, unchecked; records of another form are counted."""
    folder = label_file(path).parent
    for where, record in _records(path):
        try:
            yield _page(folder, record)
        except (KeyError, TypeError, ValueError) as error:
            skips.add("bad_record", f"{where}: {_why(error)}")


def lines(path: Path, skips: Skips) -> Iterator[LineLabel]:
    """The lines of a label file, unchecked; records of another form are counted."""
    folder = label_file(path).parent
    for where, record in _records(path):
        try:
            yield _line(folder, record)
        except (KeyError, TypeError, ValueError) as error:
            skips.add("bad_record", f"{where}: {_why(error)}")


def _page(folder: Path, record: dict[str, Any]) -> PageLabel:
    regions = tuple(_region(region) for region in record["regions"])
    return PageLabel(folder / record["image"], regions, record.get("language"))


def _region(region: dict[str, Any]) -> Region:
    text = _text(region.get("text"))
    return Region(
        _polygon(region.get("polygon")), text, bool(region.get("ignore")) or text in ILLEGIBLE
    )


def _polygon(points: object) -> FloatArray:
    """(k, 2), or an empty one, which is counted later, for anything else."""
    try:
        return np.asarray(points, np.float32)
    except (TypeError, ValueError):
        return np.empty((0, 2), np.float32)


def _line(folder: Path, record: dict[str, Any]) -> LineLabel:
    quad = record.get("quad")
    corners = None if quad is None else cast(Quad, tuple((float(x), float(y)) for x, y in quad))
    if corners is not None and len(corners) != 4:
        raise ValueError(f"a quad has four corners, not {len(corners)}")
    return LineLabel(folder / record["image"], _text(record["text"]), corners)


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"text must be a string, got {value!r}")
    return value


def _first(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for found in _records(path):
        yield found
        return


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each object is, and the object; raises LabelsUnreadable."""
    for where, line in numbered_lines(label_file(path)):
        yield where, _object(where, line)


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise LabelsUnreadable(f"{where} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise LabelsUnreadable(f"{where} is no object")
    return value


def _why(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
