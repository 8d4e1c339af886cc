"""What the detector learns: labels alone, and with the tricks of PP-OCRv2."""

from __future__ import annotations

from benchmarks.training.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = ()
"""Found by `benchmarks.training.catalogue`."""
