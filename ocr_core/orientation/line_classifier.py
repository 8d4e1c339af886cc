"""Whether a line of text is upright or upside-down: MobileNetV3-small ×0.35 (PP-OCR reference 3.4).

MobileNetV3 is Howard et al. 2019, arXiv:1905.02244. It cannot tell 90° from 270°, and it errs on
long upright lines: let the lines of a page vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm
from ocr_core.mobilenet_v3 import Bottleneck, InvertedResidual

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
