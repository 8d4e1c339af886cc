"""PPLCNetV4, the backbone of both PP-OCRv6 networks, in deploy form or with its branches.

Deploy form: the batch norms and the parallel branches of training are folded into one biased
convolution each (PP-OCR reference, sections 2.5, 3.3 and A). It can be trained too; the branches
are what the network was first trained with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.branches import RepDepthwise
from ocr_core.conv_norm import ConvNorm, Stride, convolution


class ChannelAttention(nn.Module):
    """Squeeze and excitation (Hu et al. 2018, arXiv:1709.01507): a gate for each channel.

    `slope` is that of the hard sigmoid, clip(slope·x + 0.5, 0, 1): networks of the PP-OCR family
    use 1/6 in the backbone of v6 and 0.2 in necks and MobileNetV3.
    """

    def __init__(self, channels: int, slope: float, hidden: int | None = None) -> None:
        super().__init__()
        hidden = channels // 4 if hidden is None else hidden
        self.slope = slope
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.restore = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) features to their (N, C, 1, 1) gates in [0, 1]."""
        # In two steps, because ONNX Runtime adds up one long sum with an error of 2e-4 per page.
        mean = features.mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
        gates = self.restore(F.relu(self.reduce(mean)))
        opened: Tensor = (self.slope * gates + 0.5).clamp(0.0, 1.0)
        return opened


class Stem(nn.Module):
    """Image to features at a quarter of its size, through two parallel branches."""

    def __init__(self, width: int, out: int, branches: bool) -> None:
        super().__init__()
        self.first = convolution(3, width, 3, (2, 2), normed=branches)
        self.branch_a = convolution(width, width // 2, 2, padding=0, normed=branches)
        self.branch_b = convolution(width // 2, width, 2, padding=0, normed=branches)
        self.join = convolution(2 * width, width, 3, (2, 2), normed=branches)
        self.last = convolution(width, out, 1, normed=branches)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) images to (N, out, H/4, W/4), rounded up."""
        halved = _pad_end(F.relu(self.first(images)))
        pooled = F.max_pool2d(halved, kernel_size=2, stride=1)
        branch = F.relu(self.branch_a(halved))
        branch = F.relu(self.branch_b(_pad_end(branch)))
        joined = F.relu(self.join(torch.cat((pooled, branch), dim=1)))
        return F.relu(self.last(joined))


class MixerBlock(nn.Module):
    """Depth-wise token mixer, optional channel attention, inverted 1×1 channel mixer.

    The input is added around the channel mixer only; around the token mixer it is one of the
    branches, and part of the depth-wise weights when they are folded.
    """

    def __init__(
        self, channels: int, out: int, stride: Stride, *, attention: bool, branches: bool
    ) -> None:
        super().__init__()
        self.residual = channels == out and stride == (1, 1)
        self.mix: nn.Module
        if branches and self.residual:
            self.mix = RepDepthwise(channels)
        else:
            self.mix = convolution(channels, channels, 3, stride, channels, normed=branches)
        self.attention = ChannelAttention(channels, slope=1 / 6) if attention else None
        self.expand = convolution(channels, 2 * channels, 1, normed=branches)
        self.project = convolution(2 * channels, out, 1, normed=branches)
        if self.residual and isinstance(self.project, ConvNorm):
            nn.init.zeros_(self.project.norm.weight)  # each block begins as its input

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out, H/stride, W/stride), rounded up."""
        mixed = self.mix(features)
        if self.attention is not None:
            mixed = mixed * self.attention(mixed)
        refined: Tensor = self.project(F.gelu(self.expand(mixed)))
        return mixed + refined if self.residual else refined


def make_stages(
    widths: Sequence[int],
    depths: Sequence[int],
    attention: Sequence[Sequence[int]],
    strides: Sequence[Stride],
    *,
    branches: bool,
) -> nn.ModuleList:
    """Stages of blocks; the first block of a stage brings the width and the stride.

    `attention` lists, for each stage, which of its blocks have channel attention.
    """
    stages = nn.ModuleList()
    channels = widths[0]
    for width, depth, attentive, stride in zip(widths, depths, attention, strides, strict=True):
        blocks = nn.Sequential()
        for i in range(depth):
            step = stride if i == 0 else (1, 1)
            attends = i in attentive
            blocks.append(MixerBlock(channels, width, step, attention=attends, branches=branches))
            channels = width
        stages.append(blocks)
    return stages


def _pad_end(features: Tensor) -> Tensor:
    """One row below and one column to the right of zeros, as kernels of size 2 need them.

    Features behind a ReLU are not negative, so zeros change no maximum either.
    """
    return F.pad(features, (0, 1, 0, 1))
