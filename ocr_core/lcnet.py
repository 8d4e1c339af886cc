"""PP-LCNet (Cui et al. 2021, arXiv:2109.15099): a network for CPUs, as a classifier of images.

Its four parts are h-swish everywhere but inside the channel attention, channel attention in the
last two blocks only, 5×5 kernels in the late ones, and a layer of 1280 features before the classes.
The recogniser of PP-OCRv2 is built of the same blocks (section 3.1 of the PP-OCR reference).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm, Stride
from ocr_core.lcnetv4 import ChannelAttention
from ocr_core.mobilenet_v3 import scaled


class Separable(NamedTuple):
    """One row of a network's table; its input width is the output width of the row before."""

    kernel: int
    out: int
    stride: Stride
    attention: bool = False


STEM = 16
"""Channels behind the stem, at scale 1."""
CLASSIFIER = (
    Separable(3, 32, (1, 1)),
    Separable(3, 64, (2, 2)),
    Separable(3, 64, (1, 1)),
    Separable(3, 128, (2, 2)),
    Separable(3, 128, (1, 1)),
    Separable(3, 256, (2, 2)),
    *[Separable(5, 256, (1, 1))] * 5,
    Separable(5, 512, (2, 2), attention=True),
    Separable(5, 512, (1, 1), attention=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LCNetConfig:
    """The defaults are PP-LCNet ×1.0 for the 1000 classes of ImageNet."""

    classes: int = 1000
    scale: float = 1.0
    """Width, as a multiple of the table's: ×0.25 to ×2.5 were published."""
    last: int = 1280
    """Features before the classes."""
    dropout: float = 0.2


class LCNet(nn.Module):
    """What an image shows."""

    def __init__(self, config: LCNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = scaled(STEM, config.scale)
        self.stem = ConvNorm(3, channels, 3, (2, 2))
        self.blocks = separable_blocks(CLASSIFIER, channels, config.scale)
        self.last = nn.Conv2d(scaled(CLASSIFIER[-1].out, config.scale), config.last, 1, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.last, config.classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) images to (N, classes) logits."""
        features = self.blocks(F.hardswish(self.stem(images)))
        pooled = F.hardswish(self.last(features.mean(dim=(2, 3), keepdim=True)))
        return cast(Tensor, self.head(self.dropout(pooled.flatten(1))))


class SeparableBlock(nn.Module):
    """Depth-wise convolution, optional channel attention, 1×1 convolution; nothing is added."""

    def __init__(self, channels: int, out: int, row: Separable) -> None:
        super().__init__()
        self.depthwise = ConvNorm(channels, channels, row.kernel, row.stride, groups=channels)
        self.attention = ChannelAttention(channels, slope=1 / 6) if row.attention else None
        self.pointwise = ConvNorm(channels, out, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H/stride, W/stride), rounded up."""
        mixed = F.hardswish(self.depthwise(features))
        if self.attention is not None:
            mixed = mixed * self.attention(mixed)
        return F.hardswish(self.pointwise(mixed))


def separable_blocks(rows: Iterable[Separable], channels: int, scale: float) -> nn.Sequential:
    """The blocks of a table, `scale` times as wide; `channels` come in."""
    blocks = nn.Sequential()
    for row in rows:
        out = scaled(row.out, scale)
        blocks.append(SeparableBlock(channels, out, row))
        channels = out
    return blocks
