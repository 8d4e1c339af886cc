"""An experiment: arms that are trained with the same seeds and compared pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.training.figures import Summary


@dataclass(frozen=True, slots=True)
class Trial:
    """One arm with one seed: what it is told, and where it may write."""

    arm: str
    seed: int
    folder: Path
    """Its own folder, made and empty: checkpoints, metrics, bundles. Kept after the trial."""
    shared: Path
    """Of all trials of all experiments: drawn data sets and other things made once."""
    evaluation: Path | None
    """The folder of the real data (PAGEMILL_EVAL_DATA); None when there is none."""
    steps: int | None = None
    """Steps to train instead of the experiment's own: a quick look, whose result is not kept."""

    def beside(self, arm: str) -> Path:
        """The folder of an earlier arm with the same seed, to start from its checkpoints."""
        return self.folder.parent / arm

    @property
    def real_data(self) -> Path:
        """The folder of the real data; exits with advice when there is none."""
        if self.evaluation is None:
            raise SystemExit("set PAGEMILL_EVAL_DATA to the folder of the evaluation sets")
        return self.evaluation


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial came to."""

    figures: Mapping[str, float]
    """By name, on held-out data; shares between 0 and 1, not percent."""
    curve: tuple[Mapping[str, float], ...] = ()
    """The evaluations on the way, each with its `step`; short, since it is kept."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to train."""

    name: str
    """Letters, digits and hyphens: it is a folder's name too."""
    title: str
    """What the table calls it."""
    run: Callable[[Trial], Outcome]
    """A function of a module, or `functools.partial` of one: it runs in a process of its own."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against another one, seed by seed."""

    arm: str
    against: str
    figure: str


@dataclass(frozen=True, slots=True)
class Bar:
    """What the result must reach, said before it was measured."""

    sentence: str
    reached: Callable[[Summary], tuple[bool, str]]
    """Whether it did, and the figures that say so."""


Tables = Mapping[str, Callable[[Mapping[str, Any]], str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Arms, seeds, and what is said of them in docs/training.md."""

    name: str
    """What is typed, the result file's name, and the first part of its places in the document."""
    title: str
    arms: tuple[Arm, ...]
    """In order: a later one may read what an earlier one of the same seed left."""
    seeds: tuple[int, ...]
    figures: tuple[str, ...]
    """Those of the table, the main one first."""
    comparisons: tuple[Comparison, ...] = ()
    bars: tuple[Bar, ...] = ()
    lower_is_better: frozenset[str] = frozenset()
    """Figures that are errors or costs."""
    percent: bool = True
    """Whether figures are shares, printed in percent, and differences in points."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What a reader needs to judge the figures (steps, lines, λ), kept with the result."""
    tables: Tables = field(default_factory=dict)
    """More tables by the name of their place, each from the kept result."""

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two arms of one name: {names}")
        unknown = {c.arm for c in self.comparisons} | {c.against for c in self.comparisons}
        if unknown - set(names):
            raise ValueError(f"{self.name} compares arms it has not: {unknown - set(names)}")
