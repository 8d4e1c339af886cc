"""One loop for every model: what it keeps, what it refuses, and that it can be interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ocr_core.training.checkpoint import BEST, LAST, load
from ocr_core.training.devices import Device
from ocr_core.training.errors import (
    CheckpointDamaged,
    CheckpointMissing,
    CheckpointOfAnotherRun,
    NotLearning,
)
from ocr_core.training.hooks import Checkpoints
from ocr_core.training.loop import LoopOptions, train
from ocr_core.training.run import Hook, Run
from ocr_core.training.task import Terms

CPU = Device.of("cpu")


class Slope:
    """Learns y = 3x with a network that has dropout and running statistics."""

    figure = "closeness"
    frozen: Sequence[nn.Module] = ()

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.module = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
        )
        self.seed = seed

    def batch(self, number: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1000 + number)
        x = torch.rand(6, 4, generator=generator)
        return {"x": x, "y": 3 * x.sum(dim=1, keepdim=True)}

    def loss(self, batch: dict[str, Tensor], progress: float) -> Terms:
        square = (self.module(batch["x"]) - batch["y"]).square().mean()
        return Terms(square, {"square": square.detach()})

    def evaluate(self, module: nn.Module) -> dict[str, float]:
        batch = self.batch(-1)
        with torch.no_grad():
            return {"closeness": -float((module(batch["x"]) - batch["y"]).abs().mean())}

    def deployable(self, module: nn.Module) -> nn.Module:
        return module


class Ends(Hook):
    """Ends a run after a step, as a person with a watch would."""

    def __init__(self, step: int) -> None:
        self._step = step

    def stepped(self, run: Run) -> None:
        run.stop = "enough" if run.step == self._step else run.stop


def weights(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(map(torch.equal, one, other))


OPTIONS = LoopOptions(steps=40, lr=0.02, evaluate_every=10)


def test_a_run_learns_and_ends_with_the_best_weights() -> None:
    task = Slope()
    before = task.evaluate(task.module.eval())["closeness"]
    outcome = train(task, replace(OPTIONS, steps=120), CPU)
    assert outcome.step == 120
    assert outcome.best is not None
    assert outcome.best > before / 2
    assert task.evaluate(outcome.module)["closeness"] == outcome.best


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("stop_at", [7, 20, 39])
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, stop_at: int, ema: float | None
) -> None:
    options = replace(OPTIONS, ema_decay=ema, checkpoint_every=1, accumulate=2)
    whole = Slope()
    expected = train(whole, options, CPU)
    train(Slope(), options, CPU, [Ends(stop_at), Checkpoints(tmp_path)])
    again = Slope(seed=5)  # other weights, which the checkpoint replaces
    again.seed = 0
    outcome = train(again, options, CPU, [Checkpoints(tmp_path)], resume=tmp_path)
    assert equal(weights(outcome.module), weights(expected.module))
    assert outcome.best == expected.best
    assert outcome.metrics == expected.metrics


def test_a_finished_run_can_be_resumed_and_does_nothing_more(tmp_path: Path) -> None:
    expected = train(Slope(), OPTIONS, CPU, [Checkpoints(tmp_path)])
    calls: list[int] = []
    task = Slope()
    task.loss = lambda batch, progress: calls.append(1)  # type: ignore[assignment,return-value,method-assign]
    outcome = train(task, OPTIONS, CPU, [Checkpoints(tmp_path)], resume=tmp_path)
    assert not calls
    assert equal(weights(outcome.module), weights(expected.module))


def test_any_number_of_loader_processes_gives_the_same_weights() -> None:
    results = [
        weights(train(Slope(), replace(OPTIONS, steps=10, workers=n), CPU).module)
        for n in (0, 1, 2)
    ]
    assert equal(results[0], results[1])
    assert equal(results[0], results[2])


class Poisoned(Slope):
    """One batch holds a number that is none."""

    def __init__(self, bad: Callable[[int], bool]) -> None:
        super().__init__()
        self._bad = bad

    def batch(self, number: int) -> dict[str, Tensor]:
        batch = super().batch(number)
        if self._bad(number):
            batch["x"][0, 0] = math.nan
        return batch


def test_one_bad_batch_is_left_out_and_leaves_no_trace_in_running_statistics() -> None:
    outcome = train(Poisoned(lambda number: number == 3), OPTIONS, CPU)
    assert outcome.skipped == 1
    assert all(bool(torch.isfinite(value).all()) for value in weights(outcome.module))


def test_only_bad_batches_end_the_run_with_a_sentence() -> None:
    task = Poisoned(lambda number: number >= 5)
    with pytest.raises(NotLearning, match="8 steps up to step 13"):
        train(task, replace(OPTIONS, give_up_after=8), CPU)


def test_bad_batches_before_a_kill_still_count_after_it(tmp_path: Path) -> None:
    options = replace(OPTIONS, give_up_after=8, checkpoint_every=1)
    train(Poisoned(lambda number: number >= 5), options, CPU, [Ends(9), Checkpoints(tmp_path)])
    with pytest.raises(NotLearning, match="up to step 13"):
        train(Poisoned(lambda number: number >= 5), options, CPU, [Checkpoints(tmp_path)], tmp_path)


def test_a_run_that_gets_no_better_ends_early_and_stays_ended(tmp_path: Path) -> None:
    class Stuck(Slope):
        def evaluate(self, module: nn.Module) -> dict[str, float]:
            return {"closeness": 0.5}

    options = replace(OPTIONS, steps=1000, patience=2, evaluate_every=5, checkpoint_every=5)
    outcome = train(Stuck(), options, CPU, [Checkpoints(tmp_path)])
    # found at 5, no better at 10 and 15; of equals the one trained longest is kept
    assert (outcome.step, outcome.best_step) == (15, 15)
    assert outcome.stopped is not None
    assert train(Stuck(), options, CPU, [Checkpoints(tmp_path)], tmp_path).step == 15


def test_a_nan_figure_is_never_the_best() -> None:
    class Unsure(Slope):
        figures = iter([math.nan, 0.3, math.nan, 0.2])

        def evaluate(self, module: nn.Module) -> dict[str, float]:
            return {"closeness": next(self.figures)}

    outcome = train(Unsure(), OPTIONS, CPU)
    assert (outcome.best, outcome.best_step) == (0.3, 20)


def test_frozen_networks_are_set_to_rest_and_get_no_gradient() -> None:
    class Taught(Slope):
        def __init__(self) -> None:
            super().__init__()
            self.teacher = nn.Sequential(nn.Linear(4, 1), nn.BatchNorm1d(1))
            self.frozen = (self.teacher,)

        def loss(self, batch: dict[str, Tensor], progress: float) -> Terms:
            answer = self.teacher(batch["x"])
            assert not answer.requires_grad
            square = (self.module(batch["x"]) - answer).square().mean()
            return Terms(square, {"distill": square.detach()})

    task = Taught()
    before = weights(task.teacher)
    train(task, OPTIONS, CPU)
    assert equal(weights(task.teacher), before)


def test_accumulated_batches_are_one_large_batch() -> None:
    class Plain(Slope):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Sequential(nn.Linear(4, 1))

    class Large(Plain):
        def batch(self, number: int) -> dict[str, Tensor]:
            halves = super().batch(2 * number), super().batch(2 * number + 1)
            return {key: torch.cat([half[key] for half in halves]) for key in halves[0]}

    options = replace(OPTIONS, steps=5)
    large, small = Large(), Plain()
    small.module.load_state_dict(large.module.state_dict())
    one = weights(train(large, options, CPU).module)
    two = weights(train(small, replace(options, accumulate=2), CPU).module)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_learns_too(precision: str) -> None:
    options = replace(OPTIONS, steps=80)
    outcome = train(Slope(), options, Device.of("cpu", precision))
    assert outcome.best is not None
    assert outcome.best > -2.5
    assert all(value.dtype != torch.float16 for value in weights(outcome.module))


def test_the_rate_rises_falls_and_is_a_function_of_the_step() -> None:
    options = LoopOptions(steps=100, lr=1.0, warmup_share=0.1)
    assert options.rate(0) == pytest.approx(1 / 11)
    assert options.rate(9) < 1.0
    assert options.rate(50) == pytest.approx(0.5)  # (1 + cos 90°) / 2, not shifted by the warm-up
    drops = replace(options, schedule="step", drops=(0.5, 0.75))
    assert [round(drops.rate(step), 6) for step in (49, 50, 75)] == [1.0, 0.1, 0.01]


def test_weights_decay_and_biases_do_not() -> None:
    seen: list[dict[str, Any]] = []

    class Looks(Hook):
        def started(self, run: Run) -> None:
            seen.extend(run.optimizer.param_groups)

    train(Slope(), replace(OPTIONS, steps=1, weight_decay=0.1), CPU, [Looks()])
    assert [(group["weight_decay"], {p.ndim for p in group["params"]}) for group in seen] == [
        (0.1, {2}),
        (0.0, {1}),
    ]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    train(Slope(), OPTIONS, CPU, [Checkpoints(tmp_path, {"data": "a"})])
    with pytest.raises(CheckpointOfAnotherRun, match=r"lr was 0\.02, not 0\.5"):
        train(Slope(), replace(OPTIONS, lr=0.5), CPU, [Checkpoints(tmp_path)], tmp_path)
    with pytest.raises(CheckpointOfAnotherRun, match="precision was fp32, not bf16"):
        train(Slope(), OPTIONS, Device.of("cpu", "bf16"), [Checkpoints(tmp_path)], tmp_path)
    with pytest.raises(CheckpointOfAnotherRun, match="data was a, not b"):
        train(Slope(), OPTIONS, CPU, [Checkpoints(tmp_path, {"data": "b"})], tmp_path)


def test_a_missing_or_damaged_checkpoint_has_its_own_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing):
        train(Slope(), OPTIONS, CPU, resume=tmp_path)
    (tmp_path / LAST).write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(CheckpointDamaged):
        train(Slope(), OPTIONS, CPU, resume=tmp_path)


def test_checkpoints_leave_two_files_and_no_drafts(tmp_path: Path) -> None:
    (tmp_path / f".{LAST}-abc").write_bytes(b"half written by a process that was killed")
    outcome = train(Slope(), OPTIONS, CPU, [Checkpoints(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, LAST]
    best = load(tmp_path / BEST)
    assert (best["step"], best["figure"]) == (outcome.best_step, outcome.best)
    assert equal(list(best["module"].values()), weights(outcome.module))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_same_run_on_a_gpu_learns(precision: str) -> None:
    where = Device.of("cuda", precision)
    outcome = train(Slope(), replace(OPTIONS, steps=120, workers=2), where)
    assert outcome.best is not None
    assert outcome.best > -2.5
    assert next(outcome.module.parameters()).is_cuda
