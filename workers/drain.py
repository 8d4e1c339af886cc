"""Reads waiting pages, one after the other, until none waits or the time is over.

One page is read while the next one is drawn in the sandbox. A page ends in one of four ways: it is
stored; it is refused, for a reason of its own; it is given back, for a reason that is not its own;
or its lease was lost meanwhile, and nothing of it is stored.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import psutil
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ingest.content import PageContent
from ingest.errors import IngestError, InstallationBroken, InternalError
from ocr_core.errors import EngineFailed
from storage import ledger
from storage.errors import ErrorInfo, LeaseLost
from storage.ledger import Lease, SavedPage
from storage.schema import LANES
from workers.faults import EnvironmentFault, check_disk, environment_faults
from workers.heartbeat import Heartbeat
from workers.provenance import run_of
from workers.reading import ReadPage, read_content, read_page, render
from workers.services import Services
from workers.spooling import local_copy
from workers.waiting import due_pages, seconds_to_next

log = structlog.get_logger()
MIB = 2**20
PDF = "application/pdf"
LATE_SECONDS = 60.0
"""What reading the pages in hand may take when the time is over; the rest is given back."""
_PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries to store a page that is read: half a lease, then it is given back."""


def read_pages(services: Services, lane: str = "normal") -> int:
    """Read waiting pages of this lane and the more urgent ones; how many were dealt with.

    Ends when none waits, soon after `drain_seconds` are over, when `services.stop` is set or when
    the process has grown beyond its memory. Safe to run twice, and in many processes at a time.
    Raises EnvironmentFault; pages in hand are then given back uncounted.
    """
    lanes = LANES[: LANES.index(lane) + 1]
    with Heartbeat(services) as heart:
        drain = Drain(services, heart, lanes)
        try:
            return drain.run()
        finally:
            drain.give_back()


def next_page_in(services: Services) -> float | None:
    """Seconds until a page of our queue can be claimed: 0 for now, None if none waits."""
    queue = services.settings.queue
    with environment_faults(), services.reading() as session:
        return 0.0 if due_pages(session, queue, 1) else seconds_to_next(session, queue)


