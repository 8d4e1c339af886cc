"""The embedded mode: takes files in, starts and restarts workers, waits for the last page.

It holds nothing that the database does not: killed at any moment, the same call again goes on.
Importing this is cheap, so that the worker starts first; what a job needs is imported meanwhile.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog

from storage.errors import BUCKET_AWAY
from workers.faults import LOGGED_AS, EnvironmentFault
from workers.progress import Outcome, Progress
from workers.settings import Settings
from workers.worker_process import Event, WorkerProcess

if TYPE_CHECKING:
    from workers.intake import TakenIn
    from workers.sources import Source

__all__ = ["Outcome", "Progress", "Supervisor"]

TICK_SECONDS = 0.1
ALERT_SECONDS = 35.0
"""A fault that was not reported again for so long is over: workers pause at most 30 seconds."""
_OURS = {"event", "level", "logger", "timestamp"}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
log = structlog.get_logger()


def _say_nothing(_: object) -> None:
    return


class Supervisor:
    """Owns the worker processes of one `pagemill run` or `pagemill watch --embedded`.

    A context manager; on leaving it the workers have ended. While it is entered SIGINT, SIGTERM
    and SIGHUP end the job cleanly instead of the process; a second one ends the workers at once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stop = threading.Event()
        self._faults: dict[str, tuple[float, EnvironmentFault]] = {}
        self._worker = WorkerProcess(settings, self._hear)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Supervisor:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._signalled) for number in _SIGNALS}
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run_until_rest(
        self, sources: Iterable[Source], on_progress: Callable[[Progress], None] = _say_nothing
    ) -> Outcome:
        """Take the files in and return when every page of them is done or quarantined.

        `on_progress` is called in this thread a few times a second. Raises EnvironmentFault when
        something is missing that waiting cannot cure, and whatever `sources` raises.
        """
        return self._run(sources, on_progress, _say_nothing)

    def watch(
        self,
        scan: Callable[[], Iterable[Source]],
        on_progress: Callable[[Progress], None] = _say_nothing,
        on_taken_in: Callable[[TakenIn], None] = _say_nothing,
    ) -> Outcome:
        """Call `scan` every `scan_seconds`, take in what it gives, read; until a signal ends it."""
        return self._run(self._scans(scan), on_progress, on_taken_in)

    def _scans(self, scan: Callable[[], Iterable[Source]]) -> Iterator[Source]:
        """What the scans find, one after the other; a bucket that is away is waited for."""
        while not self._stop.is_set():
            try:
                yield from scan()
            except BUCKET_AWAY as error:
                self._note(EnvironmentFault("bucket_missing", error.message, error.advice))
            self._stop.wait(self.settings.scan_seconds)

    def _run(
        self,
        sources: Iterable[Source],
        on_progress: Callable[[Progress], None],
        on_taken_in: Callable[[TakenIn], None],
    ) -> Outcome:
        # Imported while the worker starts: these take as long as it does.
        from workers.job import Job
        from workers.services import Services

        with Services(self.settings) as services:
            job = Job(services, sources, self._worker, self._alerts)
            try:
                while not (job.finished or self._stop.is_set()):
                    for taken in job.tick():
                        on_taken_in(taken)
                    on_progress(job.progress())
                    self._stop.wait(TICK_SECONDS)
            finally:
                job.end()
            if job.finished and job.nothing_in_hand():
                self._worker.kill()  # idle: nobody needs to wait for Celery to say goodbye
                services.checkpoint()
            last = job.progress()
            on_progress(last)
            return Outcome(
                progress=last,
                taken_in=tuple(job.taken_in),
                interrupted=self._stop.is_set() and not job.finished,
                document_ids=job.tracker.document_ids,
            )

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            self._worker.kill()
        self._stop.set()

    def _hear(self, event: Event) -> None:
        """Repeat an event of the workers' log in ours; remember what is wrong with the machine."""
        fields = {key: value for key, value in event.items() if key not in _OURS}
        getattr(log, str(event.get("level", "info")), log.info)(str(event["event"]), **fields)
        if event["event"] == LOGGED_AS:
            fault = EnvironmentFault(
                str(event.get("code")),
                str(event.get("message")),
                str(event.get("advice")),
                lasting=bool(event.get("lasting")),
            )
            self._note(fault)

    def _note(self, fault: EnvironmentFault) -> None:
        self._faults[fault.code] = (time.monotonic(), fault)

    def _alerts(self) -> list[EnvironmentFault]:
        """What the workers lately reported to be wrong."""
        since = time.monotonic() - ALERT_SECONDS
        return [fault for at, fault in list(self._faults.values()) if at > since]
