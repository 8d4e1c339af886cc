"""Which reader a label file or a folder of them needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, get_args

from ocr_core.training.errors import LabelFormUnknown
from ocr_core.training.labelled import LineLabel, PageLabel
from ocr_core.training.readers import icdar, jsonl, paddle_labels, page_xml
from ocr_core.training.readers.text_lines import first_line
from ocr_core.training.skips import Skips

Form = Literal["auto", "jsonl", "icdar", "paddle", "page-xml"]
FORMS: tuple[Form, ...] = get_args(Form)

PageReader = Callable[[Path, Skips], Iterable[PageLabel]]
LineReader = Callable[[Path, Skips], Iterable[LineLabel]]

_PADDLE = re.compile(r"[^\t]+\.\w{2,5}\t")
_ICDAR = re.compile(r"\s*-?\d+(\.\d+)?\s*,?\s*-?\d+|[^\t,]+\.\w{2,5},\s*\"")


def page_reader(path: Path, form: Form = "auto") -> PageReader:
    """What reads pages from here; raises LabelFormUnknown."""
    match guess_form(path) if form == "auto" else form:
        case "jsonl":
            return jsonl.pages
        case "icdar":
            return icdar.pages
        case "paddle":
            return paddle_labels.pages
        case _:
            return page_xml.pages


def line_reader(path: Path, form: Form = "auto") -> LineReader | None:
    """What reads lines from here, None if the labels are those of pages; or LabelFormUnknown."""
    match guess_form(path) if form == "auto" else form:
        case "jsonl":
            return None if jsonl.holds_pages(path) else jsonl.lines
        case "icdar":
            return icdar.lines if icdar.holds_lines(path) else None
        case "paddle":
            return paddle_labels.lines if paddle_labels.holds_lines(path) else None
        case _:
            return None


def guess_form(path: Path) -> Form:
    """The form of a label file, or of the labels in a folder; raises LabelFormUnknown."""
    if not path.exists():
        raise LabelFormUnknown(f"{path} does not exist")
    if path.suffix == ".jsonl" or (path / jsonl.NAME).is_file():
        return "jsonl"
    if path.suffix == ".xml" or next(path.rglob("*.xml"), None):
        return "page-xml"
    texts = [path] if path.is_file() else sorted(path.rglob("*.txt"))
    lines = [first_line(text) for text in texts[:20]]
    if any(map(_PADDLE.match, lines)):
        return "paddle"
    if any(map(_ICDAR.match, lines)):
        return "icdar"
    raise LabelFormUnknown(str(path))
