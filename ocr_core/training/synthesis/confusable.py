"""Characters that look alike, found by looking: drawn, blurred, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.synthesis.faces import Face, FaceSet, sized

_EM = 32
"""Pixels; the picture of a glyph is half as large again, for what hangs over."""
_SIDE = 48
_FACES = 3
"""Faces that are asked; two characters are as alike as they are on average."""
_ROWS = 1024
"""Characters compared at a time: memory is rows by characters."""
_NEIGHBOURS = 8
"""Nearest characters looked at for each."""
SAME = 0.995
"""Likeness from which two characters are one picture, as Latin A and Greek Α: no eye tells them."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two characters and how alike they are, from -1 to 1."""

    first: str
    second: str
    likeness: float


def confusable_groups(
    characters: str, faces: FaceSet, *, groups: int, largest: int = 4, blur: float = 1.5
) -> tuple[str, ...]:
    """At most `groups` groups of 2 to `largest` characters, those most alike first.

    `blur` is the sigma in pixels of an em of 32: what is lost at small sizes. Characters that no
    face draws are left out, and pairs that are one picture. Raises CharactersNotDrawn if fewer
    than two are left.
    """
    return _joined(confusable_pairs(characters, faces, blur=blur), groups, largest)


def confusable_pairs(characters: str, faces: FaceSet, *, blur: float = 1.5) -> list[Pair]:
    """Each character with its nearest ones, the most alike first."""
    letters = sorted({c for c in characters if not c.isspace()})
    chosen = _best_faces(letters, faces)
    drawn = [c for c in letters if all(face.draws(c) for face in chosen)]
    if len(drawn) < 2:
        raise CharactersNotDrawn("".join(letters)[:40])
    vectors = [_vectors(drawn, face, blur) for face in chosen]
    pairs: dict[tuple[int, int], float] = {}
    for start in range(0, len(drawn), _ROWS):
        part = slice(start, start + _ROWS)
        likeness = sum(v[part] @ v.T for v in vectors) / np.float32(len(vectors))
        pairs |= _nearest(np.asarray(likeness, np.float32), start)
    best_first = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return [Pair(drawn[i], drawn[j], value) for (i, j), value in best_first]


def _best_faces(letters: Sequence[str], faces: FaceSet) -> list[Face]:
    """The faces that draw most of the characters; of those as good, the first by name."""
    counted = [(sum(map(face.draws, letters)), face) for face in faces.faces]
    most = max(count for count, _ in counted)
    return [face for count, face in counted if count == most][:_FACES]


def _vectors(letters: Sequence[str], face: Face, blur: float) -> Vectors:
    """(N, pixels) pictures of the characters at their place in the em, of mean 0 and length 1."""
    font = sized(face, _EM)
    pictures = np.zeros((len(letters), _SIDE, _SIDE), np.float32)
    for picture, letter in zip(pictures, letters, strict=True):
        core, (left, top) = font.getmask2(letter, "L")
        width, height = core.size
        glyph = np.frombuffer(bytes(core), np.uint8).reshape(height, width)
        x, y = max(0, left + 6), max(0, top + 2)
        target = picture[y : y + height, x : x + width]
        target[:] = glyph[: target.shape[0], : target.shape[1]]
        picture[:] = cv2.GaussianBlur(picture, (0, 0), blur)
    flat = pictures.reshape(len(letters), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(lengths, 1e-6), np.float32)


def _nearest(likeness: Vectors, start: int) -> dict[tuple[int, int], float]:
    """The nearest ones of each row, without the character itself and its doubles."""
    rows = np.arange(len(likeness))
    likeness[rows, start + rows] = -1
    likeness[likeness >= SAME] = -1
    count = min(_NEIGHBOURS, likeness.shape[1] - 1)
    nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    return {
        (min(start + i, j), max(start + i, j)): float(likeness[i, j])
        for i in rows.tolist()
        for j in nearest[i].tolist()
        if likeness[i, j] > 0
    }


def _joined(pairs: Sequence[Pair], groups: int, largest: int) -> tuple[str, ...]:
    """Pairs joined into groups, best first; a character is in one group only."""
    group_of: dict[str, list[str]] = {}
    found: list[list[str]] = []
    for pair in pairs:
        first, second = group_of.get(pair.first), group_of.get(pair.second)
        if first is None and second is None and len(found) < groups:
            found.append([pair.first, pair.second])
            group_of[pair.first] = group_of[pair.second] = found[-1]
        elif (first is None) != (second is None):
            group = first or second or []
            newcomer = pair.second if second is None else pair.first
            if len(group) < largest:
                group.append(newcomer)
                group_of[newcomer] = group
    return tuple("".join(group) for group in found)
