"""What the tasks do. No Celery in here: settings and services are arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workers.services import Services
from workers.settings import Lane
from workers.sources import Source

if TYPE_CHECKING:
    from ingest.content import Verdict
    from ingest.errors import IngestError
    from ocr_core.page import PageResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became of a file that was taken in."""

    uri: str
    document_id: int | None
    """None if not even a failed document could be stored: the file could not be fetched."""
    state: Literal["taken", "known", "failed"]
    """`known`: the same bytes were taken in before; only the source is new, or nothing."""
    pages: int = 0
    """Pages selected for reading."""
    error: IngestError | None = None
    """Why, if failed: code, message, advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPage:
    """One page that was read, by whatever way."""

    page_no: int
    result: PageResult
    """Lines in reading order, each with its source (`ocr` or `text_layer`)."""
    dpi: float
    verdict: Verdict
    image_sha256: str | None
    seconds: float
    """Wall time from opening the page to the last line."""


def take_in(source: Source, services: Services) -> TakenIn:
    """Copy, hash, split and store a file; a file that cannot be opened becomes a failed document.

    Safe to run twice. Raises only environment faults (workers.faults).
    """
    raise NotImplementedError


def read_pages(services: Services, lane: Lane | None = None) -> int:
    """Read waiting pages until none is left or the time budget is spent; how many were read.

    Safe to run twice and at the same time in several processes. Raises environment faults.
    """
    raise NotImplementedError


def read_file(path: Path, services: Services) -> Iterator[ReadPage | tuple[int, IngestError]]:
    """Read a file directly, without a database; a page that fails gives (page_no, error).

    Raises IngestError if the file cannot be opened.
    """
    raise NotImplementedError
