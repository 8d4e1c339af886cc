"""The loss of differentiable binarization, as the paper has it and as PP-OCR's configs have it.

PP-OCR reference, section 4.1; Liao et al. 2020, arXiv:1911.08947, "Optimization". Maps and targets
are (N, H, W) and float32. A term with nothing to compare is 0, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ocr_core.detection.differentiable import Maps

TextLoss = Literal["dice", "bce_ohem"]

EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionLoss:
    """total = text_weight · text + binary_weight · binary + threshold_weight · threshold."""

    text: TextLoss = "dice"
    """Of the probability map: Dice, or cross entropy with the hardest of the background."""
    text_weight: float = 5.0
    binary_weight: float = 1.0
    threshold_weight: float = 10.0
    negatives: float = 3.0
    """Pixels of background for each pixel of text; for `bce_ohem`."""

    def __post_init__(self) -> None:
        if self.text not in ("dice", "bce_ohem"):
            raise ValueError(f"text must be dice or bce_ohem, got {self.text!r}")

    def __call__(self, maps: Maps, target: Target) -> DetectionTerms:
        """The weighted terms for maps and targets of one size."""
        text = self.text_term(maps, target.text, target.mask)
        binary = dice(maps.binary, target.text, target.mask)
        threshold = masked_l1(maps.limit, target.threshold, target.border)
        return DetectionTerms(
            self.text_weight * text, self.binary_weight * binary, self.threshold_weight * threshold
        )

    def text_term(self, maps: Maps, text: Tensor, mask: Tensor) -> Tensor:
        """How far the probability map is from `text` where `mask` is 1, unweighted."""
        if self.text == "dice":
            return dice(maps.probability, text, mask)
        return balanced_cross_entropy(maps.text.float(), text, mask, self.negatives)


SHIPPED = DetectionLoss()
"""As PP-OCRv2's configs train: the mining named there has no effect on Dice."""
PAPER = DetectionLoss(text="bce_ohem", text_weight=1.0, binary_weight=5.0)
"""As the articles of DB and PP-OCRv2 say."""


class Target(NamedTuple):
    """What the maps should be, each (N, H, W); see ocr_core.detection.targets."""

    text: Tensor
    mask: Tensor
    threshold: Tensor
    border: Tensor


class DetectionTerms(NamedTuple):
    """Scalars, weighted."""

    text: Tensor
    binary: Tensor
    threshold: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.text + self.binary + self.threshold


def dice(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - 2·Σpg / (Σp + Σg) over the valid pixels of the whole batch.

    0 where no pixel is valid. On a batch without text it is close to 1 and flat: such a batch
    teaches through other terms only.
    """
    masked = prediction * mask
    both = (masked * target).sum()
    total = masked.sum() + (target * mask).sum()
    value = 1 - 2 * both / (total + EPSILON)
    return torch.where(mask.sum() > 0, value, total * 0)


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean distance over the valid pixels."""
    return ((prediction - target).abs() * mask).sum() / (mask.sum() + EPSILON)


def balanced_cross_entropy(
    logits: Tensor, target: Tensor, mask: Tensor, negatives: float = 3.0
) -> Tensor:
    """Mean over all text and the hardest background, `negatives` pixels for each of text.

    In a batch without text, the hardest 1/1000 of the background teaches: PP-OCR's form takes none
    there, so that pictures without text could not say anything.
    """
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    text, ground = target * mask, (1 - target) * mask
    count = _hardest(text.sum(), ground.sum(), negatives)
    hardest = (losses * ground).flatten().topk(count).values
    return ((losses * text).sum() + hardest.sum()) / (text.sum() + count + EPSILON)


def _hardest(text: Tensor, ground: Tensor, negatives: float) -> int:
    """How many pixels of background count."""
    wanted = negatives * float(text) or float(ground) / 1000
    return int(min(float(ground), wanted))
