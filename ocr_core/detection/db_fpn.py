"""The feature pyramid of PP-OCR's detectors, "DBFPN": all levels meet at a quarter of the image.

Section 2.2 of the PP-OCR reference; feature pyramids are Lin et al. 2017, arXiv:1612.03144.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DBFPN(nn.Module):
    """Levels brought to one width, added from coarse to fine, smoothed and stacked."""

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        """`widths`: channels of the levels, at 1/4, 1/8, … of the image."""
        super().__init__()
        quarter = channels // len(widths)
        coarse_first = list(reversed(widths))
        self.laterals = nn.ModuleList(nn.Conv2d(w, channels, 1, bias=False) for w in coarse_first)
        self.smooth = nn.ModuleList(
            nn.Conv2d(channels, quarter, 3, padding=1, bias=False) for _ in widths
        )
        for conv in (*self.laterals, *self.smooth):
            assert isinstance(conv, nn.Conv2d)
            nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Features from fine to coarse, each half as large, to (N, channels, H/4, W/4)."""
        return fuse(levels, self.laterals, self.smooth)


def fuse(levels: Sequence[Tensor], laterals: nn.ModuleList, smooth: nn.ModuleList) -> Tensor:
    """Levels from fine to coarse → one stack at the finest size, the coarsest level first."""
    coarse_first = [lat(x) for lat, x in zip(laterals, reversed(levels), strict=True)]
    merged = [coarse_first[0]]
    for finer in coarse_first[1:]:
        merged.append(finer + enlarge(merged[-1], 2))
    parts = [
        enlarge(part(x), 2 ** (len(merged) - 1 - i))
        for i, (part, x) in enumerate(zip(smooth, merged, strict=True))
    ]
    return torch.cat(parts, dim=1)


def enlarge(features: Tensor, factor: int) -> Tensor:
    """Every pixel `factor` times in each direction."""
    if factor == 1:
        return features
    return F.interpolate(features, scale_factor=float(factor), mode="nearest")
