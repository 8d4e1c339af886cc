"""Whether a line of text is upright or upside-down: MobileNetV3-small ×0.35 (PP-OCR reference 3.4).

MobileNetV3 is Howard et al. 2019, arXiv:1905.02244. It cannot tell 90° from 270°, and it errs on
long upright lines: let the lines of a page vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.lcnetv4 import ChannelAttention, Stride


class Bottleneck(NamedTuple):
    """One row of the network's table."""

    kernel: int
    inner: int
    out: int
    attention: bool
    act: str
    """`relu` or `hardswish`."""
    stride: Stride


BLOCKS = (
    Bottleneck(3, 8, 8, True, "relu", (2, 1)),
    Bottleneck(3, 24, 8, False, "relu", (2, 1)),
    Bottleneck(3, 32, 8, False, "relu", (1, 1)),
    Bottleneck(5, 32, 16, True, "hardswish", (2, 1)),
    Bottleneck(5, 88, 16, True, "hardswish", (1, 1)),
    Bottleneck(5, 88, 16, True, "hardswish", (1, 1)),
    Bottleneck(5, 40, 16, True, "hardswish", (1, 1)),
    Bottleneck(5, 48, 16, True, "hardswish", (1, 1)),
    Bottleneck(5, 104, 32, True, "hardswish", (2, 1)),
    Bottleneck(5, 200, 32, True, "hardswish", (1, 1)),
    Bottleneck(5, 200, 32, True, "hardswish", (1, 1)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineClassifierConfig:
    """The defaults are the published 0°/180° classifier of PP-OCR."""

    classes: int = 2
    stem: int = 8
    """Channels behind the stem."""
    last: int = 200
    """Channels before the classes."""


class LineClassifier(nn.Module):
    """How a line is turned."""

    def __init__(self, config: LineClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = ConvNorm(3, config.stem, 3, (2, 2))
        self.blocks = nn.Sequential()
        channels = config.stem
        for row in BLOCKS:
            self.blocks.append(InvertedResidual(channels, row))
            channels = row.out
        self.last = ConvNorm(channels, config.last, 1)
        self.head = nn.Linear(config.last, config.classes)

    def forward(self, lines: Tensor) -> Tensor:
        """(N, 3, 48, 192) lines to (N, classes) logits."""
        features = F.hardswish(self.stem(lines))
        features = F.hardswish(self.last(self.blocks(features)))
        pooled = F.max_pool2d(features, kernel_size=2).mean(dim=(2, 3))
        return cast(Tensor, self.head(pooled))


class ConvNorm(nn.Module):
    """Convolution without bias, then batch norm."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: Stride = (1, 1), groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H/stride, W/stride), rounded up."""
        return cast(Tensor, self.norm(self.conv(features)))


class InvertedResidual(nn.Module):
    """Widen, mix each channel, weigh the channels, narrow."""

    def __init__(self, channels: int, row: Bottleneck) -> None:
        super().__init__()
        self.act = nn.ReLU() if row.act == "relu" else nn.Hardswish()
        self.expand = ConvNorm(channels, row.inner, 1)
        self.depthwise = ConvNorm(row.inner, row.inner, row.kernel, row.stride, groups=row.inner)
        self.attention = ChannelAttention(row.inner, slope=0.2) if row.attention else None
        self.project = ConvNorm(row.inner, row.out, 1)
        self.residual = channels == row.out and row.stride == (1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H/stride, W/stride), rounded up."""
        inner = self.act(self.depthwise(self.act(self.expand(features))))
        if self.attention is not None:
            inner = inner * self.attention(inner)
        narrow: Tensor = self.project(inner)
        return features + narrow if self.residual else narrow
