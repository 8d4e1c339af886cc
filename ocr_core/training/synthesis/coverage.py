"""Which characters a font file has, read from its `cmap` tables (OpenType 1.9, "cmap").

Only TrueType and OpenType fonts and collections of them (.ttf, .otf, .ttc, .otc) are read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

Characters = frozenset[int]
"""Code points."""

_FULL_UNICODE = ((3, 10), (0, 6), (0, 4))
_UNICODE = (*_FULL_UNICODE, (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of the subtables that map Unicode, the most complete first."""


def face_offsets(file: BinaryIO) -> list[int]:
    """Where the table directory of each face is; raises ValueError if it is no such font."""
    tag = _read(file, 0, 4)
    if tag == b"ttcf":
        (count,) = struct.unpack(">I", _read(file, 8, 4))
        return list(struct.unpack(f">{count}I", _read(file, 12, 4 * count)))
    if tag in (b"\0\1\0\0", b"OTTO", b"true"):
        return [0]
    raise ValueError("neither TrueType nor OpenType")


def characters_of(file: BinaryIO, offset: int) -> Characters:
    """Code points that the face at an offset has a glyph for; ValueError if the file is damaged."""
    start = _table(file, offset, b"cmap")
    (count,) = struct.unpack(">H", _read(file, start + 2, 2))
    records = struct.iter_unpack(">HHI", _read(file, start + 4, 8 * count))
    subtables = {(platform, encoding): where for platform, encoding, where in records}
    for kind in _UNICODE:
        if kind in subtables:
            return _subtable(file, start + subtables[kind])
    return frozenset()


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    found = file.read(count)
    if len(found) != count:
        raise ValueError("the font file ends too early")
    return found


def _table(file: BinaryIO, offset: int, wanted: bytes) -> int:
    """Where a table of the face starts."""
    (count,) = struct.unpack(">H", _read(file, offset + 4, 2))
    for tag, _, start, _ in struct.iter_unpack(">4sIII", _read(file, offset + 12, 16 * count)):
        if tag == wanted:
            return int(start)
    raise ValueError(f"no table {wanted.decode()}")


def _subtable(file: BinaryIO, start: int) -> Characters:
    (form,) = struct.unpack(">H", _read(file, start, 2))
    if form not in _FORMATS:
        return frozenset()
    return frozenset(code for codes in _FORMATS[form](file, start) for code in codes.tolist())


Codes = Iterator[NDArray[np.int64]]


def _format_0(file: BinaryIO, start: int) -> Codes:
    """One glyph for each of 256 codes."""
    yield np.flatnonzero(np.frombuffer(_read(file, start + 6, 256), np.uint8))


def _format_4(file: BinaryIO, start: int) -> Codes:
    """Segments of the Basic Multilingual Plane: a code is in the font unless its glyph is 0."""
    length, _, twice = struct.unpack(">HHH", _read(file, start + 2, 6))
    words = np.frombuffer(_read(file, start, length // 2 * 2), ">u2").astype(np.int64)
    count = twice // 2
    ends = words[7 : 7 + count]
    starts, deltas, offsets = words[8 + count : 8 + 4 * count].reshape(3, count)
    for i, (first, last, delta, offset) in enumerate(
        zip(starts, ends, deltas, offsets, strict=True)
    ):
        codes = np.arange(first, min(last, 0xFFFE) + 1)
        if offset:  # counted in bytes from the place of the offset itself
            places = 8 + 3 * count + i + offset // 2 + codes - first
            glyphs = words[np.minimum(places, len(words) - 1)]
            glyphs = np.where(glyphs != 0, (glyphs + delta) & 0xFFFF, 0)
        else:
            glyphs = (codes + delta) & 0xFFFF
        yield codes[glyphs != 0]


def _format_6(file: BinaryIO, start: int) -> Codes:
    """One run of codes."""
    first, count = struct.unpack(">HH", _read(file, start + 6, 4))
    glyphs = np.frombuffer(_read(file, start + 10, 2 * count), ">u2")
    yield first + np.flatnonzero(glyphs)


def _format_10(file: BinaryIO, start: int) -> Codes:
    """One run of codes, anywhere in Unicode."""
    first, count = struct.unpack(">II", _read(file, start + 12, 8))
    glyphs = np.frombuffer(_read(file, start + 20, 2 * count), ">u2")
    yield first + np.flatnonzero(glyphs)


def _format_12(file: BinaryIO, start: int) -> Codes:
    """Groups of consecutive codes with consecutive glyphs, the first of them never 0."""
    (count,) = struct.unpack(">I", _read(file, start + 12, 4))
    groups = np.frombuffer(_read(file, start + 16, 12 * count), ">u4").reshape(-1, 3)
    for first, last, glyph in groups.astype(np.int64):
        yield np.arange(first + (glyph == 0), min(last, 0x10FFFF) + 1)


_FORMATS: dict[int, Callable[[BinaryIO, int], Codes]] = {
    0: _format_0,
    4: _format_4,
    6: _format_6,
    10: _format_10,
    12: _format_12,
}
