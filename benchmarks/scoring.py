"""Figures of an engine on a set, by the scorer named by PAGEMILL_EVAL_SCORE."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import EvalSet, label_key, read_jsonl
from benchmarks.plain_order import LISTED_SO, in_plain_order, share_in_plain_order
from benchmarks.predictions import Row

WORD_DETECTION = ("funsd", "icdar2015", "scribe_documents")
"""Sets whose word boxes are good enough to measure the engines' word boxes."""
PLAIN_CER = "page CER, lines sorted by height"
"""Where the labels are listed so: it leaves the order of columns out (benchmarks.plain_order)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured quantity; `headline` marks the one the set is judged by."""

    name: str
    value: float | None
    headline: bool = False


def scorer(data: Path) -> Path:
    """The scorer: PAGEMILL_EVAL_SCORE, or `eval/score.py` beside the data folder."""
    path = Path(os.environ.get("PAGEMILL_EVAL_SCORE") or data.parent / "eval" / "score.py")
    if not path.exists():
        raise SystemExit(f"no scorer at {path}: set PAGEMILL_EVAL_SCORE")
    return path


def figures(chosen: EvalSet, rows: list[Row], script: Path) -> list[Figure]:
    """Every figure of one engine on one set; lower is better for those called CER."""
    found = [*_region_figures(chosen, rows, script), *_page_figures(chosen, rows, script)]
    seconds = sum(row["cpu"] for row in rows) / len(rows) if rows else None
    return [*found, Figure("CPU s/page", seconds)]


def _region_figures(chosen: EvalSet, rows: list[Row], script: Path) -> list[Figure]:
    if chosen.labels is None:
        return []
    total = _score(chosen, rows, script, "--labels")["total"]
    by_line = chosen.unit == "line"
    found = [
        Figure("e2e relaxed", total["e2e_relaxed"]["hmean"], headline=by_line),
        Figure("text_bow", total["text_bow"]["hmean"], headline=not by_line),
        Figure("1-NED", total["e2e_ned"]["one_minus_ned"]),
        Figure("detection", total["detection"]["hmean"]),
    ]
    if chosen.name in WORD_DETECTION:
        found.append(Figure("word detection", _word_detection(chosen, rows, script)))
    return found


def _word_detection(chosen: EvalSet, rows: list[Row], script: Path) -> float | None:
    """Detection hmean of the engine's word boxes; None when it gave none."""
    words = [{**row, "regions": row["words"]} for row in rows if row.get("words") is not None]
    if not words:
        return None
    total: Any = _score(chosen, words, script, "--labels")["total"]
    return float(total["detection"]["hmean"])


def _page_figures(chosen: EvalSet, rows: list[Row], script: Path) -> list[Figure]:
    if chosen.texts is None:
        return []
    micro = _score(chosen, rows, script, "--pages")["total"]["micro"]
    headline = chosen.unit == "page"
    found = [
        Figure("bow_f1", micro["bow_f1"], headline),
        Figure("page CER", micro["cer"], headline),
        Figure("page CER loose", micro["cer_loose"]),
    ]
    if share_in_plain_order(chosen) >= LISTED_SO:
        plain = [in_plain_order(row) for row in rows]
        cer = _score(chosen, plain, script, "--pages")["total"]["micro"]["cer"]
        found.append(Figure(PLAIN_CER, cer))
    return found


def _score(chosen: EvalSet, rows: list[Row], script: Path, mode: str) -> dict[str, Any]:
    """Run the scorer over the pages of the set and return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        truth, predictions = Path(folder) / "truth.jsonl", Path(folder) / "predictions.jsonl"
        _write_jsonl(truth, _truth(chosen, mode))
        _write_jsonl(predictions, rows)
        command = [sys.executable, str(script), mode, str(truth), "--json", "-"]
        command += ["--predictions", str(predictions)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _truth(chosen: EvalSet, mode: str) -> list[Row]:
    """The labels of the chosen pages only: a subset is scored as if it were the set."""
    path = chosen.labels if mode == "--labels" else chosen.texts
    assert path is not None
    keys = {page.key for page in chosen.pages}
    return [row for row in read_jsonl(path) if label_key(row) in keys]


def _write_jsonl(path: Path, rows: list[Row]) -> None:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
