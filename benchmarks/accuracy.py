"""How well Pagemill, RapidOCR (default and tuned) and Tesseract read, each in its own environment.

    PAGEMILL_EVAL_DATA=…/data python -m benchmarks.accuracy --work FOLDER --write-docs

Every engine reads the same image files with one thread. Predictions are kept in the work folder
under the engine's version, so a re-run reads only what changed; `--fresh` reads again.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.datasets import SETS, EvalSet, data_folder, load_set
from benchmarks.engines import BY_NAME, ENGINES, Engine, version
from benchmarks.environments import work_folder
from benchmarks.predictions import kept, predict
from benchmarks.record import Result, keep, last, write_docs
from benchmarks.scoring import PLAIN_CER, figures, scorer
from benchmarks.tables import mark_best, markdown, number

LOWER_IS_BETTER = ("page CER", "page CER loose", PLAIN_CER, "CPU s/page")
OWN, RIVALS = ("reader", "pagemill"), ("tuned", "default")
"""The gain is that of the first over the better of the second."""
ALSO_SHOWN = (
    ("sroie2019", "text_bow"),
    ("funsd", "word detection"),
    ("icdar2015", "word detection"),
    ("scribe_documents", "word detection"),
)
"""Figures beside the headline that the product is judged by."""


def main() -> None:
    options = _options()
    work = work_folder(options.work)
    data = data_folder()
    engines = [BY_NAME[name] for name in options.only]
    sets = [load_set(data, name, work, options.limit) for name in options.sets]
    for engine in engines:
        predict(engine, sets, work, options.fresh)
    shown = list(dict.fromkeys([*engines, *ENGINES]))
    result = measure(shown, sets, work, scorer(data))
    print("\n\n".join(tables(result).values()))
    if options.limit is None and set(options.sets) == set(SETS):
        keep("accuracy", result)
    if options.write_docs:
        _write_docs(last("accuracy"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = [engine.name for engine in ENGINES]
    parser.add_argument("--work", type=Path, help="folder of environments and predictions")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS))
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=names,
        help="engines to run; also: reader",
    )
    parser.add_argument("--limit", type=int, help="only the first N pages of each set")
    parser.add_argument("--fresh", action="store_true", help="read again what is kept")
    parser.add_argument("--write-docs", action="store_true", help="fill docs/benchmarks.md")
    return parser.parse_args()


def measure(engines: list[Engine], sets: list[EvalSet], work: Path, script: Path) -> Result:
    """Score whatever is kept of the engines; one that has not read all of a set has no figures."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "engines": {engine.name: version(engine) for engine in engines},
        "sets": {chosen.name: _measure_set(engines, chosen, work, script) for chosen in sets},
    }


def _measure_set(engines: list[Engine], chosen: EvalSet, work: Path, script: Path) -> Result:
    rows = {engine.name: kept(engine, chosen, work) for engine in engines}
    complete = {name: found for name, found in rows.items() if len(found) == len(chosen.pages)}
    return {
        "unit": chosen.unit,
        "pages": len(chosen.pages),
        "figures": {
            name: [asdict(figure) for figure in figures(chosen, found, script)]
            for name, found in complete.items()
        },
    }


def tables(result: Result) -> dict[str, str]:
    """The tables of a result by the name of their place in the document."""
    return {
        "accuracy-headline": _table(result, lambda name, figure: figure["headline"]),
        "accuracy-more": _table(result, lambda name, figure: (name, figure["name"]) in ALSO_SHOWN),
        "accuracy-order": _table(result, lambda name, figure: figure["name"] == "page CER"),
        "accuracy-plain": _table(result, lambda name, figure: figure["name"] == PLAIN_CER),
        "accuracy-cost": _table(result, lambda name, figure: figure["name"] == "CPU s/page"),
    }


def _table(result: Result, wanted: Any) -> str:
    """One row for each set and figure that is wanted, one column for each engine."""
    rows = []
    for name, measured in result["sets"].items():
        for figure in _figure_names(measured, lambda figure, name=name: wanted(name, figure)):
            rows.append([f"{name} ({measured['pages']})", figure, *_row(result, measured, figure)])
    titles = [BY_NAME[name].title for name in result["engines"]]
    return markdown(["set (pages)", "figure", *titles, "gain"], rows)


def _figure_names(measured: Result, wanted: Any) -> list[str]:
    """Names of the wanted figures that any engine has, in order, each once."""
    found = [f["name"] for figures in measured["figures"].values() for f in figures if wanted(f)]
    return list(dict.fromkeys(found))


def _row(result: Result, measured: Result, name: str) -> list[str]:
    values = {engine: _value(measured, engine, name) for engine in result["engines"]}
    digits, lower = (2 if name.startswith("CPU") else 3), name in LOWER_IS_BETTER
    return [
        *mark_best(list(values.values()), digits, lower),
        _gain([values.get(engine) for engine in OWN], [values.get(e) for e in RIVALS], lower),
    ]


def _value(measured: Result, engine: str, name: str) -> float | None:
    figures = measured["figures"].get(engine, [])
    return next((figure["value"] for figure in figures if figure["name"] == name), None)


def _gain(own: list[float | None], rivals: list[float | None], lower: bool) -> str:
    """What Pagemill is better by than the better of its rivals; worse is negative."""
    ours = next((value for value in own if value is not None), None)
    theirs = [value for value in rivals if value is not None]
    if ours is None or not theirs:
        return number(None)
    return f"{min(theirs) - ours:+.3f}" if lower else f"{ours - max(theirs):+.3f}"


def _write_docs(result: Result) -> None:
    write_docs(tables(result), f"Measured {result['measured_at'][:10]} on {result['machine']}.")


if __name__ == "__main__":
    main()
