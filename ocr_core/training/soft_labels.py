"""What a teacher saw in each frame of a line, brought to the frames and classes of its student."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ocr_core.charset import BLANK

FloatArray = NDArray[np.float32]


class FrameLabels(NamedTuple):
    """The likeliest classes of each frame of one line, in the teacher's T frames."""

    ids: NDArray[np.int32]
    """(T, k) classes of the student."""
    probabilities: FloatArray
    """(T, k), they add up to 1; 0 where fewer classes are likely."""
    weights: FloatArray
    """(T,) in [0, 1]: the teacher's probability of all classes that the student has. A frame whose
    character the student does not have counts little."""

    @property
    def blank(self) -> FloatArray:
        """(T,) probability of the blank."""
        found: FloatArray = (self.probabilities * (self.ids == BLANK)).sum(axis=1)
        return found


class SoftLabels(NamedTuple):
    """Labels for the frames of M of the lines of a batch."""

    rows: Tensor
    """(M,) int64: which lines."""
    ids: Tensor
    """(M, T, k) int64"""
    probabilities: Tensor
    """(M, T, k)"""
    weights: Tensor
    """(M, T)"""


def likeliest(
    probabilities: FloatArray, columns: NDArray[np.int64], most: int = 8, least: float = 1e-3
) -> FrameLabels:
    """(T, teacher's classes) → the `most` likeliest of the student's classes in each frame.

    `columns[i]` is the teacher's class of the student's class i, or -1 if it has none. What is
    left of a frame adds up to 1 again; what was lost is seen in its weight.
    """
    known = columns >= 0
    shared = probabilities[:, np.where(known, columns, 0)] * known
    frames, classes = np.nonzero(shared > least)
    values = shared[frames, classes]
    order = np.lexsort((-values, frames))
    frames, classes, values = frames[order], classes[order], values[order]
    rank = np.arange(len(frames)) - np.searchsorted(frames, frames)
    kept = rank < most
    ids = np.zeros((len(probabilities), most), np.int32)
    picked = np.zeros((len(probabilities), most), np.float32)
    ids[frames[kept], rank[kept]] = classes[kept]
    picked[frames[kept], rank[kept]] = values[kept]
    total = picked.sum(axis=1)
    picked /= np.maximum(total, 1e-6)[:, None]
    return FrameLabels(ids, picked, np.minimum(total, 1.0))


def aligned(blank: FloatArray, frames: int) -> NDArray[np.int64]:
    """For each of a student's frames on a line, which of the teacher's (T,) frames it answers to.

    With as many frames or more, the one at the same place. With fewer, of all that fall into a
    frame the one that is least likely blank: a character is never lost between two frames.
    """
    theirs = len(blank)
    if frames >= theirs:
        return np.minimum((np.arange(frames) + 0.5) / frames * theirs, theirs - 1).astype(np.int64)
    edges = np.linspace(0, theirs, frames + 1).round().astype(np.int64)
    spans = itertools.pairwise(edges)
    return np.array([a + int(np.argmin(blank[a:b])) for a, b in spans], np.int64)


def stack(
    rows: Sequence[int], lines: Sequence[FrameLabels], ends: Sequence[int], frames: int
) -> SoftLabels:
    """Labels of lines as one batch of `frames` frames.

    `ends[i]` of them lie on the line; the rest is padding, and blank.
    """
    most = lines[0].ids.shape[1]
    ids = np.zeros((len(lines), frames, most), np.int64)
    probabilities = np.zeros((len(lines), frames, most), np.float32)
    probabilities[:, :, 0] = 1.0  # the blank, class 0, until a line says otherwise
    weights = np.ones((len(lines), frames), np.float32)
    for n, (line, end) in enumerate(zip(lines, ends, strict=True)):
        if end == 0 or not len(line.ids):
            continue
        source = aligned(line.blank, end)
        ids[n, :end], probabilities[n, :end] = line.ids[source], line.probabilities[source]
        weights[n, :end] = line.weights[source]
    return SoftLabels(
        torch.tensor(rows, dtype=torch.int64),
        torch.from_numpy(ids),
        torch.from_numpy(probabilities),
        torch.from_numpy(weights),
    )


def divergence(logits: Tensor, soft: SoftLabels) -> Tensor:
    """Weighted sum over frames of KL(teacher‖student), mean over lines; logits (N, T, C).

    Hinton et al. 2015, arXiv:1503.02531, at temperature 1 on every frame. 0 without any line.
    """
    log_student = F.log_softmax(logits[soft.rows].float(), dim=2).gather(2, soft.ids)  # (M, T, k)
    log_teacher = soft.probabilities.clamp(min=1e-9).log()
    frames = (soft.probabilities * (log_teacher - log_student)).sum(dim=2)  # (M, T)
    return (frames * soft.weights).sum() / max(len(soft.rows), 1)
