"""The evaluation sets: which pages they have, as image files that every engine can read.

The data folder is named by PAGEMILL_EVAL_DATA; its format is described in its own README:
`labels.jsonl` (regions of an image) and `pages.jsonl` (the text of a page), either or both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

SETS = (
    "funsd",
    "sroie2019",
    "icdar2015",
    "omnidocbench_demo",
    "scribe_documents",
    "ehri_typewritten",
    "fondue_print",
    "tapuscorpus_fr",
    "taigi",
    "aicup_scene_zh_hant",
    "zh_financial_pdf",
    "isri_unlv",
    "tesseract_test",
)
PDF_DPI = 200

Unit = Literal["word", "line", "page"]


@dataclass(frozen=True, slots=True)
class EvalPage:
    """One page to read."""

    file: str
    """Its file's name in the labels."""
    page_no: int
    """From 1."""
    image: Path
    """What the engines are given: the file itself, or the picture of a PDF page."""
    language: str

    @property
    def key(self) -> str:
        """Names the page within its set."""
        return f"{self.file}#{self.page_no}"


@dataclass(frozen=True, slots=True)
class EvalSet:
    """One set of the data folder."""

    name: str
    unit: Unit
    """What its labels are: words, text lines, or whole pages only."""
    labels: Path | None
    texts: Path | None
    pages: tuple[EvalPage, ...]


def data_folder() -> Path:
    """The data folder; exits with advice when it is not set or not there."""
    name = os.environ.get("PAGEMILL_EVAL_DATA")
    if not name or not Path(name).is_dir():
        raise SystemExit("set PAGEMILL_EVAL_DATA to the folder of the evaluation sets")
    return Path(name)


def load_set(data: Path, name: str, work: Path, limit: int | None = None) -> EvalSet:
    """A set with its first `limit` pages by name; PDF pages are drawn into the work folder."""
    folder = data / name
    labels, texts = _existing(folder / "labels.jsonl"), _existing(folder / "pages.jsonl")
    source = labels or texts
    if source is None:
        raise SystemExit(f"{folder} has neither labels.jsonl nor pages.jsonl")
    rows = list(read_jsonl(source))
    pages = sorted((_page(folder, row, work) for row in rows), key=lambda p: (p.file, p.page_no))
    unit: Unit = rows[0]["words_or_lines"] if labels else "page"
    return EvalSet(name, unit, labels, texts, tuple(pages[:limit]))


def spread(pages: Sequence[EvalPage], count: int) -> list[EvalPage]:
    """`count` pages at even distances, the first and the last among them."""
    places = np.linspace(0, len(pages) - 1, min(count, len(pages))).round().astype(int)
    return [pages[place] for place in places]


def read_jsonl(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def label_key(row: dict[str, Any]) -> str:
    """The key of the page that a label line is about."""
    return f"{row.get('image') or row['file']}#{int(row.get('page', 1))}"


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _page(folder: Path, row: dict[str, Any], work: Path) -> EvalPage:
    file = row.get("image") or row["file"]
    page_no = int(row.get("page", 1))
    path = folder / file
    if path.suffix.lower() == ".pdf":
        path = _picture(path, page_no, work / "pictures" / folder.name)
    return EvalPage(file, page_no, path, row["language"])


def _picture(pdf: Path, page_no: int, folder: Path) -> Path:
    """The page drawn as PNG once: the text layer is out of every engine's reach."""
    import pymupdf

    picture = folder / f"{pdf.stem}_{page_no:04}.png"
    if not picture.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with pymupdf.open(pdf) as document:  # type: ignore[no-untyped-call]
            document[page_no - 1].get_pixmap(dpi=PDF_DPI, alpha=False).save(picture)
    return picture
