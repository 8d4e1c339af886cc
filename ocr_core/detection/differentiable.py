"""Differentiable binarization: a detector together with the threshold map it is trained with.

Liao et al. 2020, arXiv:1911.08947; section 2.3 of the PP-OCR reference.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ocr_core.detection.map_branch import MapBranch

STEEPNESS = 50.0
"""How fast the binary map changes where the text map crosses the threshold: k of the paper."""


class Maps(NamedTuple):
    """Two maps of N images, as logits; what is made of them is computed in single precision."""

    text: Tensor
    """(N, H, W) logits of shrunken text regions."""
    threshold: Tensor
    """(N, H, W) logits of the threshold."""

    @property
    def probability(self) -> Tensor:
        """(N, H, W) in (0, 1): the text map, P."""
        return torch.sigmoid(self.text.float())

    @property
    def limit(self) -> Tensor:
        """(N, H, W) in (0, 1): the threshold map, T."""
        return torch.sigmoid(self.threshold.float())

    @property
    def binary(self) -> Tensor:
        """(N, H, W) in (0, 1): 1 / (1 + exp(−k (P − T))), equation 2 of the paper."""
        return torch.sigmoid(STEEPNESS * (self.probability - self.limit))


class DifferentiableDB(nn.Module):
    """A detector network with a threshold branch beside its text branch; for training only."""

    def __init__(self, network: nn.Module, *, normalised: bool = True) -> None:
        """`normalised`: whether the new branch has batch norms, as PP-OCR's."""
        super().__init__()
        self.network = network
        channels = cast(int, network.neck_channels)
        self.threshold = MapBranch(channels, normed=normalised)

    def forward(self, images: Tensor) -> Maps:
        """(N, 3, H, W), sides multiples of 32, to maps of the same size."""
        network = self.network
        features = network.features(images)  # type: ignore[operator]
        text = network.text(features)  # type: ignore[operator]
        return Maps(text.squeeze(1), self.threshold(features).squeeze(1))
