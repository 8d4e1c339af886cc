"""The embedded mode: takes files in, starts and restarts workers, waits for the last page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from workers.pipeline import TakenIn
from workers.settings import Settings
from workers.sources import Source


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
    workers: int
    """Worker processes that live."""
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
    document_ids: tuple[int, ...] = field(default=())


class Supervisor:
    """Owns the worker processes of one `pagemill run` or `pagemill watch --embedded`.

    A context manager; on leaving it the workers have ended. While it is entered SIGINT and SIGTERM
    end the job cleanly instead of the process; a second one ends the workers at once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""

    def run_until_rest(
        self, sources: Iterable[Source], on_progress: Callable[[Progress], None] = lambda _: None
    ) -> Outcome:
        """Take the files in and return when every page of them is done or quarantined.

        `on_progress` is called in this thread a few times a second. Raises EnvironmentFault when
        something is missing that waiting cannot cure.
        """
        raise NotImplementedError

    def watch(
        self,
        scan: Callable[[], Iterable[Source]],
        on_progress: Callable[[Progress], None] = lambda _: None,
        on_taken_in: Callable[[TakenIn], None] = lambda _: None,
    ) -> Outcome:
        """Call `scan` every `scan_seconds`, take in what it gives, read; until a signal ends it."""
        raise NotImplementedError
