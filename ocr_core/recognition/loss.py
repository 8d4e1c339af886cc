"""Losses of a CTC recogniser: CTC, its focal form, ACE, and the distance to class centres.

All take logits (N, T, C), class 0 the blank, and every frame counts: padding of a line is blank.
They are computed in float32. The empty case has a value: no line, or no line that fits, is 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ocr_core.charset import BLANK


class Targets(NamedTuple):
    """What the lines of a batch say, as class ids."""

    ids: Tensor
    """(sum of lengths,) int64, line after line, no blanks among them."""
    lengths: Tensor
    """(N,) int64, on the CPU or the device of `ids`."""

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> Targets:
        """Targets of lines given as class ids."""
        ids = [i for text in texts for i in text]
        lengths = [len(text) for text in texts]
        return cls(torch.tensor(ids, dtype=torch.int64), torch.tensor(lengths, dtype=torch.int64))

    def lines(self) -> Tensor:
        """(sum of lengths,) the number of the line each class id belongs to."""
        numbers = torch.arange(len(self.lengths), device=self.ids.device)
        return torch.repeat_interleave(numbers, self.lengths.to(self.ids.device))

    def steps(self) -> Tensor:
        """(N,) frames each line takes at least: see `steps_needed`."""
        lines = self.lines()
        twice = (self.ids[1:] == self.ids[:-1]) & (lines[1:] == lines[:-1])
        needed = self.lengths.to(self.ids.device)
        return needed.index_add(0, lines[1:], twice.to(needed.dtype))


def steps_needed(ids: Sequence[int]) -> int:
    """Frames a text takes at least: one a character, and a blank between equal neighbours."""
    return len(ids) + sum(a == b for a, b in itertools.pairwise(ids))


def ctc(logits: Tensor, targets: Targets) -> Tensor:
    """(N,) negative log-likelihood of each line (Graves et al. 2006, section 4).

    Neither divided by the length of the text nor by the frames. A line that needs more frames than
    there are is impossible: its loss is infinite, and it has no gradient.
    """
    frames = torch.full((len(logits),), logits.shape[1], dtype=torch.int64)
    losses = F.ctc_loss(
        F.log_softmax(logits.float(), dim=2).transpose(0, 1),  # (T, N, C)
        targets.ids,
        frames,
        targets.lengths.cpu(),
        blank=BLANK,
        reduction="none",
        zero_infinity=True,  # else the gradient of an impossible line is NaN
    )
    impossible = targets.steps() > logits.shape[1]
    return losses.masked_fill(impossible.to(losses.device), float("inf"))


def focal(losses: Tensor, gamma: float = 2.0) -> Tensor:
    """(N,) losses weighted down where the line is likely anyway: L · (1 - exp(-L))^gamma.

    Focal loss (Lin et al. 2017, arXiv:1708.02002) of the probability of a whole line, as in the
    notes on Enhanced CTC of PP-OCRv2.
    """
    return losses * (1 - torch.exp(-losses)) ** gamma


def line_mean(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted mean over the lines that are possible; 0 without any.

    Impossible lines (infinite loss) are left out.
    """
    possible = torch.isfinite(losses)
    kept = torch.where(possible, losses, losses.new_zeros(()))
    weight = possible.to(losses.dtype)
    if weights is not None:
        weight = weight * weights
    return (kept * weight).sum() / weight.sum().clamp(min=1e-6)


def ace(logits: Tensor, targets: Targets) -> Tensor:
    """Aggregation cross-entropy (Xie et al. 2019, arXiv:1904.08364, eq. 6), mean over lines.

    - sum over classes of (count in the text / T) · ln(mean probability over the T frames); what
    the text leaves of the frames is the blank's count.
    """
    if not len(logits):
        return logits.sum()
    frames = logits.shape[1]
    mean = torch.logsumexp(F.log_softmax(logits.float(), dim=2), dim=1)  # ln of the sum over T
    log_mean = mean - torch.log(torch.tensor(float(frames), device=logits.device))
    ids, lines = targets.ids.to(logits.device), targets.lines().to(logits.device)
    written = log_mean.new_zeros(len(logits)).index_add(0, lines, log_mean[lines, ids])
    blank = (frames - targets.lengths.to(logits.device)).clamp(min=0) * log_mean[:, BLANK]
    return -((written + blank) / frames).mean()


def center(features: Tensor, logits: Tensor, centers: Tensor, known: Tensor) -> Tensor:
    """Mean squared distance of each frame's feature to the centre of its most probable class.

    Center loss (Wen et al. 2016, eq. 2) as in PP-OCRv2: 1/(N·T) · sum ‖x - c_ŷ‖², ŷ the arg-max
    over the logits, blank included, without a gradient through it.

    `features` (N, T, F), `logits` (N, T, C), `centers` (C, F), `known` (C,) bool: a class without
    a centre pulls nothing.
    """
    best = logits.argmax(dim=2)  # (N, T)
    distance = (features.float() - centers[best]).square().sum(dim=2)
    return (distance * known[best]).sum() / max(best.numel(), 1)
