"""What the recogniser learns: labels alone, and with the tricks of PP-OCRv2."""

from __future__ import annotations

from benchmarks.training import recognition_ladder
from benchmarks.training.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = recognition_ladder.EXPERIMENTS
"""Found by `benchmarks.training.catalogue`."""
