"""What a recogniser network can tell of its lines besides the classes: for training."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class RecognizerOutputs(NamedTuple):
    """One pass over N lines of T time steps."""

    backbone: Tensor
    """(N, C, T) image features, the height pooled away."""
    features: Tensor
    """(N, T, F) input of the last fully connected layer."""
    logits: Tensor
    """(N, T, classes)"""
