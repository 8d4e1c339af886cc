"""Fused features to one map: the head of differentiable binarization, one branch of it.

Section 2.3 of the PP-OCR reference; Liao et al. 2020, arXiv:1911.08947.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm, UpConvNorm, convolution


class MapBranch(nn.Module):
    """Fused features to the logits of one map at image size: text or threshold."""

    def __init__(self, channels: int, *, normed: bool) -> None:
        """`normed`: as trained from scratch; otherwise with the batch norms folded."""
        super().__init__()
        inner = channels // 4
        self.conv = convolution(channels, inner, 3, normed=normed)
        self.enlarge: nn.Module
        if normed:
            self.enlarge = UpConvNorm(inner, inner)
        else:
            self.enlarge = nn.ConvTranspose2d(inner, inner, 2, stride=2)
        self.draw = nn.ConvTranspose2d(inner, 1, 2, stride=2)
        for part in (self.conv, self.enlarge):
            if isinstance(part, ConvNorm | UpConvNorm):
                nn.init.constant_(part.norm.bias, 1e-4)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H/4, W/4) to (N, 1, H, W)."""
        features = F.relu(self.conv(features))
        logits: Tensor = self.draw(F.relu(self.enlarge(features)))
        return logits
