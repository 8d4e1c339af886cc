"""What a run wrote down: losses and figures as JSON lines, and for TensorBoard if it is there.

    {"step": 20, "loss": 3.1, "ctc": 3.1, "rate": 0.003, "gradient": 2.4, "skipped": 0, …}
    {"step": 20, "figures": {"line_accuracy": 0.5, …}}

Losses are means over the steps since the line before.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ocr_core.training.run import Hook, Run

FILE = "metrics.jsonl"


class Journal(Hook):
    """Writes `metrics.jsonl`; a resumed run continues it as if it had never ended."""

    def __init__(self, folder: Path, every: int = 10) -> None:
        self._file = folder / FILE
        self._every = every
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._seconds = 0.0
        self._since = 0.0

    def started(self, run: Run) -> None:
        """Drop lines of steps that were lost with a killed process."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in _lines(self._file) if _step_of(line) <= run.step and run.step]
        draft = self._file.with_suffix(".draft")
        draft.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        draft.replace(self._file)
        self._since = time.monotonic()

    def stepped(self, run: Run) -> None:
        """Add to the means; write if it is time."""
        for name, value in run.parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        if run.step % self._every == 0 or run.done:
            self._write(self._record(run))
        if run.evaluated_at == run.step:
            self._write({"step": run.step, "figures": run.figures})

    def _record(self, run: Run) -> dict[str, Any]:
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return {
            "step": run.step,
            **means,
            "rate": run.rate,
            "gradient": run.gradient_norm,
            "skipped": run.skipped,
            "seconds": round(self._spent(), 3),
        }

    def _spent(self) -> float:
        """Seconds of the run, those before an interruption included."""
        return self._seconds + time.monotonic() - self._since

    def _write(self, record: Mapping[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(record), ensure_ascii=False) + "\n")

    def state(self) -> Mapping[str, Any]:
        """The means under way, and the time spent."""
        return {"sums": self._sums, "counts": self._counts, "seconds": self._spent()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue."""
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
        self._seconds = state["seconds"]


class TensorBoard(Hook):
    """Writes losses and figures for TensorBoard."""

    def __init__(self, folder: Path, every: int = 10) -> None:
        """Raises ModuleNotFoundError without the package `tensorboard`: see `installed`."""
        self._folder = folder
        self._every = every
        self._writer: Any = None

    @staticmethod
    def installed() -> bool:
        """Whether the package is there."""
        return find_spec("tensorboard") is not None

    def started(self, run: Run) -> None:
        """Open the log; what comes after the step of a resumed run is hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder), purge_step=run.step)

    def stepped(self, run: Run) -> None:
        """Write if it is time."""
        if run.step % self._every == 0 or run.done:
            self._add("loss", run.parts, run.step)
            self._add("run", {"rate": run.rate, "gradient": run.gradient_norm}, run.step)
        if run.evaluated_at == run.step:
            self._add("figures", run.figures, run.step)

    def _add(self, group: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def ended(self, run: Run) -> None:
        """Close the log."""
        if self._writer is not None:
            self._writer.close()


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The records of a run; a line that a killed process did not finish is left out."""
    return [json.loads(line) for line in _lines(folder / FILE)]


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if _step_of(line) < math.inf]


def _step_of(line: str) -> float:
    """The step a line is of; infinite if it is not whole."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: such a number is null."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
