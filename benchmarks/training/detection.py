"""What the detector learns: labels alone, and with the tricks of PP-OCRv2."""

from __future__ import annotations

from benchmarks.training.detection_distillation import DISTILLATION
from benchmarks.training.detection_ladder import LADDER
from benchmarks.training.detection_speed import SPEED
from benchmarks.training.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (LADDER, DISTILLATION, SPEED)
"""Found by `benchmarks.training.catalogue`."""
