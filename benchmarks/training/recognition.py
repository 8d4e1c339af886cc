"""What the recogniser learns: labels alone, with the tricks of PP-OCRv2, and from a bigger one."""

from __future__ import annotations

from benchmarks.training import (
    recognition_distillation,
    recognition_finetune,
    recognition_ladder,
    recognition_speed,
)
from benchmarks.training.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    *recognition_ladder.EXPERIMENTS,
    *recognition_distillation.EXPERIMENTS,
    *recognition_finetune.EXPERIMENTS,
    *recognition_speed.EXPERIMENTS,
)
"""Found by `benchmarks.training.catalogue`."""
