"""PP-OCRv6-small text detector: PPLCNetV4, large-kernel feature pyramid, DB head.

Sections 2.2, 2.3 and 2.5 of the PP-OCR reference; differentiable binarization is Liao et al. 2020,
arXiv:1911.08947.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from ocr_core.branches import RepLargeKernel
from ocr_core.detection.db_fpn import fuse
from ocr_core.detection.map_branch import MapBranch
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
    branches: bool = False
    """Whether batch norms and parallel branches are there to be trained, or folded as published."""


class LCNetV4DB(nn.Module):
    """Where the text of a page is, pixel by pixel."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        down = [(1, 1)] + [(2, 2)] * (len(config.widths) - 1)
        self.stem = Stem(config.stem, config.widths[0], config.branches)
        self.stages = make_stages(
            config.widths, config.depths, config.attention, down, branches=config.branches
        )
        self.neck = RepLKFPN(config)
        self.text = MapBranch(config.neck, normed=config.branches)

    @property
    def neck_channels(self) -> int:
        """Channels of `features`."""
        return self.config.neck

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

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels, levels = config.neck, len(config.widths)
        coarse_first = list(reversed(config.widths))
        self.laterals = nn.ModuleList(GatedConv(width, channels) for width in coarse_first)
        self.smooth = nn.ModuleList(
            nn.Sequential(_large_kernel(config), GatedConv(channels, channels // levels))
            for _ in range(levels)
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Features from fine to coarse, each half as large, to (N, channels, H/4, W/4)."""
        return fuse(levels, self.laterals, self.smooth)


def _large_kernel(config: DetectorConfig) -> nn.Module:
    channels, kernel = config.neck, config.kernel
    if config.branches:
        return RepLargeKernel(channels, kernel)
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
