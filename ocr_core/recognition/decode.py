"""From the recogniser's frames to characters with confidence and place on the line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocr_core.runtime import BestPath

BLANK = 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """One decoded character and the frames it was seen in."""

    text: str
    confidence: float
    """Largest arg-max probability over its frames."""
    first: int
    """First frame, counted from 0."""
    last: int
    """Last frame, included."""
    space_before: float = 0.0
    """Largest probability of a space between the character before and this one."""

    @property
    def center(self) -> float:
        """Middle of its frames, in frames."""
        return (self.first + self.last + 1) / 2

    @property
    def is_space(self) -> bool:
        """Whether it divides words (a space, or the ideographic space U+3000)."""
        return self.text.isspace()


def collapse(ids: Sequence[int]) -> list[int]:
    """Greedy CTC path → class ids: repeats merge, blanks vanish (Graves et al. 2006, 3.1)."""
    kept = [i for n, i in enumerate(ids) if n == 0 or i != ids[n - 1]]
    return [i for i in kept if i != BLANK]


def symbols(path: BestPath, characters: Sequence[str]) -> list[Symbol]:
    """Best path of one line (1, T) → characters with their frames.

    `characters[i]` is the text of class i; class 0 is the blank and the last one the space.
    """
    ids, best, spaces = path.ids[0], path.probabilities[0], path.spaces[0]
    read: list[Symbol] = []
    for first, end in _runs(ids):
        if ids[first] == BLANK:
            continue
        since = read[-1].last + 1 if read else first
        between = float(spaces[since:first].max()) if first > since else 0.0
        character, probability = characters[ids[first]], float(best[first:end].max())
        read.append(Symbol(character, min(probability, 1.0), first, end - 1, min(between, 1.0)))
    return read


def _runs(ids: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Start and end (not included) of each run of equal ids."""
    if not len(ids):
        return []
    borders = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), len(ids)]
    return list(itertools.pairwise(borders))


def confidence(read: Sequence[Symbol]) -> float:
    """Mean confidence of the characters; 0 for an empty line, never NaN."""
    return sum(s.confidence for s in read) / len(read) if read else 0.0


def is_unspaced(character: str) -> bool:
    """Whether its script has no spaces: Han, kana, Thai, Lao, Khmer, Burmese."""
    code = ord(character)
    return any(low <= code <= high for low, high in _UNSPACED)


_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
