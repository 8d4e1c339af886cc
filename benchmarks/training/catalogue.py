"""The experiments by name. Modules that need torch are imported when one of theirs is asked for."""

from __future__ import annotations

import importlib

from benchmarks.training.experiment import Experiment

MODULES = ("benchmarks.training.detection", "benchmarks.training.recognition")
"""Each has `EXPERIMENTS`, a tuple."""


def experiments() -> dict[str, Experiment]:
    """Every experiment by its name; raises ValueError if two have one name."""
    found = [one for name in MODULES for one in importlib.import_module(name).EXPERIMENTS]
    by_name = {one.name: one for one in found}
    if len(by_name) != len(found):
        raise ValueError(f"two experiments of one name: {sorted(one.name for one in found)}")
    return by_name


def experiment(name: str) -> Experiment:
    """The experiment of a name; exits with the list of names if there is none."""
    known = experiments()
    if name not in known:
        raise SystemExit(f"no experiment {name!r}; there are: {', '.join(known) or 'none yet'}")
    return known[name]
