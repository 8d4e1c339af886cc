"""PP-OCRv6-small text recogniser: PPLCNetV4, light SVTR neck, CTC head.

Section 3.3 of the PP-OCR reference; SVTR is Du et al. 2022, arXiv:2205.00159.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm
from ocr_core.lcnetv4 import Stem, make_stages
from ocr_core.recognition.outputs import RecognizerOutputs


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerConfig:
    """The defaults are PP-OCRv6-small."""

    classes: int
    """Characters of the charset, plus one for the CTC blank."""
    stem: int = 48
    """Channels inside the stem."""
    widths: tuple[int, ...] = (96, 192, 384)
    """Channels of the stages, at 1/4, 1/8 and 1/16 of the height; the width stays at 1/4."""
    depths: tuple[int, ...] = (3, 7, 3)
    """Blocks of each stage."""
    attention: tuple[tuple[int, ...], ...] = ((0,), (1, 3, 5), (1,))
    """Which blocks of each stage have channel attention."""
    neck: int = 120
    """Features of a time step."""
    blocks: int = 2
    """Transformer blocks."""
    heads: int = 8
    expansion: int = 2
    """Inner width of a transformer block's feed-forward part, as a multiple of `neck`."""
    kernel: int = 7
    """Width of the local mixing before the transformer, in time steps."""
    branches: bool = False
    """Whether the backbone's batch norms and parallel branches are there to be trained, or folded
    as published; the neck's batch norms are always there."""


class LightSVTR(nn.Module):
    """Image features to a sequence: local mixing, global attention, and a skip around both."""

    def __init__(self, channels: int, config: RecognizerConfig) -> None:
        super().__init__()
        width, kernel = config.neck, (1, config.kernel)
        self.skip = ConvNormSilu(channels, width, 1)
        self.reduce = ConvNormSilu(channels, width, 1)
        self.local = ConvNormSilu(width, width, kernel, groups=width)
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, 1, T) to (N, T, neck)."""
        reduced = self.reduce(features)
        steps = _sequence(reduced + self.local(reduced))
        for block in self.blocks:
            steps = block(steps)
        return cast(Tensor, self.norm(steps)) + _sequence(self.skip(features))


class ConvNormSilu(ConvNorm):
    """Convolution without bias, batch norm, SiLU."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H, W)."""
        return F.silu(super().forward(features))

    def fold(self) -> nn.Module:
        """See Foldable.fold."""
        return nn.Sequential(super().fold(), nn.SiLU())


class TransformerBlock(nn.Module):
    """Pre-norm attention over all time steps, then a feed-forward part; no position is given."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        width, inner = config.neck, config.neck * config.expansion
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.norm_forward = nn.LayerNorm(width)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)

    def forward(self, steps: Tensor) -> Tensor:
        """(N, T, neck) to the same."""
        steps = steps + self._attend(self.norm_attention(steps))
        inner = F.silu(self.widen(self.norm_forward(steps)))
        return steps + cast(Tensor, self.narrow(inner))

    def _attend(self, steps: Tensor) -> Tensor:
        split = self.qkv(steps).unflatten(2, (3, self.heads, -1))  # (N, T, 3, heads, size)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, size)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, self.join(mixed.transpose(1, 2).flatten(2)))


class SvtrLCNetV4(nn.Module):
    """What a line of text says, as one distribution over the charset per 8 columns."""

    height = 48
    """Pixels of line height."""
    stride = 8
    """Columns of the line in one time step."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        self.config = config
        down = [(1, 1)] + [(2, 1)] * (len(config.widths) - 1)
        self.stem = Stem(config.stem, config.widths[0], config.branches)
        self.stages = make_stages(
            config.widths, config.depths, config.attention, down, branches=config.branches
        )
        self.neck = LightSVTR(config.widths[-1], config)
        self.head = nn.Linear(config.neck, config.classes)

    def forward(self, lines: Tensor) -> Tensor:
        """(N, 3, 48, W) lines to (N, T, classes) logits; T is `steps(W)`."""
        return self.outputs(lines).logits

    def outputs(self, lines: Tensor) -> RecognizerOutputs:
        """The same pass, with what training looks at on the way.

        Training and reading pool alike, to W/8 steps: the published training pools to 40 whatever
        the width, which leaves longer texts no room.
        """
        features = self.stem(lines)
        for stage in self.stages:
            features = stage(features)
        pooled = F.avg_pool2d(features, kernel_size=(3, 2))  # (N, C, 1, T)
        steps = self.neck(pooled)
        return RecognizerOutputs(pooled.squeeze(2), steps, cast(Tensor, self.head(steps)))

    def steps(self, width: int) -> int:
        """Time steps of a line of so many columns: floor(ceil(ceil(W/2)/2)/2)."""
        return (width + 3) // 4 // 2


def _sequence(features: Tensor) -> Tensor:
    """(N, C, 1, T) to (N, T, C)."""
    return features.squeeze(2).transpose(1, 2)
