"""The numbers of a training run that do not depend on what is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["cosine", "constant", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """How long to train, how fast to learn, how often to look."""

    steps: int
    """Updates of the weights."""
    optimizer: Optimizer = "adam"
    """`adam`: weight decay is part of the gradient, as Paddle's L2; `adamw`: it is not."""
    lr: float = 1e-3
    warmup_share: float = 0.05
    """Part of the steps in which the rate rises from 0."""
    schedule: Schedule = "cosine"
    drops: tuple[float, ...] = (0.875,)
    """Parts of the steps after which the rate of `step` is a tenth (PP-OCRv2: epoch 700 of 800)."""
    weight_decay: float = 0.0
    """Of weights with two or more axes; biases and normalisations are left alone."""
    clip: float | None = 10.0
    """Largest norm of the gradient."""
    ema_decay: float | None = None
    """What is kept of the averaged weights at each step; None: no average."""
    seed: int = 0
    evaluate_every: int = 0
    """Steps between evaluations; 0: only at the end."""
    checkpoint_every: int = 0
    """Steps between checkpoints; 0: only at the end."""
    patience: int | None = None
    """Evaluations without a better figure after which the run ends."""
    accumulate: int = 1
    """Batches whose gradients are averaged for one update."""
    workers: int = 0
    """Processes that make batches ahead of time."""
    give_up_after: int = 50
    """Steps in a row without a finite loss after which the run fails."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.accumulate < 1:
            raise ValueError("steps and accumulate must be at least 1")
        if not 0 <= self.warmup_share < 1 or not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError("lr must be above 0 and warmup_share in [0, 1)")

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0.

        After the warm-up the cosine continues as if it had begun at step 0 (PP-OCR §7).
        """
        warmup = self.warmup_share * self.steps
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        share = step / self.steps
        match self.schedule:
            case "cosine":
                return self.lr * (1 + math.cos(math.pi * share)) / 2
            case "step":
                return self.lr * 0.1 ** sum(share >= drop for drop in self.drops)
            case _:
                return self.lr
