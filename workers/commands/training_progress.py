"""How far a training run is: a bar on a terminal, a line now and then elsewhere; on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ocr_core.training.run import Hook, Run
from workers.commands.exits import say
from workers.commands.progress import LINE_SECONDS, duration


def progress_hooks(*, quiet: bool) -> list[Hook]:
    """Choose how progress is shown."""
    if quiet:
        return []
    return [BarHook() if sys.stderr.isatty() else LineHook()]


class LineHook(Hook):
    """A line every few seconds, and one for each evaluation."""

    def __init__(self) -> None:
        self._first_step = 0
        self._begun = self._due = 0.0

    def started(self, run: Run) -> None:
        """Start the clock; say where a resumed run begins."""
        if run.step:
            say(f"going on after step {run.step} of {run.options.steps}")
        self._first_step, self._begun = run.step, time.monotonic()
        self._due = self._begun + LINE_SECONDS

    def stepped(self, run: Run) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if run.evaluated_at == run.step:
            say(f"step {run.step}: {described(run.figures)}")
        elif now >= self._due:
            say(
                f"step {run.step} of {run.options.steps}, {_loss(run)}, {self._left(run, now)} left"
            )
            self._due = now + LINE_SECONDS

    def _left(self, run: Run, now: float) -> str:
        a_step = (now - self._begun) / max(1, run.step - self._first_step)
        return duration(a_step * (run.options.steps - run.step))


class BarHook(Hook):
    """A bar that grows with the steps; evaluations are printed above it."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("step"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True, markup=False, highlight=False),
        )
        self._task = self._bar.add_task("steps", total=None, loss="")

    def started(self, run: Run) -> None:
        """Show the bar where the run begins."""
        self._bar.update(self._task, total=run.options.steps, completed=run.step)
        self._bar.start()

    def stepped(self, run: Run) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=run.step, loss=_loss(run))
        if run.evaluated_at == run.step:
            self._bar.console.print(f"step {run.step}: {described(run.figures)}")

    def ended(self, run: Run) -> None:
        """Leave the last state on the screen."""
        self._bar.stop()


def described(figures: Mapping[str, float]) -> str:
    """Figures on one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _loss(run: Run) -> str:
    skipped = f", skipped {run.skipped}" if run.skipped else ""
    return f"loss {run.parts['loss']:.4f}{skipped}" if run.parts else f"no loss{skipped}"
