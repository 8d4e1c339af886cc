"""How far a job is, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.intake import TakenIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is; what a progress bar shows."""

    seconds: float
    """Since the job began."""
    taking_in: bool
    """Whether files are still being taken in, so that the totals grow."""
    files: int
    """Files dealt with so far, failed ones included."""
    files_failed: int
    documents: int
    pages: int
    """Pages of interest: of the files of this job."""
    pages_done: int
    pages_quarantined: int
    pages_leased: int
    pages_waiting: int
    pages_per_second: float
    """Over the last half minute."""
    alert: str | None = None
    """Why nothing moves, if something is known to be wrong with the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended."""

    progress: Progress
    taken_in: tuple[TakenIn, ...] = ()
    """One for each file, in the order they were taken in."""
    interrupted: bool = False
    """Ended by SIGINT or SIGTERM before everything was at rest; the same command continues it."""
    document_ids: tuple[int, ...] = ()
