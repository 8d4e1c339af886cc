"""The only training loop: every model is a `Task`, everything around the step is a hook."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocr_core.training import checkpoint
from ocr_core.training.devices import Device, seed_step
from ocr_core.training.hooks import Average, Checkpoints, EarlyStop, Evaluate, Schedule
from ocr_core.training.interruption import Interruption
from ocr_core.training.loader import batches
from ocr_core.training.options import LoopOptions
from ocr_core.training.run import Hook, Run, put_back, statistics_of
from ocr_core.training.task import Task, Terms

__all__ = ["Hook", "LoopOptions", "Outcome", "Run", "train"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run ended with."""

    step: int
    """Steps done."""
    metrics: Mapping[str, float]
    """Figures of the last evaluation."""
    best: float | None
    """The best value of the task's figure, and the step it was found at."""
    best_step: int
    best_metrics: Mapping[str, float]
    """Figures of the weights that are kept."""
    module: nn.Module
    """The task's module with the best weights, in eval mode."""
    skipped: int
    """Steps without a finite loss."""
    stopped: str | None
    """Why it ended before its time."""


def train(
    task: Task,
    options: LoopOptions,
    where: Device,
    hooks: Sequence[Hook] = (),
    resume: Path | None = None,
) -> Outcome:
    """Train until the steps are done or a hook ends the run; the module keeps the best weights.

    `resume` is a checkpoint, or the folder it lies in: the run goes on as if it had never ended.
    Raises NotLearning, CheckpointMissing, CheckpointDamaged or CheckpointOfAnotherRun.
    """
    average = None if options.ema_decay is None else Average(options.ema_decay)
    evaluate = Evaluate(average)
    run = Run.begin(task, options, where, _in_order(options, average, evaluate, hooks))
    if resume is not None:
        file = resume / checkpoint.LAST if resume.is_dir() else resume
        run.restore(checkpoint.load(file))
    try:
        _steps(run, evaluate)
    finally:
        for hook in run.hooks:
            hook.ended(run)
    return _outcome(run, evaluate)


def _in_order(
    options: LoopOptions, average: Average | None, evaluate: Evaluate, hooks: Sequence[Hook]
) -> list[Hook]:
    """The hooks every run has, then the given ones."""
    early = [] if options.patience is None else [EarlyStop(evaluate, options.patience)]
    averages = [] if average is None else [average]
    return [Schedule(), *averages, evaluate, *early, *sorted(hooks, key=_place)]


def _place(hook: Hook) -> int:
    """Checkpoints hold the state of the other hooks; an interruption waits for them."""
    return 2 if isinstance(hook, Interruption) else 1 if isinstance(hook, Checkpoints) else 0


def _steps(run: Run, evaluate: Evaluate) -> None:
    run.task.module.train()
    for hook in run.hooks:
        hook.started(run)
    ahead = _batches(run)
    while not run.done:
        for hook in run.hooks:
            hook.stepping(run)
        _step(run, list(islice(ahead, run.options.accumulate)))
        run.step += 1
        for hook in run.hooks:
            hook.stepped(run)
    if run.evaluated_at != run.step:  # a hook after the evaluation has ended the run
        evaluate.now(run)


def _batches(run: Run) -> Iterator[Any]:
    options = run.options
    numbers = range(run.step * options.accumulate, options.steps * options.accumulate)
    return batches(run.task, numbers, workers=options.workers, pinned=run.where.is_cuda)


def _step(run: Run, parts: Sequence[Any]) -> None:
    """One update of the weights, or none if the loss or its gradient is not finite."""
    seed_step(run.options.seed, run.step)
    run.optimizer.zero_grad(set_to_none=True)
    before = statistics_of(run.task.module)
    losses = [_backward(run, part) for part in parts]
    norm, numbers = _on_the_cpu(_clip(run), losses)
    run.gradient_norm = norm
    finite = math.isfinite(norm) and math.isfinite(numbers["loss"])
    if finite:
        run.scaler.step(run.optimizer)
    run.scaler.update()
    if finite:
        run.took(numbers)
    else:
        put_back(run.task.module, before)
        run.skip(f"loss {numbers['loss']:g}, norm of its gradient {norm:g}")


def _backward(run: Run, part: Any) -> Terms:
    """The loss of one batch, its gradient added to what is there."""
    with run.where.autocast():
        terms = run.task.loss(run.where.move(part), run.progress)
    run.scaler.scale(terms.total / run.options.accumulate).backward()
    return terms


def _clip(run: Run) -> Tensor:
    """Norm of the gradient before it is cut back to the limit."""
    run.scaler.unscale_(run.optimizer)
    learning = [p for group in run.optimizer.param_groups for p in group["params"]]
    limit = math.inf if run.options.clip is None else run.options.clip
    return nn.utils.clip_grad_norm_(learning, limit)


def _on_the_cpu(norm: Tensor, losses: Sequence[Terms]) -> tuple[float, dict[str, float]]:
    """The norm, and the mean of the totals and of each part: one transfer.

    A GPU is waited for once a step.
    """
    names = dict.fromkeys(name for terms in losses for name in terms.parts)
    columns = [torch.stack([terms.total.detach() for terms in losses])]
    columns += [torch.stack([t.parts[name] for t in losses if name in t.parts]) for name in names]
    first, *rest = torch.stack([norm, *(c.float().mean() for c in columns)]).tolist()
    return first, dict(zip(("loss", *names), rest, strict=True))


def _outcome(run: Run, evaluate: Evaluate) -> Outcome:
    module = run.task.module
    module.load_state_dict(evaluate.best_weights)
    return Outcome(
        step=run.step,
        metrics=dict(run.figures),
        best=evaluate.best,
        best_step=evaluate.best_step,
        best_metrics=dict(evaluate.best_figures),
        module=module.eval(),
        skipped=run.skipped,
        stopped=run.stop,
    )
