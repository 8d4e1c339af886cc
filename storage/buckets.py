r"""Buckets: places where documents lie. A key is data, never joined to a path unseen.

**How file names become keys.** A file name is bytes, a key is text that a database, a log and a
person can take. The key of a file is its path inside the bucket, decoded as UTF-8, in which
every byte that is not UTF-8, every control character and every line separator is written as
``\xNN`` per byte and every backslash doubled. The mapping is one to one, so the key leads back
to the same bytes; ordinary names, Chinese ones too, stay as they are. A ``file://`` URI holds
the same bytes percent-encoded (RFC 8089).
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, unquote_to_bytes, urlsplit

from storage.errors import BucketUnsupported, KeyRefused, ObjectMissing

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK so that opening a FIFO cannot hang; it means nothing for the regular files we keep.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ESCAPE = re.compile(r"\\(?:\\|x[0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object of a bucket, as listed."""

    key: str
    """Its name inside the bucket (see the module's docstring)."""
    size: int
    """Bytes."""
    version: str
    """Changes when the content may have changed: size:mtime_ns:inode, or an ETag."""
    uri: str
    """Where it is, from anywhere on this machine or network."""


class Bucket(Protocol):
    """A place with documents, read only."""

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        """The objects whose key starts with `prefix`, in the order of their names."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading; raises KeyRefused or ObjectMissing."""
        ...

    def stat(self, key: str) -> SourceObject:
        """Look at an object again; raises KeyRefused or ObjectMissing."""
        ...


