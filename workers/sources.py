"""Which files are meant: paths and URLs of the command line and of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.errors import SourceMissing
from ingest.watch import is_ignored
from storage.buckets import Bucket, SourceObject, open_bucket
from storage.errors import ObjectMissing


@dataclass(frozen=True, slots=True)
class Source:
    """One object of a bucket: what is taken in."""

    bucket: Bucket
    object: SourceObject


def find_sources(paths: Iterable[str]) -> Iterator[Source]:
    """Find the files that are named, and every file below the folders that are named.

    A folder's hidden and unfinished files are passed over; a file named itself never is.
    Raises SourceMissing (ingest.errors) where nothing lies, BucketUnsupported (storage.errors)
    for an unknown scheme; both before the first file.
    """
    buckets = [_bucket(path) for path in paths]
    return (source for bucket in buckets for source in list_sources(bucket))


def list_sources(bucket: Bucket) -> Iterator[Source]:
    """List the files of a bucket, in the order of their names."""
    objects = bucket.list()
    return (Source(bucket, found) for found in objects if not is_ignored(found.key))


def find_source(uri: str) -> Source:
    """Find the one file a task's URI or path names; raises SourceMissing."""
    bucket = _bucket(uri)
    try:
        found = next(bucket.list(), None)
    except ObjectMissing as error:
        raise SourceMissing(str(error)) from error
    if found is None:
        raise SourceMissing(uri)
    return Source(bucket, found)


def _bucket(path: str) -> Bucket:
    try:
        return open_bucket(path)
    except ObjectMissing as error:
        raise SourceMissing(path) from error
