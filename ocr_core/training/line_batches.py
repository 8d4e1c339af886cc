"""Batches of text lines: which lines, how they are changed, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ocr_core.geometry import ImageArray
from ocr_core.recognition.loss import Targets, steps_needed
from ocr_core.recognition.recognizer import padded_width
from ocr_core.training.line_augment import LineAugment, augment, join
from ocr_core.training.line_store import LineStore, as_float
from ocr_core.training.soft_labels import FrameLabels, SoftLabels, stack

LONGEST_CHUNK = 16
"""Batches among which lines are sorted by width, so that little of a batch is padding."""

Ids = tuple[int, ...]


class LineBatch(NamedTuple):
    """N lines, padded to one width with grey."""

    images: Tensor
    """(N, 3, H, W), blue, green, red, in [-1, 1]."""
    targets: Targets
    weights: Tensor
    """(N,) how much the text of a line counts; 0: it is not known."""
    soft: SoftLabels | None
    """What a teacher saw in each frame of some of the lines."""


@dataclass(frozen=True, slots=True, eq=False)
class LineSet:
    """Crops with what is known of their texts."""

    store: LineStore
    texts: tuple[Ids, ...]
    """Class ids; empty where the text is not known."""
    weights: NDArray[np.float32]
    """(n,) how much each text counts."""
    frames: tuple[FrameLabels, ...] | None = None
    """What a teacher saw; None: there was none."""

    @classmethod
    def unread(cls, store: LineStore) -> LineSet:
        """Lines of which nothing is known."""
        return cls(store, ((),) * len(store), np.zeros(len(store), np.float32))

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(slots=True, eq=False)
class Source:
    """A set of lines, and how many of a batch are taken from it."""

    lines: LineSet
    count: int
    """Lines in each batch."""
    augment: LineAugment
    seed: int
    _chunks: dict[tuple[int, int], NDArray[np.int64]] = field(default_factory=dict)

    def numbers(self, batch: int, chunk: int, place: int) -> NDArray[np.int64]:
        """The lines of a batch: the `place`-th of its chunk of `chunk` batches, sorted by width.

        Every line comes once before any comes again. A pure function of its arguments; the last
        chunk is only remembered.
        """
        key = batch // chunk, chunk
        if key not in self._chunks:
            self._chunks.clear()
            self._chunks[key] = self._sorted(*key)
        return self._chunks[key][place * self.count : (place + 1) * self.count]

    def _sorted(self, chunk_number: int, chunk: int) -> NDArray[np.int64]:
        size = self.count * chunk
        first, total = chunk_number * size, len(self.lines)
        rounds = range(first // total, (first + size - 1) // total + 1)
        order = np.concatenate(
            [np.random.default_rng((self.seed, r)).permutation(total) for r in rounds]
        )
        drawn = order[first - rounds[0] * total :][:size]
        return drawn[np.argsort(self.lines.store.widths[drawn], kind="stable")]


@dataclass(slots=True, eq=False)
class Batcher:
    """Makes the batches of a run from one or more sources."""

    sources: Sequence[Source]
    seed: int
    stride: int
    """Columns in one frame of the network."""
    steps: Callable[[int], int]
    """Frames of a line of so many columns."""
    widest: int
    """Pixels; lines are not joined to wider ones."""
    space: int | None = None
    """Class of the space that stands between joined lines; None: nothing does."""

    def batch(self, number: int) -> LineBatch:
        """A batch by its number; a pure function of it."""
        chunk = self._chunk()
        ranks = np.random.default_rng((self.seed, 1, number // chunk)).permutation(chunk)
        random = np.random.default_rng((self.seed, 2, number))
        rows = [
            self._row(source, int(i), random)
            for source in self.sources
            for i in source.numbers(number, chunk, int(ranks[number % chunk]))
        ]
        return self._collated(rows)

    def _chunk(self) -> int:
        """One for all sources: their narrow lines share a batch, and their wide ones."""
        fewest = min(len(source.lines) // source.count for source in self.sources)
        return max(1, min(LONGEST_CHUNK, fewest))

    def _row(self, source: Source, number: int, random: Generator) -> _Row:
        lines, options = source.lines, source.augment
        crop, ids = lines.store[number], lines.texts[number]
        if random.random() < options.join:
            crop, ids = self._joined(source, crop, ids, random)
        changed = augment(crop, options, random, narrowest=steps_needed(ids) * self.stride)
        frames = None if lines.frames is None else lines.frames[number]
        return _Row(changed, ids, float(lines.weights[number]), frames)

    def _joined(
        self, source: Source, crop: ImageArray, ids: Ids, random: Generator
    ) -> tuple[ImageArray, Ids]:
        """A line with another one behind it, if they fit together."""
        lines = source.lines
        other = int(random.integers(len(lines)))
        both = join([crop, lines.store[other]])
        if lines.frames is not None or both.shape[1] > self.widest:
            return crop, ids
        between = () if self.space is None else (self.space,)
        return both, (*ids, *between, *lines.texts[other])

    def _collated(self, rows: Sequence[_Row]) -> LineBatch:
        width = padded_width(max(row.crop.shape[1] for row in rows))
        labelled = [(n, row) for n, row in enumerate(rows) if row.frames is not None]
        soft = None
        if labelled:
            ends = [-(-row.crop.shape[1] // self.stride) for _, row in labelled]
            seen = [row.frames for _, row in labelled if row.frames is not None]
            soft = stack([n for n, _ in labelled], seen, ends, self.steps(width))
        return LineBatch(
            images=torch.from_numpy(as_float([row.crop for row in rows], width)),
            targets=Targets.of([row.ids for row in rows]),
            weights=torch.tensor([row.weight for row in rows]),
            soft=soft,
        )


class _Row(NamedTuple):
    crop: ImageArray
    ids: Ids
    weight: float
    frames: FrameLabels | None