def key_of(name: bytes) -> str:
    """The key of a path inside a bucket, given as bytes with forward slashes."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join(_escaped(character) for character in text)


def name_of(key: str) -> bytes:
    """The path inside the bucket a key stands for; raises KeyRefused.

    Refused are: the empty key, absolute keys, the parts '', '.' and '..', NUL, and every spelling
    `key_of` would not have chosen, so that two keys never mean one object.
    """
    try:
        name = unescaped(key)
    except UnicodeEncodeError:
        raise KeyRefused(repr(key)) from None
    parts = name.split(b"/")
    if b"\0" in name or any(part in (b"", b".", b"..") for part in parts) or key_of(name) != key:
        raise KeyRefused(repr(key))
    return name


def readable(uri: str) -> str:
    """The address for people: a file URI as its path (escaped as keys are), others unchanged."""
    if not uri.startswith("file:"):
        return uri
    return key_of(unquote_to_bytes(urlsplit(uri).path))


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp"):
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def unescaped(key: str) -> bytes:
    """The name a key was made from; raises UnicodeEncodeError for lone surrogates."""
    parts: list[bytes] = []
    end = 0
    for match in _ESCAPE.finditer(key):
        escape = match[0]
        parts += [
            key[end : match.start()].encode(),
            b"\\" if escape == "\\\\" else bytes.fromhex(escape[2:]),
        ]
        end = match.end()
    return b"".join([*parts, key[end:].encode()])


class FolderBucket:
    """A folder and everything below it.

    Only regular files exist: no FIFO, device or socket. Symbolic links inside the folder are not
    followed, neither to files nor to folders: what they point at is listed itself if it lies
    inside, and is none of the bucket's business if it does not. Hidden files are listed;
    whoever watches the bucket decides about names.
    """

    def __init__(self, path: str | Path, *, only: str | None = None) -> None:
        """The folder `path`, which may itself be a link; with `only`, just the file of this key.

        Raises ObjectMissing if there is no such folder.
        """
        self.root = Path(os.path.realpath(path))
        if not self.root.is_dir():
            raise ObjectMissing(f"{key_of(os.fsencode(self.root))} is not a folder.")
        self.unreadable: tuple[str, ...] = ()
        """Folders the last listing could not enter, with the reason."""
        self._only = only

    @classmethod
    def of_file(cls, path: str | Path) -> FolderBucket:
        """A bucket with one file in it; a link is followed first. Raises ObjectMissing."""
        file = Path(os.path.realpath(path))
        key = key_of(os.fsencode(file.name))
        bucket = cls(file.parent, only=key)
        bucket.stat(key)
        return bucket

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        """The regular files whose key starts with `prefix`, folder by folder, sorted by name.

        What vanishes while listing is passed over; folders that may not be entered are passed over
        too and named in `unreadable` afterwards. Raises ObjectMissing if the bucket itself is gone.
        """
        self.unreadable = ()
        names = [name_of(self._only)] if self._only else self._walk()
        for key in map(key_of, names):
            if not key.startswith(prefix):
                continue
            try:
                yield self.stat(key)
            except ObjectMissing:  # moved, or became something else, between listing and looking
                continue

    def open(self, key: str) -> BinaryIO:
        """Open a file for reading; raises KeyRefused or ObjectMissing."""
        with self._parent(key) as (folder, name):
            try:
                descriptor = os.open(name, _FILE, dir_fd=folder)
            except OSError as error:
                raise ObjectMissing(f"{key} ({error.strerror})") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ObjectMissing(f"{key} (not a regular file)")
        return os.fdopen(descriptor, "rb")

    def stat(self, key: str) -> SourceObject:
        """Look at a file again without opening it; raises KeyRefused or ObjectMissing."""
        with self._parent(key) as (folder, name):
            try:
                facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                raise ObjectMissing(f"{key} ({error.strerror})") from error
        if not stat.S_ISREG(facts.st_mode):
            raise ObjectMissing(f"{key} (not a regular file)")
        version = f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ino}"
        return SourceObject(key, facts.st_size, version, self._uri(key))

    def _uri(self, key: str) -> str:
        return "file://" + quote(os.fsencode(self.root).rstrip(b"/") + b"/" + name_of(key))

    @contextmanager
    def _parent(self, key: str) -> Iterator[tuple[int, bytes]]:
        """Descriptor of the folder that holds `key`, entered part by part, and the last part.

        Every step refuses links, so nobody can lead the way out of the bucket by swapping a
        folder for a link while we walk.
        """
        *folders, name = name_of(key).split(b"/")
        if self._only is not None and key != self._only:
            raise ObjectMissing(key)
        here = self._root_descriptor()
        try:
            for folder in folders:
                here = _entered(here, folder, key)
            yield here, name
        finally:
            os.close(here)

    def _root_descriptor(self) -> int:
        try:
            return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ObjectMissing(f"{self.root} ({error.strerror})") from error

    def _walk(self) -> Iterator[bytes]:
        """Paths of the regular files below the root, relative to it."""
        os.close(self._root_descriptor())
        waiting = [b""]
        while waiting:
            folder = waiting.pop()
            inner = []
            for entry in self._entries(folder):
                if entry.is_dir(follow_symlinks=False):
                    inner.append(folder + entry.name + b"/")
                elif entry.is_file(follow_symlinks=False):
                    yield folder + entry.name
            waiting += reversed(inner)

    def _entries(self, folder: bytes) -> Sequence[os.DirEntry[bytes]]:
        try:
            with os.scandir(os.fsencode(self.root) + b"/" + folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            self.unreadable += (f"{key_of(folder.rstrip(b'/'))} ({error.strerror})",)
            return ()


def _entered(here: int, folder: bytes, key: str) -> int:
    try:
        inner = os.open(folder, _FOLDER, dir_fd=here)
    except OSError as error:
        raise ObjectMissing(f"{key} ({error.strerror})") from error
    os.close(here)
    return inner


def open_bucket(url: str | Path) -> Bucket:
    """The bucket at a path or URL; that of a single file or object gives one with only it.

    Raises BucketUnsupported for unknown schemes, ObjectMissing if nothing is there, and for object
    stores (objects.py) BucketRefused and BucketUnavailable.
    """
    if isinstance(url, str) and url.startswith("s3://"):
        from storage.objects import ObjectBucket  # loads the AWS library

        return ObjectBucket(url)
    path = _local_path(url)
    return FolderBucket(path) if path.is_dir() else FolderBucket.of_file(path)


def _local_path(url: str | Path) -> Path:
    if isinstance(url, Path) or "://" not in url:
        return Path(url)
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise BucketUnsupported(f"'{parts.scheme}://' is not known to this version.")
    if parts.netloc not in ("", "localhost"):
        raise BucketUnsupported(f"{url} names another computer.")
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))
