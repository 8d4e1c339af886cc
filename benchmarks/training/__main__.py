"""What training does: each experiment trains its arms with several seeds and compares them.

    PAGEMILL_EVAL_DATA=…/data python -m benchmarks.training EXPERIMENT… --work FOLDER --write-docs

Trials are kept in the work folder: the same command again runs only what is missing. The result
goes to benchmarks/results/training, its tables into docs/training.md.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import machine
from benchmarks.environments import REPOSITORY, work_folder
from benchmarks.record import Result, keep, last
from benchmarks.training import report
from benchmarks.training.catalogue import experiment, experiments
from benchmarks.training.document import write_tables
from benchmarks.training.experiment import Experiment
from benchmarks.training.trials import run_trials

DOCUMENT = REPOSITORY / "docs" / "training.md"
PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow")


def main() -> None:
    options = _options()
    for name in options.experiments:
        chosen = experiment(name)
        result = last(f"training/{name}") if options.show else _measure(chosen, options)
        tables = report.tables(chosen, result)
        print("\n\n".join([chosen.title, *tables.values(), report.note(result)]))
        if options.write_docs:
            places = {f"{name}-note": report.note(result), **tables}
            write_tables(DOCUMENT, chosen.title, places)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = ", ".join(experiments()) or "none yet"
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT", help=names)
    parser.add_argument("--seeds", type=_seeds, help="as 11,12,13 instead of the experiment's own")
    parser.add_argument("--work", type=Path, help="folder of data sets, checkpoints and trials")
    parser.add_argument("--jobs", "-j", type=int, default=2, help="seeds trained side by side [2]")
    parser.add_argument("--steps", type=int, help="a quick look with fewer steps; not kept")
    parser.add_argument("--fresh", action="store_true", help="run again what is in the work folder")
    parser.add_argument("--show", action="store_true", help="only print the last result")
    parser.add_argument("--write-docs", action="store_true", help="fill docs/training.md")
    options = parser.parse_args()
    if options.steps is not None and (options.show or options.write_docs):
        parser.error("--steps makes a quick look, which is neither kept nor written")
    return options


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _measure(chosen: Experiment, options: argparse.Namespace) -> Result:
    """Run the missing trials; kept unless it is a quick look."""
    seeds = options.seeds or chosen.seeds
    work = work_folder(options.work) / "training"
    trials = run_trials(
        chosen.name, seeds, work, jobs=options.jobs, steps=options.steps, fresh=options.fresh
    )
    result: Result = {
        "experiment": chosen.name,
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "command": _command(chosen, options),
        "versions": {package: version(package) for package in PACKAGES},
        "seeds": list(seeds),
        "settings": dict(chosen.settings),
        "trials": trials,
    }
    if options.steps is None:
        keep(f"training/{chosen.name}", result)
    return result


def _command(chosen: Experiment, options: argparse.Namespace) -> str:
    """What repeats this result, without the folders of this machine."""
    seeds = f" --seeds {','.join(map(str, options.seeds))}" if options.seeds else ""
    return f"python -m benchmarks.training {chosen.name}{seeds}"


if __name__ == "__main__":
    main()
