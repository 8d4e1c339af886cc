"""Real pages with labels of lines, divided into held-out documents and a pool to learn from."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

from ocr_core.training.labelled import PageLabel
from ocr_core.training.labels import read_pages

HELD_OUT = 40
"""Of 100 documents."""
_NAME = 12
"""Images of a set whose names begin with the same so many characters are one document."""


@dataclass(frozen=True, slots=True)
class RealPages:
    """No document has pages in both parts."""

    held_out: tuple[PageLabel, ...]
    pool: tuple[PageLabel, ...]

    def labelled(self, count: int, seed: int) -> tuple[list[PageLabel], list[Path]]:
        """So many pages of the pool with their labels, and the images of all others."""
        order = random.Random(seed).sample(self.pool, len(self.pool))
        return order[:count], [page.image for page in order[count:]]


def real_pages(data: Path) -> RealPages:
    """The pages of every set whose labels are lines."""
    pages = [page for folder in _line_sets(data) for page in read_pages(folder)[0]]
    return RealPages(
        tuple(page for page in pages if _draw(page) < HELD_OUT),
        tuple(page for page in pages if _draw(page) >= HELD_OUT),
    )


def _line_sets(data: Path) -> list[Path]:
    return [path.parent for path in sorted(data.glob("*/labels.jsonl")) if _is_lines(path)]


def _is_lines(labels: Path) -> bool:
    with labels.open(encoding="utf-8") as lines:
        return json.loads(lines.readline())["words_or_lines"] == "line"  # type: ignore[no-any-return]


def _draw(page: PageLabel) -> int:
    """A number from 0 to 99 that depends on nothing but the name of the document."""
    document = f"{page.image.parent.parent.name}/{page.image.stem[:_NAME]}"
    return int(hashlib.sha256(document.encode()).hexdigest(), 16) % 100
