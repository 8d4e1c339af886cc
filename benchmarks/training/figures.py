"""What several seeds say together: means, spreads, and paired differences with their interval."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (n - 1) over seeds; of one seed there is no deviation."""

    count: int
    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(len(values), statistics.fmean(values), deviation)


@dataclass(frozen=True, slots=True)
class Paired:
    """Differences between two arms with the same seed."""

    differences: tuple[float, ...]
    """One a seed, in the order of the seeds; the arm less what it is held against."""
    spread: Spread
    low: float
    """The 95 % interval of the mean: percentile bootstrap over seeds, with a fixed seed."""
    high: float

    @property
    def positive(self) -> int:
        """Seeds with a gain."""
        return sum(difference > 0 for difference in self.differences)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Paired:
    """Compare values of the same seeds in the same order; with few seeds the interval is rough."""
    differences = np.subtract(ours, theirs)
    picks = np.random.default_rng(0).integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), [0.025, 0.975])
    values = tuple(map(float, differences))
    return Paired(values, Spread.of(values), float(low), float(high))


class Summary:
    """The kept trials of an experiment, asked by arm and figure."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self._trials: dict[tuple[str, int], Mapping[str, Any]] = {
            (trial["arm"], trial["seed"]): trial for trial in result["trials"]
        }
        self.seeds: tuple[int, ...] = tuple(sorted({seed for _, seed in self._trials}))

    def values(self, arm: str, figure: str) -> dict[int, float]:
        """A figure of an arm by seed; trials that do not have it are left out."""
        found = ((seed, self._trials.get((arm, seed))) for seed in self.seeds)
        return {
            seed: float(trial["figures"][figure])
            for seed, trial in found
            if trial is not None and figure in trial["figures"]
        }

    def spread(self, arm: str, figure: str) -> Spread | None:
        """Mean and deviation over the seeds; None when no trial has the figure."""
        values = list(self.values(arm, figure).values())
        return Spread.of(values) if values else None

    def seconds(self, arm: str) -> Spread | None:
        """CPU seconds of a trial of the arm."""
        spent = [t["cpu_seconds"] for (name, _), t in self._trials.items() if name == arm]
        return Spread.of(spent) if spent else None

    def paired(self, arm: str, against: str, figure: str) -> Paired | None:
        """Differences of the seeds that both arms have; None when there are none."""
        ours, theirs = self.values(arm, figure), self.values(against, figure)
        both = [seed for seed in self.seeds if seed in ours and seed in theirs]
        if not both:
            return None
        return paired([ours[seed] for seed in both], [theirs[seed] for seed in both])
