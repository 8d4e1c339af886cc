"""Keeps leases alive while their pages are worked on, and only then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import structlog
from sqlalchemy.exc import DBAPIError

from storage import ledger
from storage.ledger import Lease
from workers.services import Services

BEATS_A_LEASE = 4
log = structlog.get_logger()


class Heartbeat:
    """A thread that prolongs the leases in hand; a context manager around the work on them.

    It stops prolonging when the work has made no progress for `page_seconds`: a process that
    hangs in native code must not keep its pages for ever.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._progress_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def hold(self, leases: Iterable[Lease]) -> None:
        """Begin to prolong these."""
        with self._lock:
            self._held.update((lease.page_id, lease) for lease in leases)

    def drop(self, lease: Lease) -> None:
        """Stop prolonging this one: it was given back, or finished."""
        with self._lock:
            self._held.pop(lease.page_id, None)

    def holds(self, lease: Lease) -> bool:
        """Whether the lease was still ours at the last beat."""
        with self._lock:
            return lease.page_id in self._held

    def held(self) -> list[Lease]:
        """The leases in hand."""
        with self._lock:
            return list(self._held.values())

    def progress(self) -> None:
        """Note that the work goes on."""
        self._progress_at = time.monotonic()

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        settings = self._services.settings
        while not self._over.wait(settings.lease_seconds / BEATS_A_LEASE):
            idle = time.monotonic() - self._progress_at
            if idle > settings.page_seconds:
                log.error("page_stuck", seconds=round(idle), pages=len(self.held()))
                return
            self._beat(settings.lease_seconds)

    def _beat(self, lease_seconds: float) -> None:
        leases = self.held()
        if not leases:
            return
        try:
            with self._services.session.begin() as session:
                kept = ledger.heartbeat(session, leases, lease_seconds)
        except DBAPIError as error:  # the next beat may get through; a lease outlives three
            log.warning("heartbeat_failed", reason=str(error.orig))
            return
        for lease in leases:
            if lease.page_id not in kept and self.holds(lease):
                log.warning("lease_lost", document=lease.document_id, page=lease.page_no)
                self.drop(lease)
