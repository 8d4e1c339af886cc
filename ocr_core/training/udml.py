"""U-DML: two recognisers that start differently and learn from each other, PP-OCRv2 section 2.2.

    L = CTC(a) + CTC(b) + dml_weight · DML(a, b) + feature_weight · ‖f_a - f_b‖² / elements

DML is deep mutual learning (Zhang et al. 2018, arXiv:1706.00384), here symmetric and on every
frame. Nothing is frozen and no gradient is stopped: both students move towards each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

Scale = Literal["line", "frame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutual:
    """What binds two students together, and from when on."""

    dml: float = 1.0
    """Weight of the divergence between their distributions; 0: they do not see each other's."""
    feature: float = 1.0
    """Weight of the distance between the outputs of their backbones; 0 is plain DML."""
    scale: Scale = "line"
    """`line` sums the divergence over the frames, as published; `frame` takes their mean, so that
    longer lines do not pull harder."""
    start: float = 0.25
    """Share of the schedule after which the students begin to learn from each other. From the
    first step on it keeps both from leaving the state where every frame is blank."""
    ramp: float = 0.0
    """Share of the schedule over which the weights grow to their full size."""

    def strength(self, progress: float) -> float:
        """Factor in [0, 1] of both weights at a share of the schedule."""
        if progress < self.start:
            return 0.0
        return min(1.0, (progress - self.start) / self.ramp) if self.ramp else 1.0


PLAIN_DML = Mutual(feature=0.0)
U_DML = Mutual()


def dml(a: Tensor, b: Tensor, scale: Scale = "line") -> Tensor:
    """½ · [KL(p_a‖p_b) + KL(p_b‖p_a)] of logits (N, T, C), summed over T, mean over N.

    Written as ½ · sum (p_a - p_b) · (ln p_a - ln p_b) on log-soft-max values, in float32: no
    probability is divided by another one and no logarithm taken of a rounded 0, so it stays finite
    however sure the students are.
    """
    log_a, log_b = F.log_softmax(a.float(), dim=2), F.log_softmax(b.float(), dim=2)
    divergence = 0.5 * ((log_a.exp() - log_b.exp()) * (log_a - log_b)).sum()
    lines = a.shape[0] * (a.shape[1] if scale == "frame" else 1)
    return divergence / max(lines, 1)


def feature_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of two backbone outputs of the same shape, over all elements."""
    return F.mse_loss(a.float(), b.float())
