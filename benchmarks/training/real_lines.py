"""Lines of real documents, divided so that no document is on both sides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ocr_core.training.labels import LineLabel, read_lines

Division = tuple[list[LineLabel], list[LineLabel]]


def real_lines(data: Path, sets: Sequence[str]) -> list[LineLabel]:
    """The lines (or words, where those are labelled) of some sets of the evaluation data."""
    return [line for name in sets for line in _lines(data / name)]


def by_document(lines: Sequence[LineLabel], share: float) -> Division:
    """Lines of documents to learn from, and of the `share` of documents that are held out.

    A document is held out if the SHA-256 of its file's name, as a number between 0 and 1, is
    below the share: the same on every machine, whatever else is in the set.
    """
    learn = [line for line in lines if _place(line.image) >= share]
    return learn, [line for line in lines if _place(line.image) < share]


def spread(lines: Sequence[LineLabel], count: int) -> list[LineLabel]:
    """`count` lines at even distances, all if there are no more."""
    if len(lines) <= count:
        return list(lines)
    return [lines[len(lines) * n // count] for n in range(count)]


def narrower(height: int, most: int) -> Callable[[LineLabel], bool]:
    """Whether a line with a quad is at most so many pixels wide at this height."""

    def fits(line: LineLabel) -> bool:
        if line.quad is None:
            return True
        (ax, ay), (bx, by), _, (dx, dy) = line.quad
        along, across = float(abs(bx - ax) + abs(by - ay)), float(abs(dx - ax) + abs(dy - ay))
        return along * height <= most * max(across, 1.0)

    return fits


def _lines(folder: Path) -> list[LineLabel]:
    if (folder / "labels.jsonl").exists():
        return read_lines(folder)[0]
    rows = map(json.loads, (folder / "pages.jsonl").read_text(encoding="utf-8").splitlines())
    return [LineLabel(folder / row["file"], row["text"]) for row in rows]


def _place(image: Path) -> float:
    digest = hashlib.sha256(image.name.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
