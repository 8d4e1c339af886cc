"""CPU seconds a page of Pagemill's reader and of RapidOCR (default and tuned), one thread each.

    PAGEMILL_EVAL_DATA=…/data python -m benchmarks.speed --work FOLDER --write-docs

Three long-lived processes with loaded models read the same image files in turn, page by page,
the first of them changing from page to page, so that whatever else the machine does falls on all
alike. What is compared is processor time, decoding included; waiting does not count.
"""

from __future__ import annotations

import argparse
import statistics
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.datasets import SETS, EvalPage, data_folder, load_set, spread
from benchmarks.engines import BY_NAME, ReaderProcess, reader_process, version
from benchmarks.environments import work_folder
from benchmarks.record import Result, keep, last, write_docs
from benchmarks.tables import markdown, number

COMPARED = ("pagemill", "tuned", "default")
RESAMPLES = 10_000


def main() -> None:
    options = _options()
    work = work_folder(options.work)
    if not options.show:
        chosen = choose_pages(data_folder(), work, options.sets, options.pages_per_set)
        keep("speed", measure(chosen, work, options.rounds))
    result = last("speed")
    print("\n\n".join(tables(result).values()))
    if options.write_docs:
        pages = f"{len(result['pages'])} pages"
        date, place = result["measured_at"][:10], result["machine"]
        write_docs(tables(result), f"Measured {date} on {place}; {pages}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, help="folder of environments and predictions")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS))
    parser.add_argument("--pages-per-set", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1, help="times that each page is read")
    parser.add_argument("--show", action="store_true", help="only print the last result")
    parser.add_argument("--write-docs", action="store_true", help="fill docs/benchmarks.md")
    return parser.parse_args()


def choose_pages(data: Path, work: Path, sets: list[str], count: int) -> list[tuple[str, EvalPage]]:
    """`count` pages of each set, spread evenly over its pages by name."""
    chosen = []
    for name in sets:
        pages = spread(load_set(data, name, work).pages, count)
        chosen += [(name, page) for page in pages]
    return chosen


def measure(pages: list[tuple[str, EvalPage]], work: Path, rounds: int) -> Result:
    """Read every page with every engine, one after the other."""
    with ExitStack() as stack:
        readers = {
            name: stack.enter_context(reader_process(BY_NAME[name], work)) for name in COMPARED
        }
        rows = [
            _measure_page(readers, set_name, page, turn)
            for turn, (set_name, page) in enumerate(pages * rounds)
        ]
        precision = {name: reader.hello["precision"] for name, reader in readers.items()}
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "engines": {name: version(BY_NAME[name]) for name in COMPARED},
        "precision": precision,
        "pages": rows,
    }


def _measure_page(
    readers: dict[str, ReaderProcess], set_name: str, page: EvalPage, turn: int
) -> Result:
    """CPU seconds of each engine on one page; who begins depends on the turn."""
    first = turn % len(COMPARED)
    answers = {name: readers[name].read(page.image) for name in COMPARED[first:] + COMPARED[:first]}
    failed = {name: answer["error"] for name, answer in answers.items() if "error" in answer}
    if failed:
        raise RuntimeError(f"{page.image}: {failed}")
    return {
        "set": set_name,
        "file": page.file,
        "page": page.page_no,
        "cpu": {name: answers[name]["cpu"] for name in COMPARED},
        "lines": {name: len(answers[name]["regions"]) for name in COMPARED},
        "stages": answers["pagemill"]["stages"],
    }


def tables(result: Result) -> dict[str, str]:
    """The tables of a result by the name of their place in the document."""
    return {
        "speed-total": _engine_table(result),
        "speed-sets": _set_table(result),
        "speed-stages": _stage_table(result),
    }


def _engine_table(result: Result) -> str:
    own = [row["cpu"]["pagemill"] for row in result["pages"]]
    rows = []
    for name in COMPARED:
        seconds = [row["cpu"][name] for row in result["pages"]]
        ratio, low, high = ratio_of_totals(seconds, own)
        interval = "1" if name == "pagemill" else f"{ratio:.2f} ({low:.2f}–{high:.2f})"
        mean = number(statistics.fmean(seconds), 2)
        median = number(statistics.median(seconds), 2)
        title = f"{BY_NAME[name].title} ({result['precision'][name]})"
        rows.append([title, number(sum(seconds), 1), mean, median, interval])
    return markdown(["engine", "CPU s in all", "mean a page", "median", "× Pagemill (95 %)"], rows)


def ratio_of_totals(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Their total over ours, with the 95 % interval of a bootstrap over pages (fixed seed)."""
    pairs = np.array([theirs, ours])
    picks = np.random.default_rng(0).integers(0, len(ours), (RESAMPLES, len(ours)))
    sums = pairs[:, picks].sum(axis=2)
    low, high = np.quantile(sums[0] / sums[1], [0.025, 0.975])
    return float(pairs[0].sum() / pairs[1].sum()), float(low), float(high)


def _set_table(result: Result) -> str:
    """Mean CPU seconds and lines a page, by set."""
    by_set: dict[str, list[Result]] = {}
    for row in result["pages"]:
        by_set.setdefault(row["set"], []).append(row)
    rows = []
    for name, group in by_set.items():
        means = [statistics.fmean(row["cpu"][engine] for row in group) for engine in COMPARED]
        lines = statistics.fmean(row["lines"]["pagemill"] for row in group)
        rows.append([f"{name} ({len(group)})", *(number(m, 2) for m in means), number(lines, 0)])
    titles = (BY_NAME[name].title for name in COMPARED)
    return markdown(["set (pages)", *titles, "lines a page"], rows)


def _stage_table(result: Result) -> str:
    """Where Pagemill's time goes: the reader's own stages, and what is left to decoding."""
    count = len(result["pages"])
    stages: dict[str, float] = {}
    for row in result["pages"]:
        for stage, seconds in row["stages"].items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    whole = sum(row["cpu"]["pagemill"] for row in result["pages"])
    stages["decoding and the rest"] = whole - sum(stages.values())
    rows = [
        [stage, number(1000 * seconds / count, 0), f"{100 * seconds / whole:.1f} %"]
        for stage, seconds in stages.items()
    ]
    return markdown(["stage", "CPU ms a page", "share"], rows)


if __name__ == "__main__":
    main()
