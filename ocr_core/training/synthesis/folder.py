"""Drawn samples as a folder: `images/` and `labels.jsonl`, in the form that training reads.

Lines are whole images: {"image", "text", "language", "kind", "source"}. Pages have regions:
{"image", "language", "kind", "words_or_lines", "source", "regions": [{"polygon", "text",
"ignore"}]}. `drawing.json` says what it was drawn from: the same again goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from ocr_core.geometry import ImageArray
from ocr_core.training.errors import FolderOfAnotherDrawing
from ocr_core.training.labelled import Region
from ocr_core.training.synthesis.faces import FaceSet
from ocr_core.training.synthesis.lines import LineRecipe, draw_line
from ocr_core.training.synthesis.pages import PageRecipe, Unit, draw_page

LABELS = "labels.jsonl"
DRAWING = "drawing.json"
_AHEAD = 64
"""Samples handed to other processes before their labels are written, for each process."""
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 93]


@dataclass(frozen=True, slots=True)
class Written:
    """One sample that is in the folder."""

    record: dict[str, Any]
    """Its label."""
    passed_over: tuple[str, ...]
    """Texts that no font has; others were drawn instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A folder to fill, and with what."""

    folder: Path
    recipe: LineRecipe | PageRecipe
    seed: int
    unit: Unit = "line"
    """What the labels of pages are."""
    suffix: str = ".png"
    """Of the image files: `.png` keeps every pixel, `.jpg` is smaller."""
    language: str = "und"
    """Of the labels; an ISO 639 code, `und` when it is not known."""

    def facts(self) -> dict[str, Any]:
        """What decides the pixels and labels; two drawings with the same facts are the same."""
        recipe = {
            field.name: plain(getattr(self.recipe, field.name))
            for field in fields(self.recipe)
            if field.name not in ("faces", "texts")
        }
        texts = json.dumps(plain(self.recipe.texts), ensure_ascii=False)
        return {
            "kind": "lines" if isinstance(self.recipe, LineRecipe) else "pages",
            "seed": self.seed,
            "unit": self.unit,
            "suffix": self.suffix,
            "language": self.language,
            "texts": hashlib.sha256(texts.encode()).hexdigest(),
            "fonts": _fonts(self.recipe.faces),
            **recipe,
        }


def plain(value: Any) -> Any:
    """A value as JSON that is the same in every process: dataclasses and functions by name."""
    if isinstance(value, partial):
        return {"function": value.func.__name__, **{k: plain(v) for k, v in value.keywords.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def _fonts(faces: FaceSet) -> list[str]:
    """Names and sizes of the font files."""
    sizes = {face.name: face.path.stat().st_size if face.path else 0 for face in faces.faces}
    return [f"{name} {size}" for name, size in sizes.items()]


def fill(drawing: Drawing, count: int, *, jobs: int = 1) -> Iterator[Written]:
    """Draw until the folder has `count` samples; yields the new ones as they are written.

    The labels are in the order of the samples however many processes draw. What an earlier call
    has drawn stays; raises FolderOfAnotherDrawing if it drew something else.
    """
    start = prepare(drawing)
    with (drawing.folder / LABELS).open("a", encoding="utf-8", newline="\n") as labels:
        for written in _all(drawing, range(start, count), jobs):
            labels.write(json.dumps(written.record, ensure_ascii=False) + "\n")
            labels.flush()
            yield written


def prepare(drawing: Drawing) -> int:
    """Make the folder if it is not there; returns how many samples it has."""
    (drawing.folder / "images").mkdir(parents=True, exist_ok=True)
    path = drawing.folder / DRAWING
    facts = drawing.facts()
    labels = drawing.folder / LABELS
    if path.exists():
        _check_same(json.loads(path.read_text(encoding="utf-8")), facts, drawing.folder)
    elif labels.exists():
        raise FolderOfAnotherDrawing(f"{labels} was not drawn by this command")
    else:
        _replace(path, json.dumps(facts, ensure_ascii=False, indent=1).encode())
    return _whole_records(labels)


def _check_same(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing or found.keys() != wanted.keys():
        raise FolderOfAnotherDrawing(f"{folder}: {', '.join(differing) or 'options'} differ")


def _whole_records(labels: Path) -> int:
    """How many labels were written as a whole; a last one that was not is cut off."""
    if not labels.exists():
        return 0
    found = labels.read_bytes()
    whole = found[: found.rfind(b"\n") + 1]
    if whole != found:
        _replace(labels, whole)
    return whole.count(b"\n")


def _all(drawing: Drawing, numbers: range, jobs: int) -> Iterator[Written]:
    """Each sample in order, drawn here or by other processes."""
    if jobs == 1 or len(numbers) < 2 * jobs:
        yield from (write_one(drawing, number) for number in numbers)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_set_up, initargs=(drawing,))
    try:
        waiting: deque[Future[Written]] = deque()
        for number in numbers:
            waiting.append(pool.submit(_write_here, number))
            if len(waiting) > _AHEAD * jobs:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)
    finally:
        pool.shutdown(cancel_futures=True)


_of_this_process: list[Drawing] = []
"""What a process of the pool draws: sent once, since a text may be large."""


def _set_up(drawing: Drawing) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the pool
    cv2.setNumThreads(1)
    _of_this_process.append(drawing)


def _write_here(number: int) -> Written:
    return write_one(_of_this_process[0], number)


def write_one(drawing: Drawing, number: int) -> Written:
    """Draw one sample and write its image; its label is for the caller to write."""
    name = f"images/{number:07}{drawing.suffix}"
    if isinstance(drawing.recipe, LineRecipe):
        line = draw_line(drawing.recipe, drawing.seed, number)
        _write_image(drawing.folder / name, line.image)
        about = {"kind": line.look, "source": f"seed {drawing.seed}, {line.face}"}
        label: dict[str, Any] = {"text": line.text}
        passed_over = line.passed_over
    else:
        page = draw_page(drawing.recipe, drawing.seed, number)
        _write_image(drawing.folder / name, page.image)
        about = {"kind": page.look, "source": f"seed {drawing.seed}, {page.layout}"}
        regions = [_region(region) for region in page.regions(drawing.unit)]
        label = {"words_or_lines": drawing.unit, "regions": regions}
        passed_over = page.passed_over
    return Written({"image": name, "language": drawing.language, **about, **label}, passed_over)


def _region(region: Region) -> dict[str, Any]:
    polygon = [[round(float(x), 2), round(float(y), 2)] for x, y in region.polygon]
    return {"polygon": polygon, "text": region.text, "ignore": region.ignore}


def _write_image(path: Path, image: ImageArray) -> None:
    options = _JPEG if path.suffix == ".jpg" else []
    _, stored = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    _replace(path, stored.tobytes())


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
