"""Enhanced CTC: CTC and a pull of every frame's feature towards the constant centre of its class.

    L = L_ctc + λ · L_center [+ 0.1 · L_ace], PP-OCRv2 section 2.2

The centres are means over correctly read training lines of a trained recogniser, computed once and
never moved. With random centres its authors saw no gain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ocr_core.recognition.decode import collapse
from ocr_core.recognition.outputs import RecognizerOutputs
from ocr_core.training.errors import CentersOfAnotherCharset

Origin = Literal["own", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How strongly, from when on, and towards which centres."""

    weight: float = 0.05
    """λ."""
    start: float = 0.5
    """Share of the schedule after which features are pulled, and at which centres are computed if
    none were given: those of a recogniser that has not learned enough do harm."""
    origin: Origin = "own"
    """Where centres come from if none were given: the network's own correctly read training lines,
    or standard normal numbers (a control that should gain nothing)."""


YML = Pull(weight=0.05)
"""λ of the published configuration."""
DOC = Pull(weight=0.25)
"""λ in the authors' notes on Enhanced CTC."""


class Centers(NamedTuple):
    """A place in feature space for each class."""

    values: Tensor
    """(C, F) float32"""
    known: Tensor
    """(C,) bool: whether the class was ever read; its place is 0 if not."""


def compute_centers(
    passes: Iterable[tuple[RecognizerOutputs, Sequence[Sequence[int]]]],
) -> Centers:
    """Mean feature of each class over the frames of lines that are read without an error.

    `passes`: outputs of a network in eval mode, with the class ids of their texts. A frame belongs
    to its most probable class, blank included.
    """
    sums: Tensor | None = None
    counts = torch.zeros(0, dtype=torch.int64)
    for outputs, texts in passes:
        best = outputs.logits.argmax(dim=2)  # (N, T)
        if sums is None:
            classes, size = outputs.logits.shape[2], outputs.features.shape[2]
            sums = torch.zeros(classes, size, dtype=torch.float64)
            counts = torch.zeros(classes, dtype=torch.int64)
        rows = [n for n, path in enumerate(best.tolist()) if collapse(path) == list(texts[n])]
        ids = best[rows].flatten().cpu()
        sums.index_add_(0, ids, outputs.features[rows].flatten(0, 1).double().cpu())
        counts += torch.bincount(ids, minlength=len(counts))
    if sums is None:
        raise ValueError("centres need at least one batch of lines")
    return Centers((sums / counts.clamp(min=1)[:, None]).float(), counts > 0)


def random_centers(classes: int, size: int, seed: int) -> Centers:
    """Standard normal places for all classes: the published default, and our negative control."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(classes, size, generator=generator)
    return Centers(values, torch.ones(classes, dtype=torch.bool))


def save_centers(centers: Centers, charset: Sequence[str], path: Path) -> None:
    """Write centres as safetensors, with the charset they belong to."""
    facts = {"charset_sha256": _hash(charset)}
    save_file({"values": centers.values, "known": centers.known}, path, metadata=facts)


def load_centers(path: Path, charset: Sequence[str]) -> Centers:
    """Read centres; raises CentersOfAnotherCharset."""
    with safe_open(path, framework="pt") as file:
        if (file.metadata() or {}).get("charset_sha256") != _hash(charset):
            raise CentersOfAnotherCharset(str(path))
        return Centers(file.get_tensor("values"), file.get_tensor("known"))


def _hash(charset: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(charset).encode()).hexdigest()
