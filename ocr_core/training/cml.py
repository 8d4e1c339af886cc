"""CML: two students that learn from labels, from each other and from a frozen teacher.

    L = labels · Σ L_DB(student) + mutual · DML(first, second) + distill · Σ L_distill(student)

PP-OCR reference, section 4.2; PP-OCRv2 (arXiv:2109.03144), section 2.1. Deep mutual learning is
Zhang et al. 2018, arXiv:1706.00384. The last two terms need no labels, so pages without any can
take part in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ocr_core.detection.differentiable import Maps
from ocr_core.detection.loss import DetectionLoss, dice

_EPSILON = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaboration:
    """Weights of the terms, and from when on they count; the defaults are PP-OCRv2's weights."""

    labels: float = 1.0
    mutual: float = 1.0
    """0 with one student."""
    distill: float = 1.0
    """0 without a teacher."""
    text_weight: float = 5.0
    """γ: of the probability map in the distillation term."""
    teacher_threshold: float = 0.3
    """Above it, the teacher says that a pixel is text."""
    dilation: int = 2
    """Side of the square that the teacher's text is dilated with; 1: not dilated."""
    mutual_start: float = 0.0
    """Share of the schedule after which the students look at each other."""
    distill_start: float = 0.0
    """Share of the schedule after which the teacher is asked."""

    def __post_init__(self) -> None:
        if self.dilation < 1:
            raise ValueError(f"dilation must be at least 1, got {self.dilation}")

    def mutual_at(self, progress: float) -> float:
        """Weight of the mutual term at a share of the schedule."""
        return self.mutual if progress >= self.mutual_start else 0.0

    def distill_at(self, progress: float) -> float:
        """Weight of the distillation term at a share of the schedule."""
        return self.distill if progress >= self.distill_start else 0.0


LABELS_ONLY = Collaboration(mutual=0.0, distill=0.0)
DML = Collaboration(distill=0.0)
DISTILL = Collaboration(mutual=0.0)
CML = Collaboration()


def mutual(first: Tensor, second: Tensor) -> Tensor:
    """Mean over all pixels of ½ · [KL(first‖second) + KL(second‖first)] of maps in (0, 1).

    As published, the part of a pixel not being text is left out: on background the students hardly
    pull at each other. The gradient flows into both.
    """
    ratio = (second + _EPSILON) / (first + _EPSILON)
    back = (first + _EPSILON) / (second + _EPSILON)
    pixels = second * torch.log(ratio + _EPSILON) + first * torch.log(back + _EPSILON)
    return 0.5 * pixels.mean()


def teacher_text(probability: Tensor, threshold: float = 0.3, dilation: int = 2) -> Tensor:
    """The teacher's map (N, H, W) as hard text, 0 or 1, dilated."""
    return dilate((probability > threshold).float(), dilation)


def dilate(text: Tensor, side: int = 2) -> Tensor:
    """(N, H, W) dilated by a square of ones, equal to OpenCV's `dilate` with a kernel of that side.

    A side of 2 grows text by one pixel to the right and downward.
    """
    before = side // 2
    padded = F.pad(text, (before, side - 1 - before, before, side - 1 - before))
    return F.max_pool2d(padded, kernel_size=side, stride=1)


def distillation(
    maps: Maps, text: Tensor, mask: Tensor, loss: DetectionLoss, text_weight: float = 5.0
) -> Tensor:
    """γ · l_p(P, teacher) + l_b(B, teacher): l_p is the text term of the loss, l_b is Dice.

    Nothing is learned for the threshold map by itself: it takes part in the binary map.
    """
    return text_weight * loss.text_term(maps, text, mask) + dice(maps.binary, text, mask)