class Drain:
    """One run of `read_pages`: the leases in hand, and what is being drawn of them."""

    def __init__(self, services: Services, heart: Heartbeat, lanes: Sequence[str]) -> None:
        self._services = services
        self._settings = services.settings
        self._heart = heart
        self._lanes = lanes
        self._waiting: deque[Lease] = deque()
        self._drawn: dict[int, Future[PageContent]] = {}
        self._ends_at = time.monotonic() + self._settings.drain_seconds

    def run(self) -> int:
        """Read until there is a reason to end."""
        pages = 0
        # Grown or not, every run reads a page: a budget that is too small must not stop the job.
        while not (pages and self._grown()) and (lease := self._next()) is not None:
            self._heart.progress()
            if self._heart.holds(lease):
                self._deal_with(lease)
            pages += 1
        return pages

    def give_back(self) -> None:
        """Release what was claimed and not begun."""
        for drawing in self._drawn.values():
            drawing.cancel()
        for lease in self._heart.held():
            self._release(lease)

    def _next(self) -> Lease | None:
        """The next page in hand; what is in hand when the time is over is still read."""
        late = time.monotonic() - self._ends_at
        if self._services.stop.is_set() or late > LATE_SECONDS:
            return None
        if late < 0 and len(self._waiting) <= 1:  # one stays in hand, so that it is drawn ahead
            self._claim()
        return self._waiting.popleft() if self._waiting else None

    def _grown(self) -> bool:
        resident = psutil.Process().memory_info().rss // MIB
        if resident <= self._settings.worker_memory_mb:
            return False
        log.info("worker_grown", resident_mib=resident, budget_mib=self._settings.worker_memory_mb)
        return True

    def _claim(self) -> None:
        """Claim some more; nothing beside a suspect page, which is to be read alone."""
        if any(lease.suspect for lease in self._waiting):
            return
        check_disk(self._settings.cache_dir, self._settings.min_free_mb * MIB)
        limit = self._fair_share()
        if not limit:
            return
        with environment_faults(), self._services.session.begin() as session:
            leases = ledger.claim(
                session,
                worker=self._services.worker,
                queue=self._settings.queue,
                lanes=self._lanes,
                limit=limit,
                lease_seconds=self._settings.lease_seconds,
            )
        self._heart.hold(leases)
        self._waiting.extend(leases)

    def _fair_share(self) -> int:
        """How many pages to claim: few when few wait, so that the other workers get some too."""
        most, turns = self._settings.claim_pages, 2 * self._settings.jobs
        with environment_faults(), self._services.reading() as session:
            due = due_pages(session, self._settings.queue, most * turns)
        return -(-due // turns)

    def _deal_with(self, lease: Lease) -> None:
        """Bring one page to its end; raises EnvironmentFault after giving it back."""
        names = {"document": lease.document_id, "page": lease.page_no, "token": lease.token}
        with structlog.contextvars.bound_contextvars(**names):
            try:
                self._read(lease)
            except LeaseLost:
                self._fenced(lease)
            except EnvironmentFault:
                self._release(lease)
                raise
            except IngestError as error:
                info = ErrorInfo(error.code, error.message, error.advice, error.retryable)
                self._refuse(lease, info, blame=error.blames_page)
            except (NameError, ImportError) as error:  # so would every other page
                log.exception("page_failed")
                self._release(lease)
                raise _broken(error) from error
            except EngineFailed as error:  # the page did it: its size, or the memory it took
                self._services.forget_reader()
                info = ErrorInfo(error.code, error.message, error.advice, error.retryable)
                self._refuse(lease, info, blame=True)
            except Exception as error:  # the border of a page: no fault in one may stop the others
                log.exception("page_failed")
                self._refuse(lease, _internal(error), blame=False)

    def _read(self, lease: Lease) -> None:
        started, cpu = time.perf_counter(), time.process_time()
        with environment_faults():
            content = self._content(lease)
            self._heart.progress()
            result = read_content(content, lambda: self._services.reader)
            self._heart.progress()
            page = read_page(content, result, time.perf_counter() - started)
            run = run_of(self._services, reader_used=content.pixels is not None)
        saved = _saved(page, run, time.process_time() - cpu)
        self._heart.drop(lease)
        self._write(partial(ledger.finish, lease=lease, saved=saved))
        log.info("page_read", lines=len(result.lines), seconds=round(page.seconds, 3))

    def _content(self, lease: Lease) -> PageContent:
        """The drawn page; the next one in hand is drawn while this one is read."""
        drawing = self._drawn.pop(lease.page_id, None) or self._draw(lease)
        if self._waiting and self._waiting[0].page_id not in self._drawn:
            ahead = self._waiting[0]
            self._drawn[ahead.page_id] = self._draw(ahead)
        if lease.media_type != PDF:
            _ = self._services.reader  # an image is sure to be read: open the networks meanwhile
        return drawing.result()

    def _draw(self, lease: Lease) -> Future[PageContent]:
        return self._services.renderer.submit(_render, lease, self._services)

    def _refuse(self, lease: Lease, error: ErrorInfo, *, blame: bool) -> None:
        self._heart.drop(lease)
        say = log.error if error.code == InternalError.code else log.warning
        say("page_refused", code=error.code, message=error.message, blame=blame)
        try:
            self._write(partial(ledger.fail, lease=lease, error=error, blame=blame))
        except LeaseLost:
            self._fenced(lease)

    def _fenced(self, lease: Lease) -> None:
        """Somebody else has the page by now: what we made of it is thrown away."""
        log.warning("page_fenced")
        self._heart.drop(lease)
        self._write(partial(ledger.note_fenced, lease=lease))

    def _release(self, lease: Lease) -> None:
        self._heart.drop(lease)
        try:
            with self._services.session.begin() as session:
                ledger.release(session, lease)
        except (LeaseLost, DBAPIError) as error:  # the reaper takes it back when its time is over
            log.warning("release_failed", page=lease.page_no, reason=str(error))

    def _write(self, change: Callable[[Session], object]) -> None:
        """One transaction; tried again while the disk is full or the database away."""
        for pause in _PATIENCE:
            try:
                return self._write_once(change)
            except EnvironmentFault as fault:
                fault.log(tried_again_in=pause)
                self._services.stop.wait(pause)
        self._write_once(change)

    def _write_once(self, change: Callable[[Session], object]) -> None:
        with environment_faults(), self._services.session.begin() as session:
            change(session)


def _render(lease: Lease, services: Services) -> PageContent:
    path = local_copy(services, lease.sha256, lease.uri)
    return render(path, lease.page_no, services)


def _saved(page: ReadPage, run_id: int, cpu_seconds: float) -> SavedPage:
    return SavedPage(
        width=page.result.width,
        height=page.result.height,
        dpi=page.dpi,
        text_source=page.text_source,
        lines=page.result.lines,
        rotation=page.result.rotation,
        verdict=page.verdict,
        seconds=cpu_seconds,
        stage_seconds=page.result.seconds,
        image_sha256=page.image_sha256,
        run_id=run_id,
    )


def _internal(error: Exception) -> ErrorInfo:
    named = InternalError(repr(error)[:500])
    return ErrorInfo(named.code, named.message, named.advice, retryable=True)


def _broken(error: Exception) -> EnvironmentFault:
    named = InstallationBroken(repr(error)[:500])
    return EnvironmentFault(named.code, named.message, named.advice, lasting=True)
