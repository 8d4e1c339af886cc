"""Writes a PDF from its first byte to its last, never holding more than one object."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
"""The second line says that the file is binary (ISO 32000-1, 7.5.2)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes that are in the form the object's /Filter says, piece by piece."""

    length: int
    pieces: Iterable[bytes]


class PdfFile:
    """A file being written through `write`, which takes bytes in order."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._at = 0
        self._offsets: dict[int, int] = {}
        self._next = 1
        self._hash = hashlib.sha256()
        self._put(_HEADER)

    def reserve(self, count: int = 1) -> int:
        """Take numbers for objects to be written at any time; returns the first."""
        first = self._next
        self._next += count
        return first

    def put(self, number: int, dictionary: str, stream: bytes | Stream | None = None) -> None:
        """Write an object; bytes are compressed, a Stream is taken as it is."""
        self._offsets[number] = self._at
        if stream is None:
            self._put(f"{number} 0 obj\n<<{dictionary}>>\nendobj\n".encode())
            return
        if isinstance(stream, bytes):
            packed = zlib.compress(stream, 9)
            dictionary += "/Filter/FlateDecode"
            stream = Stream(len(packed), (packed,))
        self._put(f"{number} 0 obj\n<<{dictionary}/Length {stream.length}>>\nstream\n".encode())
        for piece in stream.pieces:
            self._put(piece)
        self._put(b"\nendstream\nendobj\n")

    def close(self, root: int, info: int | None = None) -> None:
        """Write the table of objects and the end; every reserved number must have been written."""
        start = self._at
        for piece in self._table():
            self._put(piece)
        name = self._hash.hexdigest()[:32]
        about = f"/Info {info} 0 R" if info else ""
        trailer = f"/Size {self._next}/Root {root} 0 R{about}/ID[<{name}><{name}>]"
        self._put(f"trailer\n<<{trailer}>>\nstartxref\n{start}\n%%EOF\n".encode())

    def _table(self) -> Iterator[bytes]:
        yield f"xref\n0 {self._next}\n0000000000 65535 f \n".encode()
        for number in range(1, self._next):
            yield f"{self._offsets[number]:010d} 00000 n \n".encode()

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._hash.update(data)
        self._at += len(data)
