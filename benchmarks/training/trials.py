"""Runs the trials of an experiment: a process a seed, one thread each, nothing done twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.training.catalogue import experiment
from benchmarks.training.experiment import Trial

Row = dict[str, Any]
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_trials(
    name: str, seeds: Sequence[int], work: Path, *, jobs: int, steps: int | None, fresh: bool
) -> list[Row]:
    """The trials of all arms and seeds, in the order of the seeds.

    Seeds run side by side in `jobs` processes, each with one thread: on few cores that is faster
    than more threads, and CPU seconds stay comparable. A trial that is in the work folder already
    is taken from there unless `fresh`.
    """
    for variable in ONE_THREAD:
        os.environ[variable] = "1"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        running = [pool.submit(run_seed, name, seed, work, steps, fresh) for seed in seeds]
        for done in as_completed(running):
            done.result()  # the first failure ends the run; what is finished stays in the folder
    return [row for future in running for row in future.result()]


def run_seed(name: str, seed: int, work: Path, steps: int | None, fresh: bool) -> list[Row]:
    """Every arm of an experiment with one seed, one after the other."""
    length = "" if steps is None else f"-{steps}-steps"
    folder = work / f"{name}{length}" / f"seed-{seed}"
    evaluation = os.environ.get("PAGEMILL_EVAL_DATA")
    rows = []
    for arm in experiment(name).arms:
        trial = Trial(
            arm=arm.name,
            seed=seed,
            folder=folder / arm.name,
            shared=work / "shared",
            evaluation=Path(evaluation) if evaluation else None,
            steps=steps,
        )
        rows.append((None if fresh else _kept(trial)) or _run(name, trial))
    return rows


def _kept(trial: Trial) -> Row | None:
    path = trial.folder / "trial.json"
    row: Row | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return row


def _run(name: str, trial: Trial) -> Row:
    shutil.rmtree(trial.folder, ignore_errors=True)
    trial.folder.mkdir(parents=True)
    trial.shared.mkdir(parents=True, exist_ok=True)
    run = next(arm.run for arm in experiment(name).arms if arm.name == trial.arm)
    before = _cpu_seconds()
    outcome = run(trial)
    row: Row = {
        "arm": trial.arm,
        "seed": trial.seed,
        "cpu_seconds": round(_cpu_seconds() - before, 1),
        "figures": dict(outcome.figures),
        "curve": [dict(point) for point in outcome.curve],
    }
    part = trial.folder / "trial.part"
    part.write_text(json.dumps(row), encoding="utf-8")
    part.rename(trial.folder / "trial.json")
    shown = ", ".join(f"{figure} {value:.4f}" for figure, value in row["figures"].items())
    print(f"{name} {trial.arm} seed {trial.seed}: {shown}", file=sys.stderr, flush=True)
    return row


def _cpu_seconds() -> float:
    """Of this process and of the children it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
