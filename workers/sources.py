"""Which files are meant: paths and URLs of the command line and of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.buckets import FolderBucket, SourceObject


@dataclass(frozen=True, slots=True)
class Source:
    """One object of a bucket: what is taken in."""

    bucket: FolderBucket
    object: SourceObject


def find_sources(paths: Iterable[str]) -> Iterator[Source]:
    """The files that are named, and every file below the folders that are named.

    Raises SourceMissing (ingest.errors) for a path where nothing lies.
    """
    raise NotImplementedError


def find_source(uri: str) -> Source:
    """The one file a task's URI or path names; raises SourceMissing."""
    raise NotImplementedError
