"""The recogniser of PP-OCRv2: LCNet blocks, two-layer BiLSTM, CTC head.

Sections 3.1 and 3.2 of the PP-OCR reference; CRNN is Shi et al. 2015, arXiv:1507.05717.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm
from ocr_core.lcnet import Separable, separable_blocks
from ocr_core.mobilenet_v3 import scaled
from ocr_core.recognition.outputs import RecognizerOutputs


@dataclass(frozen=True, slots=True, kw_only=True)
class CrnnConfig:
    """The defaults are PP-OCRv2's recogniser."""

    classes: int
    """Characters of the charset, plus one for the CTC blank."""
    scale: float = 0.5
    """Width of the backbone."""
    hidden: int = 64
    """Features of the LSTM in each direction."""
    layers: int = 2
    """Layers of the LSTM; 0 leaves it out."""
    middle: int | None = 96
    """Features between the two layers of the head; None: one layer only."""
    time_stride: int = 4
    """Columns of the line in one time step: 4 or 8."""
    height: int = 32
    """Pixels of line height: a multiple of 16."""

    def __post_init__(self) -> None:
        if self.time_stride not in (4, 8):
            raise ValueError(f"time_stride must be 4 or 8, got {self.time_stride}")
        if self.height < 16 or self.height % 16:
            raise ValueError(f"height must be a multiple of 16, got {self.height}")


class CrnnLCNet(nn.Module):
    """What a line of text says, as one distribution over the charset per `time_stride` columns."""

    def __init__(self, config: CrnnConfig) -> None:
        super().__init__()
        self.config = config
        self.height = config.height
        self.stride = config.time_stride
        channels = scaled(_STEM, config.scale)
        self.stem = ConvNorm(3, channels, 3, (2, 2))
        self.blocks = separable_blocks(_rows(config.time_stride), channels, config.scale)
        width = scaled(_rows(config.time_stride)[-1].out, config.scale)
        self.lstm: nn.LSTM | None = None
        if config.layers:
            self.lstm = nn.LSTM(
                width, config.hidden, config.layers, batch_first=True, bidirectional=True
            )
            width = 2 * config.hidden
        self.middle: nn.Linear | None = None
        if config.middle is not None:
            self.middle = nn.Linear(width, config.middle)
            width = config.middle
        self.head = nn.Linear(width, config.classes)

    def forward(self, lines: Tensor) -> Tensor:
        """(N, 3, height, W) lines to (N, T, classes) logits; T is `steps(W)`."""
        return self.outputs(lines).logits

    def outputs(self, lines: Tensor) -> RecognizerOutputs:
        """The same pass, with what training looks at on the way."""
        features = self.blocks(F.hardswish(self.stem(lines)))
        pooled = F.max_pool2d(features, kernel_size=(self.height // 16, 2)).squeeze(2)  # (N, C, T)
        steps = pooled.transpose(1, 2)
        if self.lstm is not None:
            steps, _ = self.lstm(steps)
        if self.middle is not None:
            steps = self.middle(steps)
        return RecognizerOutputs(pooled, steps, cast(Tensor, self.head(steps)))

    def steps(self, width: int) -> int:
        """Time steps of a line of so many columns."""
        halved = -(-width // 2)
        return (halved if self.config.time_stride == 4 else -(-halved // 2)) // 2


_STEM = 32
"""Channels behind the stem, at scale 1."""


def _rows(time_stride: int) -> tuple[Separable, ...]:
    """Rows of "MobileNetV1Enhance": stem and pooling halve the width; for 8, a block does too."""
    across = 1 if time_stride == 4 else 2
    return (
        Separable(3, 64, (1, 1)),
        Separable(3, 128, (1, 1)),
        Separable(3, 128, (1, 1)),
        Separable(3, 256, (2, across)),
        Separable(3, 256, (1, 1)),
        Separable(3, 512, (2, 1)),
        *[Separable(5, 512, (1, 1))] * 5,
        Separable(5, 1024, (2, 1), attention=True),
        Separable(5, 1024, (1, 1), attention=True),
    )
