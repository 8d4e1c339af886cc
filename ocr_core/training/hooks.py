"""What happens around the steps of the loop: evaluate, average, schedule, keep, stop early."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ocr_core.training import checkpoint
from ocr_core.training.run import Hook, Run, refuse_others


class Schedule(Hook):
    """Sets the learning rate of each step."""

    def stepping(self, run: Run) -> None:
        """Give every group the rate of this step."""
        rate = run.options.rate(run.step)
        for group in run.optimizer.param_groups:
            group["lr"] = rate


class Average(Hook):
    """Exponential moving average of the weights (EMA), the ones that are evaluated and kept.

    The first averages follow quickly: decay = min(d, (1 + n) / (10 + n)) after n steps.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._mean: dict[str, Tensor] = {}
        self._count = 0

    def started(self, run: Run) -> None:
        """Begin with the weights as they are."""
        if not self._mean:
            self._mean = _copied(run.task.module)

    @torch.no_grad()
    def stepped(self, run: Run) -> None:
        """Move the average towards the weights; a skipped step moves nothing."""
        if not run.parts:
            return
        self._count += 1
        share = 1 - min(self._decay, (1 + self._count) / (10 + self._count))
        for name, value in run.task.module.state_dict().items():
            if value.is_floating_point():
                self._mean[name].lerp_(value, share)
            else:
                self._mean[name].copy_(value)

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The averaged weights by name."""
        return self._mean

    def state(self) -> Mapping[str, Any]:
        """Averages and their count."""
        return {"mean": self._mean, "count": self._count}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the average."""
        self._mean = {name: value.clone() for name, value in state["mean"].items()}
        self._count = state["count"]


class Evaluate(Hook):
    """Measures now and then and at the end, and remembers the best weights."""

    def __init__(self, average: Average | None = None) -> None:
        self._average = average
        self.best: float | None = None
        self.best_step = 0
        self.best_figures: Mapping[str, float] = {}
        self.best_weights: Mapping[str, Tensor] = {}
        self.since_best = 0
        """Evaluations since the figure last rose."""

    def stepped(self, run: Run) -> None:
        """Evaluate if it is time."""
        every = run.options.evaluate_every
        if (every and run.step % every == 0) or run.done:
            self.now(run)

    def now(self, run: Run) -> None:
        """Measure the weights as they are, or their average."""
        with self.weights_to_keep(run):
            run.figures = _measured(run)
            run.evaluated_at = run.step
            self._compare(run, run.figures[run.task.figure])

    def _compare(self, run: Run, figure: float) -> None:
        """Remember the weights if they are the best; of equally good ones those trained longer."""
        known = self.best is not None and math.isfinite(self.best)
        self.since_best = 0 if not known or figure > cast(float, self.best) else self.since_best + 1
        if not known or figure >= cast(float, self.best):
            self.best, self.best_step, self.best_figures = figure, run.step, run.figures
            self.best_weights = _copied(run.task.module)

    @contextmanager
    def weights_to_keep(self, run: Run) -> Iterator[None]:
        """The module holds the averaged weights, if there are any, while this is entered."""
        if self._average is None:
            yield
            return
        module = run.task.module
        own = _copied(module)
        module.load_state_dict(self._average.weights)
        try:
            yield
        finally:
            module.load_state_dict(own)

    def state(self) -> Mapping[str, Any]:
        """The best weights and where they were found."""
        return {
            "best": self.best,
            "best_step": self.best_step,
            "best_figures": dict(self.best_figures),
            "best_weights": dict(self.best_weights),
            "since_best": self.since_best,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue with what was best so far."""
        self.best, self.best_step = state["best"], state["best_step"]
        self.best_weights, self.since_best = state["best_weights"], state["since_best"]
        self.best_figures = state["best_figures"]


class EarlyStop(Hook):
    """Ends a run that has not become better for some evaluations."""

    def __init__(self, evaluate: Evaluate, patience: int) -> None:
        self._evaluate = evaluate
        self._patience = patience

    def started(self, run: Run) -> None:
        """End a resumed run that had ended."""
        self.stepped(run)

    def stepped(self, run: Run) -> None:
        """Look at the evaluations so far."""
        if self._evaluate.since_best >= self._patience:
            run.stop = f"no better {run.task.figure} in {self._patience} evaluations"


class Checkpoints(Hook):
    """Writes the state of the run: `last.pt` to resume from, `best.pt` with the best weights.

    Comes after every hook whose state it writes.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, Any] | None = None, seconds: float | None = None
    ) -> None:
        """`identity`: what a run to be resumed must agree in; plain values.

        `seconds`: also write when so much time has passed; a resumed run is the same wherever it
        was interrupted.
        """
        self._folder = folder
        self._identity = dict(identity or {})
        self._seconds = math.inf if seconds is None else seconds
        self._written_at = 0.0
        self._best_step = -1

    def started(self, run: Run) -> None:
        """Clear what a killed process left half written."""
        checkpoint.clear_drafts(self._folder)
        self._written_at = time.monotonic()

    def stepped(self, run: Run) -> None:
        """Write if it is time."""
        every = run.options.checkpoint_every
        waited = time.monotonic() - self._written_at >= self._seconds
        if waited or (every and run.step % every == 0) or run.done:
            self.write(run)

    def write(self, run: Run) -> None:
        """Write the state as it is."""
        checkpoint.save(run.state(), self._folder / checkpoint.LAST)
        self._save_best(run)
        self._written_at = time.monotonic()

    def _save_best(self, run: Run) -> None:
        evaluate = next((hook for hook in run.hooks if isinstance(hook, Evaluate)), None)
        if evaluate is None or evaluate.best is None or evaluate.best_step == self._best_step:
            return
        best = {"step": evaluate.best_step, "figure": evaluate.best}
        state = {**best, "module": dict(evaluate.best_weights)}
        checkpoint.save(state, self._folder / checkpoint.BEST)
        self._best_step = evaluate.best_step

    def state(self) -> Mapping[str, Any]:
        """What the run is."""
        return {"identity": self._identity}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Refuse the checkpoint of another run."""
        refuse_others(self._identity, state["identity"])


def _measured(run: Run) -> dict[str, float]:
    """Figures in full precision, whatever the steps compute in: a model is published in it."""
    module = run.task.module
    module.eval()
    try:
        with torch.no_grad():
            return dict(run.task.evaluate(module))
    finally:
        module.train()


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
