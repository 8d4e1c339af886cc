"""Batches for a detector: pictures of labelled pages, and of pages nobody has labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from ocr_core.detection.loss import Target
from ocr_core.detection.targets import TargetMaps, TargetProfile, draw_targets
from ocr_core.geometry import ImageArray
from ocr_core.training.copy_paste import CopyPaste, paste
from ocr_core.training.errors import EmptyTrainingSet
from ocr_core.training.page_augment import PageAugment, colour, place
from ocr_core.training.page_store import PageSample, PageStore, StoredPage


class PageBatch(NamedTuple):
    """N pictures, those of labelled pages first."""

    images: Tensor
    """(N, 3, H, W) uint8; blue, green, red."""
    target: Target
    """Each (N, H, W); where a page has no labels, nothing counts."""
    counts: Tensor
    """(N, H, W) uint8: 1 where a teacher may be listened to, 0 in ignored text."""
    replaced: Tensor
    """(k,) numbers of pages that could not be decoded; others stand in for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumbers:
    """How pages become batches."""

    labelled: int = 8
    """Pictures of labelled pages in a batch."""
    unlabelled: int = 0
    """Pictures of pages without labels, more, if there are such pages."""
    augment: PageAugment = field(default_factory=PageAugment)
    copy_paste: CopyPaste | None = None
    targets: TargetProfile = field(default_factory=TargetProfile)


class PageBatches:
    """Batches by their number: each is a function of the seed and its number alone."""

    def __init__(
        self, labelled: PageStore, unlabelled: PageStore | None, numbers: PageNumbers, seed: int
    ) -> None:
        self._labelled = labelled
        self._unlabelled = unlabelled
        self._numbers = numbers
        self._seed = seed

    def __getitem__(self, number: int) -> PageBatch:
        """Raises EmptyTrainingSet if none of the pages can be decoded."""
        replaced: list[int] = []
        pictures = [
            self._labelled_picture(number * self._numbers.labelled + i, replaced)
            for i in range(self._numbers.labelled)
        ]
        if self._unlabelled is not None:
            first = number * self._numbers.unlabelled
            pictures += [
                self._bare_picture(self._unlabelled, first + i)
                for i in range(self._numbers.unlabelled)
            ]
        return _stack(pictures, self._numbers.labelled, replaced)

    def _labelled_picture(self, place_no: int, replaced: list[int]) -> _Picture:
        rng = np.random.default_rng((self._seed, 0, place_no))
        page = _take(self._labelled, self._order(self._labelled, 0, place_no), replaced)
        sample = place(page, self._numbers.augment, rng)
        if self._numbers.copy_paste is not None:
            donor = _take(self._labelled, int(rng.integers(len(self._labelled))), replaced)
            sample = paste(sample, donor, self._numbers.copy_paste, rng)
        size = self._numbers.augment.size
        maps = draw_targets(sample.polygons, sample.ignored, (size, size), self._numbers.targets)
        return _Picture(self._coloured(sample, rng), maps)

    def _bare_picture(self, store: PageStore, place_no: int) -> _Picture:
        rng = np.random.default_rng((self._seed, 1, place_no))
        page = _take(store, self._order(store, 1, place_no), [])
        sample = place(page, self._numbers.augment, rng)
        return _Picture(self._coloured(sample, rng), None)

    def _coloured(self, sample: PageSample, rng: Generator) -> ImageArray:
        return colour(sample.image, self._numbers.augment, rng)

    def _order(self, store: PageStore, stream: int, place_no: int) -> int:
        """Every page once before any page twice, each time in another order."""
        epoch, position = divmod(place_no, len(store))
        return int(_permutation(self._seed, stream, epoch, len(store))[position])


class _Picture(NamedTuple):
    image: ImageArray
    maps: TargetMaps | None
    """None: the page has no labels."""


@lru_cache(maxsize=8)
def _permutation(seed: int, stream: int, epoch: int, count: int) -> Sequence[int]:
    order = np.random.default_rng((seed, 2 + stream, epoch)).permutation(count)
    return tuple(map(int, order))


def _take(store: PageStore, number: int, replaced: list[int]) -> StoredPage:
    """A page, or the next one that can be decoded."""
    for step in range(len(store)):
        wanted = (number + step) % len(store)
        try:
            return store[wanted]
        except (OSError, ValueError):
            replaced.append(wanted)
    raise EmptyTrainingSet(f"none of {len(store)} images can be decoded")


def _stack(pictures: Sequence[_Picture], labelled: int, replaced: Sequence[int]) -> PageBatch:
    # the network wants blue, green, red
    images = np.stack([picture.image[:, :, ::-1].transpose(2, 0, 1) for picture in pictures])
    size = images.shape[2:]
    known = [picture.maps for picture in pictures if picture.maps is not None]
    blank = np.zeros((len(pictures) - labelled, *size), np.uint8)
    text = np.concatenate([np.stack([maps.text for maps in known]), blank])
    mask = np.concatenate([np.stack([maps.mask for maps in known]), blank])
    border = np.concatenate([np.stack([maps.border for maps in known]), blank])
    threshold = np.concatenate([np.stack([m.threshold for m in known]), blank.astype(np.float32)])
    counts = np.concatenate([mask[:labelled], np.ones_like(blank)])
    target = Target(*map(torch.from_numpy, (text, mask, threshold, border)))
    return PageBatch(
        torch.from_numpy(images),
        target,
        torch.from_numpy(counts),
        torch.tensor(sorted(set(replaced)), dtype=torch.int64),
    )
