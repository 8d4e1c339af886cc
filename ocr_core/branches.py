"""Depth-wise convolutions that are trained as parallel branches and deployed as one kernel.

A sum of convolutions of the same input is one convolution (Ding et al. 2021, arXiv:2101.03697);
these are the two units of PP-OCRv6 (section 2.5 of the PP-OCR reference).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ocr_core.conv_norm import (
    ConvNorm,
    Foldable,
    convolution_of,
    make_shift,
    norm_line,
    set_convolution,
)

_DILATED = ((5, 1), (3, 2), (3, 3))
"""Side and dilation of the branches beside a large kernel (Ding et al. 2024, arXiv:2311.15599)."""


class RepDepthwise(Foldable):
    """Token mixer: 3×3, 1×1 and the input itself, added and normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = ConvNorm(channels, channels, 3, groups=channels)
        self.point = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        mixed = self.wide(features) + self.point(features) + features
        return cast(Tensor, self.norm(mixed))

    def fold(self) -> nn.Module:
        """See Foldable.fold."""
        inner_scale, inner_shift = norm_line(self.wide.norm)
        weight = self.wide.conv.weight.detach().double() * inner_scale.view(-1, 1, 1, 1)
        weight[:, :, 1:2, 1:2] += self.point.weight.detach().double() + 1.0
        scale, shift = norm_line(self.norm)
        channels = len(weight)
        folded = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        set_convolution(folded, weight * scale.view(-1, 1, 1, 1), inner_shift * scale + shift)
        return folded

    def unfold(self, twin: nn.Module) -> None:
        """See Foldable.unfold; the 1×1 branch starts with nothing."""
        weight, bias = convolution_of(twin, self.wide.conv.weight)
        rest = weight.clone()
        rest[:, :, 1, 1] -= 1.0
        with torch.no_grad():
            self.wide.conv.weight.copy_(rest)
            self.point.weight.zero_()
        make_shift(self.wide.norm, torch.zeros_like(bias))
        make_shift(self.norm, bias)


class RepLargeKernel(Foldable):
    """A large kernel, and small ones spread over the same area, each normalised, added."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.large = ConvNorm(channels, channels, kernel, groups=channels)
        self.spread = nn.ModuleList(
            ConvNorm(channels, channels, side, groups=channels, dilation=dilation)
            for side, dilation in _DILATED
            if dilation * (side - 1) < kernel
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        mixed: Tensor = self.large(features)
        for branch in self.spread:
            mixed = mixed + branch(features)
        return mixed

    def fold(self) -> nn.Module:
        """See Foldable.fold."""
        weight, bias = _kernel(self.large)
        small, more = self._small(weight)
        channels, _, kernel, _ = weight.shape
        folded = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        set_convolution(folded, weight + small, bias + more)
        return folded

    def unfold(self, twin: nn.Module) -> None:
        """See Foldable.unfold.

        The small kernels stay random, each half as large as the one they are taken from: at zero
        they would be normalised by nothing.
        """
        weight, bias = convolution_of(twin, self.large.conv.weight)
        size = weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        with torch.no_grad():
            for branch in self.spread:
                assert isinstance(branch, ConvNorm)
                own = branch.conv.weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
                branch.conv.weight.mul_(0.5 * size / own)
                make_shift(branch.norm, torch.zeros_like(bias))
            self.large.conv.weight.copy_(weight - self._small(weight.double())[0])
        make_shift(self.large.norm, bias)

    def _small(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The spread kernels together, as one of the large size, and their bias."""
        total, bias = torch.zeros_like(like), like.new_zeros(len(like))
        for branch in self.spread:
            assert isinstance(branch, ConvNorm)
            weight, shift = _kernel(branch)
            dilation = cast(tuple[int, int], branch.conv.dilation)[0]
            span = dilation * (weight.shape[-1] - 1) + 1
            first = (like.shape[-1] - span) // 2
            taken = slice(first, first + span, dilation)
            total[:, :, taken, taken] += weight
            bias += shift
        return total, bias


def _kernel(branch: ConvNorm) -> tuple[Tensor, Tensor]:
    """Weight and bias of a branch in eval mode, double precision, not yet spread."""
    scale, shift = norm_line(branch.norm)
    return branch.conv.weight.detach().double() * scale.view(-1, 1, 1, 1), shift
