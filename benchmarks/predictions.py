"""What the engines read, kept as JSON lines in the work folder: a re-run does only what is new."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.datasets import EvalPage, EvalSet, read_jsonl
from benchmarks.engines import Engine, reader_process, version
from benchmarks.environments import pagemill

PAGEMILL_PAGES_PER_RUN = 40

Row = dict[str, Any]


def predict(engine: Engine, sets: list[EvalSet], work: Path, fresh: bool) -> None:
    """Let the engine read every page of the sets that is not kept yet."""
    missing = [(chosen, _missing(engine, chosen, work, fresh)) for chosen in sets]
    missing = [(chosen, pages) for chosen, pages in missing if pages]
    if not missing:
        return
    runs = _by_command if engine.name == "pagemill" else _by_process
    for chosen, row in runs(engine, missing, work):
        if "error" in row:
            print(f"{engine.name} {chosen.name} {row['image']}: {row['error']}", file=sys.stderr)
        with kept_in(engine, chosen, work).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def kept_in(engine: Engine, chosen: EvalSet, work: Path) -> Path:
    """The file with an engine's predictions for a set."""
    return work / "predictions" / version(engine) / f"{chosen.name}.jsonl"


def kept(engine: Engine, chosen: EvalSet, work: Path) -> list[Row]:
    """The predictions for the pages of the set, in the order of its pages."""
    path = kept_in(engine, chosen, work)
    rows = {row_key(row): row for row in read_jsonl(path)} if path.exists() else {}
    return [rows[page.key] for page in chosen.pages if page.key in rows]


def row_key(row: Row) -> str:
    return f"{row['image']}#{row['page']}"


def _missing(engine: Engine, chosen: EvalSet, work: Path, fresh: bool) -> list[EvalPage]:
    path = kept_in(engine, chosen, work)
    path.parent.mkdir(parents=True, exist_ok=True)
    if fresh:
        path.unlink(missing_ok=True)
    there = {row_key(row) for row in kept(engine, chosen, work)}
    return [page for page in chosen.pages if page.key not in there]


Missing = list[tuple[EvalSet, list[EvalPage]]]


def _by_process(engine: Engine, missing: Missing, work: Path) -> Iterator[tuple[EvalSet, Row]]:
    """Ask the engine's long-lived reader page by page."""
    with reader_process(engine, work) as reader:
        for chosen, pages in missing:
            for page in pages:
                answer = reader.read(page.image, page.language, words=chosen.unit == "word")
                yield chosen, {"image": page.file, "page": page.page_no, "regions": [], **answer}


def _by_command(engine: Engine, missing: Missing, work: Path) -> Iterator[tuple[EvalSet, Row]]:
    """Read with `pagemill ocr --jsonl`, as a user does; CPU time is shared out over the pages."""
    for chosen, pages in missing:
        for start in range(0, len(pages), PAGEMILL_PAGES_PER_RUN):
            batch = pages[start : start + PAGEMILL_PAGES_PER_RUN]
            yield from ((chosen, row) for row in run_pagemill(batch))


def run_pagemill(pages: list[EvalPage]) -> list[Row]:
    """One `pagemill ocr` over image files; a page it refuses gets no regions.

    Raises RuntimeError when it ends otherwise than by its contract.
    """
    command = [pagemill(), "ocr", "--jsonl", "-j", "1", *(str(page.image) for page in pages)]
    before = _children_cpu()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"pagemill ocr ended with status {done.returncode}")
    seconds = (_children_cpu() - before) / len(pages)
    found = {row["image"]: row for row in map(json.loads, done.stdout.split("\n")[:-1])}
    if silent := [page.file for page in pages if str(page.image) not in found]:
        raise RuntimeError(f"pagemill ocr said nothing of {silent}")
    return [_pagemill_row(page, found[str(page.image)], seconds) for page in pages]


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _pagemill_row(page: EvalPage, found: Row, seconds: float) -> Row:
    row: Row = {"image": page.file, "page": page.page_no, "cpu": seconds}
    if "error" in found:
        row["error"] = found["error"]
    regions = found["regions"]
    words = [word for region in regions for word in region.get("words", [])]
    lines = [{key: region[key] for key in ("polygon", "text", "score")} for region in regions]
    return {**row, "regions": lines, "words": words}
