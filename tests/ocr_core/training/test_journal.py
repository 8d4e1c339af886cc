"""What a run writes down survives a kill without a gap and without a line too many."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ocr_core.training.devices import Device
from ocr_core.training.hooks import Checkpoints
from ocr_core.training.interruption import Interruption
from ocr_core.training.journal import FILE, Journal, TensorBoard, read_journal
from ocr_core.training.loop import LoopOptions, train
from ocr_core.training.run import Hook, Run
from ocr_core.training.task import Terms

CPU = Device.of("cpu")
OPTIONS = LoopOptions(steps=20, lr=0.1, evaluate_every=10, checkpoint_every=5)


class Number:
    """Learns one number."""

    figure = "closeness"
    frozen: Sequence[nn.Module] = ()

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1)
        nn.init.zeros_(self.module.weight)
        nn.init.zeros_(self.module.bias)

    def batch(self, number: int) -> Tensor:
        return torch.tensor([[float(number % 3)]])

    def loss(self, batch: Tensor, progress: float) -> Terms:
        square = (self.module(batch) - 1).square().mean()
        return Terms(square, {"square": square.detach()})

    def evaluate(self, module: nn.Module) -> dict[str, float]:
        return {"closeness": -(float(module(torch.ones(1, 1)).detach() - 1) ** 2), "odd": math.nan}

    def deployable(self, module: nn.Module) -> nn.Module:
        return module


class At(Hook):
    """Does something after a step."""

    def __init__(self, step: int, action: Any) -> None:
        self._step = step
        self._action = action

    def stepped(self, run: Run) -> None:
        if run.step == self._step:
            self._action(run)


def hooks(folder: Path) -> list[Hook]:
    return [Journal(folder, every=5), Checkpoints(folder)]


def without_time(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def test_losses_are_means_and_figures_have_lines_of_their_own(tmp_path: Path) -> None:
    losses: list[float] = []

    class Watch(Hook):
        def stepped(self, run: Run) -> None:
            losses.append(run.parts["loss"])

    train(Number(), OPTIONS, CPU, [Watch(), *hooks(tmp_path)])
    records = read_journal(tmp_path)
    assert [(r["step"], "figures" in r) for r in records] == [
        *((5, False), (10, False), (10, True)),
        *((15, False), (20, False), (20, True)),
    ]
    assert records[0]["loss"] == pytest.approx(sum(losses[:5]) / 5)
    assert records[0]["square"] == pytest.approx(records[0]["loss"])
    assert records[2]["figures"]["odd"] is None  # JSON knows no NaN
    json.loads((tmp_path / FILE).read_text().splitlines()[2], parse_constant=lambda name: 1 / 0)


def test_a_resumed_journal_is_that_of_an_uninterrupted_run(tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    train(Number(), OPTIONS, CPU, hooks(whole))
    shortly = replace(OPTIONS, checkpoint_every=7)

    def die(run: Run) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        train(Number(), shortly, CPU, [*hooks(torn), At(12, die)])
    with (torn / FILE).open("a") as file:
        file.write('{"step": 13, "los')  # the line a killed process was writing
    train(Number(), shortly, CPU, hooks(torn), resume=torn)
    assert without_time(read_journal(torn)) == without_time(read_journal(whole))


def test_a_new_run_in_an_old_folder_begins_a_new_journal(tmp_path: Path) -> None:
    for _ in range(2):
        train(Number(), OPTIONS, CPU, hooks(tmp_path))
    assert len(read_journal(tmp_path)) == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    expected = train(Number(), OPTIONS, CPU)
    handler = signal.getsignal(number)
    checkpoints = Checkpoints(tmp_path)
    kill = At(3, lambda run: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        train(Number(), OPTIONS, CPU, [Interruption(checkpoints), checkpoints, kill])
    assert signal.getsignal(number) == handler
    outcome = train(Number(), OPTIONS, CPU, [Checkpoints(tmp_path)], resume=tmp_path)
    assert torch.equal(outcome.module.weight, expected.module.weight)  # type: ignore[arg-type]


def test_checkpoints_are_also_written_by_the_clock(tmp_path: Path) -> None:
    options = replace(OPTIONS, checkpoint_every=0)
    seen: list[bool] = []
    look = At(2, lambda run: seen.append((tmp_path / "last.pt").exists()))
    late = Checkpoints(tmp_path, seconds=0.0)

    class Second(At):
        def stepping(self, run: Run) -> None:
            if run.step == 2:
                self._action(run)

        def stepped(self, run: Run) -> None:
            pass

    train(Number(), options, CPU, [Second(2, look._action), late])
    assert seen == [True]


@pytest.mark.skipif(not TensorBoard.installed(), reason="the package tensorboard is not installed")
def test_tensorboard_gets_losses_and_figures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(Number(), OPTIONS, CPU, [TensorBoard(tmp_path, every=5)])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert {"loss/loss", "loss/square", "run/rate", "figures/closeness"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("loss/loss")] == [5, 10, 15, 20]
