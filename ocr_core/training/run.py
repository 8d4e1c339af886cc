"""A training run under way: what the step changes and the hooks look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ocr_core.training.devices import Device
from ocr_core.training.errors import CheckpointDamaged, CheckpointOfAnotherRun, NotLearning
from ocr_core.training.options import LoopOptions
from ocr_core.training.task import Task


class Hook:
    """Something that happens around the steps; by itself it does nothing.

    A hook's state is part of a checkpoint.
    """

    def started(self, run: Run) -> None:
        """Act before the first step; a resumed run has its state by now."""

    def stepping(self, run: Run) -> None:
        """Act before a step; `run.step` is its number, counted from 0."""

    def stepped(self, run: Run) -> None:
        """Act after a step; `run.step` is the number of steps done."""

    def ended(self, run: Run) -> None:
        """Act after the last step, also of a run that failed."""

    def state(self) -> Mapping[str, Any]:
        """What the hook has to know after a restart: tensors and plain values."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; raises CheckpointOfAnotherRun if it is not this run's."""


@dataclass(slots=True)
class Run:
    """A training run between two steps."""

    task: Task
    options: LoopOptions
    where: Device
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    hooks: Sequence[Hook]
    step: int = 0
    """Steps done."""
    parts: dict[str, float] = field(default_factory=dict)
    """The total and the terms of the last step's loss; empty if it was skipped."""
    figures: dict[str, float] = field(default_factory=dict)
    """Of the last evaluation."""
    evaluated_at: int = -1
    """Steps done at the last evaluation."""
    gradient_norm: float = 0.0
    """Before clipping; of the last step."""
    skipped: int = 0
    """Steps whose loss or gradient was not finite."""
    skipped_in_a_row: int = 0
    stop: str | None = None
    """Why the run shall end after this step; not kept in a checkpoint."""

    @classmethod
    def begin(cls, task: Task, options: LoopOptions, where: Device, hooks: Sequence[Hook]) -> Run:
        """A run before its first step; networks are moved to the device."""
        where.place(task.module)
        for module in task.frozen:
            where.place(module).eval().requires_grad_(False)
        return cls(task, options, where, _optimizer(task.module, options), where.scaler(), hooks)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.stop is not None or self.step >= self.options.steps

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def progress(self) -> float:
        """Steps done / steps in all."""
        return self.step / self.options.steps

    def skip(self, why: str) -> None:
        """Count a step that changed nothing; raises NotLearning after too many in a row."""
        self.parts = {}
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= self.options.give_up_after:
            raise NotLearning(f"{why}, {self.skipped_in_a_row} steps up to step {self.step + 1}")

    def took(self, parts: dict[str, float]) -> None:
        """Note the loss of a step that changed the weights."""
        self.skipped_in_a_row = 0
        self.parts = parts

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        return {
            "options": self._deciding(),
            **{name: getattr(self, name) for name in _COUNTERS},
            "figures": dict(self.figures),
            "module": self.task.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "hooks": {type(hook).__name__: dict(hook.state()) for hook in self.hooks},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; raises CheckpointOfAnotherRun or CheckpointDamaged."""
        try:
            refuse_others(self._deciding(), state["options"])
            for hook in self.hooks:
                if (kept := state["hooks"].get(type(hook).__name__)) is not None:
                    hook.restore(kept)
            self.task.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            for name in _COUNTERS:
                setattr(self, name, state[name])
            self.figures = dict(state["figures"])
        except KeyError as error:
            raise CheckpointDamaged(f"it has no {error}") from error
        except (RuntimeError, ValueError) as error:
            raise CheckpointOfAnotherRun(str(error)) from error

    def _deciding(self) -> dict[str, Any]:
        """What a resumed run must agree in to compute the same."""
        options = {k: v for k, v in asdict(self.options).items() if k not in _FREE}
        return {**options, "precision": self.where.precision}


_COUNTERS = ("step", "skipped", "skipped_in_a_row", "evaluated_at")
_FREE = ("workers", "checkpoint_every", "give_up_after")
"""Options that do not change what a run computes."""


def refuse_others(own: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Raise CheckpointOfAnotherRun, naming the first value in which a run differs from this one."""
    for name, value in own.items():
        if kept.get(name) != value:
            raise CheckpointOfAnotherRun(f"{name} was {kept.get(name)}, not {value}")


def statistics_of(module: nn.Module) -> dict[str, Tensor]:
    """Copies of what a forward pass changes: running statistics of normalisations."""
    return {name: value.clone() for name, value in module.named_buffers() if _runs(name)}


def put_back(module: nn.Module, statistics: Mapping[str, Tensor]) -> None:
    """Undo the changes of a forward pass: NaN in running statistics would stay for good."""
    for name, value in module.named_buffers():
        if name in statistics:
            value.copy_(statistics[name])


def _runs(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def _optimizer(module: nn.Module, options: LoopOptions) -> torch.optim.Optimizer:
    """Adam or AdamW; decay for what has two or more axes."""
    learning = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    filled = [group for group in groups if group["params"]]
    make = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return make(filled, lr=options.lr)
