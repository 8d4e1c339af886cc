"""Convolutions with batch norm, and how each becomes one biased convolution for deployment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn

Stride = tuple[int, int]
"""Down the height, along the width."""


class Foldable(nn.Module, ABC):
    """A part of a network with a cheaper twin that computes the same in eval mode."""

    @abstractmethod
    def fold(self) -> nn.Module:
        """The twin, with weights of its own."""

    @abstractmethod
    def unfold(self, twin: nn.Module) -> None:
        """Take the twin's weights, so that `fold` gives them back; raises ValueError."""


class ConvNorm(Foldable):
    """Convolution without bias, then batch norm."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int],
        stride: Stride = (1, 1),
        groups: int = 1,
        padding: int | None = None,
        dilation: int = 1,
    ) -> None:
        """Without `padding`, the size is that of the input divided by the stride, rounded up."""
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        around = (dilation * (sides[0] // 2), dilation * (sides[1] // 2))
        if padding is not None:
            around = (padding, padding)
        self.conv = nn.Conv2d(
            channels, out, sides, stride, around, dilation, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H/stride, W/stride), rounded up."""
        return cast(Tensor, self.norm(self.conv(features)))

    def fold(self) -> nn.Module:
        """See Foldable.fold."""
        scale, shift = norm_line(self.norm)
        folded = biased_twin(self.conv)
        set_convolution(folded, self.conv.weight.double() * scale.view(-1, 1, 1, 1), shift)
        return folded

    def unfold(self, twin: nn.Module) -> None:
        """See Foldable.unfold."""
        weight, bias = convolution_of(twin, self.conv.weight)
        with torch.no_grad():
            self.conv.weight.copy_(weight)
        make_shift(self.norm, bias)


class UpConvNorm(Foldable):
    """Transposed 2×2 convolution that doubles both sides, then batch norm."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, out, 2, stride=2)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, 2·H, 2·W)."""
        return cast(Tensor, self.norm(self.conv(features)))

    def fold(self) -> nn.Module:
        """See Foldable.fold."""
        scale, shift = norm_line(self.norm)
        folded = nn.ConvTranspose2d(self.conv.in_channels, self.conv.out_channels, 2, stride=2)
        bias = cast(Tensor, self.conv.bias).double() * scale + shift
        set_convolution(folded, self.conv.weight.double() * scale.view(1, -1, 1, 1), bias)
        return folded

    def unfold(self, twin: nn.Module) -> None:
        """See Foldable.unfold."""
        weight, bias = convolution_of(twin, self.conv.weight)
        set_convolution(self.conv, weight, bias)
        make_shift(self.norm, torch.zeros_like(bias))


def convolution(
    channels: int,
    out: int,
    kernel: int,
    stride: Stride = (1, 1),
    groups: int = 1,
    padding: int | None = None,
    *,
    normed: bool,
) -> nn.Module:
    """A convolution as it is trained from scratch (`normed`), or its twin with a bias."""
    if normed:
        return ConvNorm(channels, out, kernel, stride, groups, padding)
    around = kernel // 2 if padding is None else padding
    return nn.Conv2d(channels, out, kernel, stride, around, groups=groups)


def norm_line(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm computes in eval mode: scale·x + shift; two vectors in double precision."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    return scale, norm.bias.detach().double() - mean.double() * scale


def make_shift(norm: nn.BatchNorm2d, shift: Tensor) -> None:
    """Let a batch norm in eval mode only add `shift`."""
    norm.reset_running_stats()
    with torch.no_grad():
        norm.weight.fill_((1.0 + norm.eps) ** 0.5)
        norm.bias.copy_(shift)


def biased_twin(conv: nn.Conv2d) -> nn.Conv2d:
    """A convolution of the same geometry with a bias; its values are still random."""
    return nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        cast(tuple[int, int], conv.kernel_size),
        cast(tuple[int, int], conv.stride),
        cast(tuple[int, int], conv.padding),
        groups=conv.groups,
    )


def set_convolution(conv: nn.Conv2d | nn.ConvTranspose2d, weight: Tensor, bias: Tensor) -> None:
    """Give a convolution its weight and bias, rounded to its own precision."""
    with torch.no_grad():
        conv.weight.copy_(weight)
        cast(Tensor, conv.bias).copy_(bias)


def convolution_of(twin: nn.Module, like: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a biased convolution; ValueError unless its weight is shaped like this."""
    if not isinstance(twin, nn.Conv2d | nn.ConvTranspose2d) or twin.bias is None:
        raise ValueError(f"{type(twin).__name__} is no biased convolution")
    if twin.weight.shape != like.shape:
        raise ValueError(f"weight is {tuple(twin.weight.shape)}, not {tuple(like.shape)}")
    return twin.weight.detach(), twin.bias.detach()
