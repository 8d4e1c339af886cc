"""MobileNetV3 (Howard et al. 2019, arXiv:1905.02244) in the proportions of PP-OCR."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm, Stride
from ocr_core.lcnetv4 import ChannelAttention


class Bottleneck(NamedTuple):
    """One row of the network's table."""

    kernel: int
    inner: int
    out: int
    attention: bool
    act: str
    """`relu` or `hardswish`."""
    stride: Stride


LARGE = (
    Bottleneck(3, 16, 16, False, "relu", (1, 1)),
    Bottleneck(3, 64, 24, False, "relu", (2, 2)),
    Bottleneck(3, 72, 24, False, "relu", (1, 1)),
    Bottleneck(5, 72, 40, True, "relu", (2, 2)),
    Bottleneck(5, 120, 40, True, "relu", (1, 1)),
    Bottleneck(5, 120, 40, True, "relu", (1, 1)),
    Bottleneck(3, 240, 80, False, "hardswish", (2, 2)),
    Bottleneck(3, 200, 80, False, "hardswish", (1, 1)),
    Bottleneck(3, 184, 80, False, "hardswish", (1, 1)),
    Bottleneck(3, 184, 80, False, "hardswish", (1, 1)),
    Bottleneck(3, 480, 112, True, "hardswish", (1, 1)),
    Bottleneck(3, 672, 112, True, "hardswish", (1, 1)),
    Bottleneck(5, 672, 160, True, "hardswish", (2, 2)),
    Bottleneck(5, 960, 160, True, "hardswish", (1, 1)),
    Bottleneck(5, 960, 160, True, "hardswish", (1, 1)),
)
SMALL = (
    Bottleneck(3, 16, 16, True, "relu", (2, 2)),
    Bottleneck(3, 72, 24, False, "relu", (2, 2)),
    Bottleneck(3, 88, 24, False, "relu", (1, 1)),
    Bottleneck(5, 96, 40, True, "hardswish", (2, 2)),
    Bottleneck(5, 240, 40, True, "hardswish", (1, 1)),
    Bottleneck(5, 240, 40, True, "hardswish", (1, 1)),
    Bottleneck(5, 120, 48, True, "hardswish", (1, 1)),
    Bottleneck(5, 144, 48, True, "hardswish", (1, 1)),
    Bottleneck(5, 288, 96, True, "hardswish", (2, 2)),
    Bottleneck(5, 576, 96, True, "hardswish", (1, 1)),
    Bottleneck(5, 576, 96, True, "hardswish", (1, 1)),
)


class InvertedResidual(nn.Module):
    """Widen, mix each channel, weigh the channels, narrow.

    The hard sigmoid of the weighing has a slope of 0.2 in PP-OCR's MobileNetV3.
    """

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


def scaled(channels: int, scale: float) -> int:
    """A multiple of 8 near channels · scale, never below nine tenths of it."""
    wanted = channels * scale
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def scaled_row(row: Bottleneck, scale: float, attention: bool) -> Bottleneck:
    """The row at another width; `attention` says whether the network has any at all."""
    return row._replace(
        inner=scaled(row.inner, scale),
        out=scaled(row.out, scale),
        attention=row.attention and attention,
    )
