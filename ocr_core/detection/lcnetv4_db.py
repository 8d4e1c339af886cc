"""PP-OCRv6-small text detector: PPLCNetV4, large-kernel feature pyramid, DB head; deploy form.

Sections 2.2, 2.3 and 2.5 of the PP-OCR reference; differentiable binarization is Liao et al. 2020,
arXiv:1911.08947.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.lcnetv4 import ChannelAttention, Stem, make_stages


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """The defaults are PP-OCRv6-small."""

    stem: int = 24
    """Channels inside the stem."""
    widths: tuple[int, ...] = (48, 96, 192, 384)
    """Channels of the stages, at 1/4, 1/8, 1/16 and 1/32 of the image."""
    depths: tuple[int, ...] = (2, 3, 5, 3)
    """Blocks of each stage."""
    attention: tuple[tuple[int, ...], ...] = ((0,), (1,), (1, 3), (1,))
    """Which blocks of each stage have channel attention."""
    neck: int = 96
    """Channels of the fused features."""
    kernel: int = 7
    """Side of the neck's depth-wise kernels."""


class LCNetV4DB(nn.Module):
    """Where the text of a page is, pixel by pixel."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        down = [(1, 1)] + [(2, 2)] * (len(config.widths) - 1)
        self.stem = Stem(config.stem, config.widths[0])
        self.stages = make_stages(config.widths, config.depths, config.attention, down)
        self.neck = RepLKFPN(config.widths, config.neck, config.kernel)
        self.text = MapBranch(config.neck)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), sides multiples of 32, to (N, 1, H, W) logits of shrunken text regions."""
        logits: Tensor = self.text(self.features(images))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to the (N, neck, H/4, W/4) features that every map branch reads."""
        levels = [self.stem(images)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return cast(Tensor, self.neck(levels[1:]))


class GatedConv(nn.Module):
    """1×1 convolution y, then y + y · attention(y)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1, bias=False)
        self.attention = ChannelAttention(out, slope=0.2)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H, W)."""
        mixed: Tensor = self.conv(features)
        return mixed + mixed * cast(Tensor, self.attention(mixed))


class RepLKFPN(nn.Module):
    """Feature pyramid with large depth-wise kernels; all levels meet at 1/4 of the image."""

    def __init__(self, widths: tuple[int, ...], channels: int, kernel: int) -> None:
        super().__init__()
        coarse_first = list(reversed(widths))
        quarter, around = channels // len(widths), kernel // 2
        self.laterals = nn.ModuleList(GatedConv(width, channels) for width in coarse_first)
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, kernel, padding=around, groups=channels),
                GatedConv(channels, quarter),
            )
            for _ in widths
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Features from fine to coarse, each half as large, to (N, channels, H/4, W/4)."""
        coarse_first = [lat(x) for lat, x in zip(self.laterals, reversed(levels), strict=True)]
        merged = [coarse_first[0]]
        for finer in coarse_first[1:]:
            merged.append(finer + _enlarge(merged[-1], 2))
        parts = [
            _enlarge(smooth(x), 2 ** (len(merged) - 1 - i))
            for i, (smooth, x) in enumerate(zip(self.smooth, merged, strict=True))
        ]
        return torch.cat(parts, dim=1)


class MapBranch(nn.Module):
    """Fused features to the logits of one map at image size (DB head; text or threshold)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 4
        self.conv = nn.Conv2d(channels, inner, 3, padding=1)
        self.enlarge = nn.ConvTranspose2d(inner, inner, 2, stride=2)
        self.draw = nn.ConvTranspose2d(inner, 1, 2, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H/4, W/4) to (N, 1, H, W)."""
        features = F.relu(self.conv(features))
        logits: Tensor = self.draw(F.relu(self.enlarge(features)))
        return logits


def _enlarge(features: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return features
    return F.interpolate(features, scale_factor=float(factor), mode="nearest")
