"""Local copies of documents, kept under the SHA-256 of their bytes.

A copy is made in a temporary file, hashed on the way, written through to the disk and then given
its name in one step: a name always holds exactly those bytes, whatever is killed when. Several
processes may use one spool. The time of last use is kept in the access time, which is set by
hand since most file systems are mounted without it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from ingest.errors import SourceChanged, SourceMissing, SpoolFull, TooLarge, UnreadableSource
from ingest.media import Limits
from storage.buckets import Bucket, SourceObject
from storage.errors import KeyRefused, ObjectMissing

_CHUNK = 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_IN_USE_SECONDS = 120.0
"""A copy used so recently is never evicted: somebody may be about to open it."""
_STALE_SECONDS = 86_400.0
"""A temporary file so old was left by a process that was killed."""
_SLACK = 0.05
"""Share of the limit that may be added before the spool is measured again."""
_TARGET = 0.9
"""Share of the limit that eviction comes down to."""


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A local copy."""

    path: Path
    sha256: str
    size: int


class Spool:
    """A folder of local copies of at most about `max_bytes`, the longest unused leaving first."""

    def __init__(
        self, root: Path, max_bytes: int, *, max_file_bytes: int = Limits().max_bytes
    ) -> None:
        self.root = Path(root).absolute()
        self.max_bytes = max_bytes
        self.max_file_bytes = max_file_bytes
        """Larger objects are refused before they are copied."""
        self._unmeasured = max_bytes  # measure at the first take

    def take(self, bucket: Bucket, found: SourceObject) -> SpooledFile:
        """Copy an object, exactly in the version that was listed.

        Raises TooLarge, SourceMissing, UnreadableSource, SourceChanged and SpoolFull.
        """
        if found.size > self.max_file_bytes:
            raise TooLarge(f"{found.size:,} bytes, at most {self.max_file_bytes:,}")
        self._prepare()
        with _source_faults(found):
            _check_version(bucket, found)
            with bucket.open(found.key) as source:
                spooled = self._keep(source, bucket, found)
        self._unmeasured += spooled.size
        if self._unmeasured > _SLACK * self.max_bytes:
            self.evict()
        return spooled

    def path(self, sha256: str) -> Path | None:
        """The copy of this content, marked as used just now; None if there is none."""
        path = self._place(sha256)
        try:
            _touch(path)
        except FileNotFoundError:
            return None
        return path

    def evict(self) -> int:
        """Remove the longest unused copies beyond the limit; how many bytes were freed.

        Copies in use stay. If another process evicts at this moment, nothing is done.
        """
        self._unmeasured = 0
        with self._only_one() as chosen:
            if not chosen:
                return 0
            self._remove_stale()
            copies = sorted(self._copies(), key=lambda copy: copy[1].st_atime)
            total = sum(facts.st_size for _, facts in copies)
            excess = total - self.max_bytes
            return _remove(copies, total - _TARGET * self.max_bytes) if excess > 0 else 0

    def _keep(self, source: BinaryIO, bucket: Bucket, found: SourceObject) -> SpooledFile:
        with _room(), tempfile.NamedTemporaryFile(dir=self._temporary, delete=False) as copy:
            temporary = Path(copy.name)
            try:
                sha256, size = _copied(source, copy, found)
                _check_version(bucket, found)
                place = self._place(sha256)
                self._publish(temporary, place)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        return SpooledFile(place, sha256, size)

    def _prepare(self) -> None:
        try:
            self._temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SpoolFull(str(error)) from error

    def _publish(self, temporary: Path, place: Path) -> None:
        place.parent.mkdir(exist_ok=True, mode=0o700)
        temporary.replace(place)  # if it was there, it is the same bytes
        _sync_folder(place.parent)
        _sync_folder(self.root)

    def _place(self, sha256: str) -> Path:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256[:80]!r}")
        return self.root / sha256[:2] / sha256

    @property
    def _temporary(self) -> Path:
        return self.root / "tmp"

    def _copies(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):  # another process removed it
                yield path, path.stat()

    def _remove_stale(self) -> None:
        for path in self._temporary.glob("*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()

    @contextmanager
    def _only_one(self) -> Iterator[bool]:
        """Whether this process alone is inside; the lock goes with the process."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True


def _copied(source: BinaryIO, copy: IO[bytes], found: SourceObject) -> tuple[str, int]:
    """Copy all bytes to the disk; their SHA-256 and number. Raises SourceChanged on growth."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > found.size:
            break
        digest.update(chunk)
        copy.write(chunk)
    if size != found.size:
        raise SourceChanged(f"{found.key}: {size:,} bytes instead of {found.size:,}")
    copy.flush()
    os.fsync(copy.fileno())
    return digest.hexdigest(), size


def _check_version(bucket: Bucket, found: SourceObject) -> None:
    if bucket.stat(found.key).version != found.version:
        raise SourceChanged(found.key)


@contextmanager
def _source_faults(found: SourceObject) -> Iterator[None]:
    try:
        yield
    except ObjectMissing as error:
        raise SourceMissing(str(error)) from error
    except KeyRefused as error:
        raise UnreadableSource(str(error)) from error
    except OSError as error:
        raise UnreadableSource(f"{found.key}: {error.strerror or error}") from error


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise SpoolFull(str(error.strerror)) from error
        raise


def _touch(path: Path) -> None:
    facts = path.stat()
    os.utime(path, ns=(time.time_ns(), facts.st_mtime_ns))  # the content did not change


def _remove(copies: list[tuple[Path, os.stat_result]], excess: float) -> int:
    freed = 0
    for path, facts in copies:
        if freed >= excess or time.time() - facts.st_atime < _IN_USE_SECONDS:
            break
        path.unlink(missing_ok=True)
        freed += facts.st_size
    return freed


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
