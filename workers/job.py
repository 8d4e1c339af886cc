"""One job of a supervisor: the files it takes in, the pages it waits for, and what is due when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workers.dispatcher import Dispatcher, reap, settle
from workers.faults import EnvironmentFault, environment_faults
from workers.intake import TakenIn
from workers.intake_thread import IntakeThread
from workers.progress import Progress
from workers.services import Services
from workers.sources import Source
from workers.tracking import Tracker
from workers.waiting import lease_owners
from workers.worker_process import WorkerProcess

__all__ = ["Job", "Progress"]

OFFER_SECONDS = 0.2
COUNT_SECONDS = 0.2
"""When few pages are left, for then the end is near."""
BUSY_COUNT_SECONDS = 1.0
FEW_PAGES = 8
REAP_SECONDS = 1.0
SETTLE_SECONDS = 5.0
REST = 20.0
"""A duty takes at most one part in so many of the time."""
LAST_FILE_SECONDS = 5.0
"""What the file that is being taken in may take when the job is told to end."""


@dataclass(slots=True)
class Duty:
    """Something to do again and again."""

    every: float
    """Seconds."""
    do: Callable[[], object]
    next_at: float = 0.0

    def do_if_due(self, now: float) -> None:
        """Do it if its time has come; what takes long is done less often."""
        if now >= self.next_at:
            self.do()
            took = time.monotonic() - now
            self.next_at = now + took + max(self.every, REST * took)


class Job:
    """Ticked by the supervisor until it is finished; everything it knows is in the database."""

    def __init__(
        self,
        services: Services,
        sources: Iterable[Source],
        worker: WorkerProcess,
        worker_faults: Callable[[], list[EnvironmentFault]],
    ) -> None:
        self.taken_in: list[TakenIn] = []
        self.tracker = Tracker()
        self._services = services
        self._worker = worker
        self._worker_faults = worker_faults
        self._began = time.monotonic()
        self._intake = IntakeThread(sources, services.settings)
        self._intake.start()
        self._taking_in = True
        self._fault: EnvironmentFault | None = None
        self._dispatcher = Dispatcher(services)
        self._counting = Duty(COUNT_SECONDS, self._count)
        self._duties = (
            Duty(REAP_SECONDS, lambda: reap(services)),
            Duty(OFFER_SECONDS, self._dispatcher.offer),
            self._counting,
            Duty(SETTLE_SECONDS, lambda: settle(services)),
        )

    @property
    def finished(self) -> bool:
        """Whether everything is taken in and at rest."""
        return not self._taking_in and self.tracker.at_rest

    def tick(self) -> list[TakenIn]:
        """Do what is due; what was newly taken in. Raises a lasting EnvironmentFault."""
        self._worker.keep_running()
        new = self._new_files()
        try:
            for duty in self._duties:
                duty.do_if_due(time.monotonic())
        except EnvironmentFault as fault:
            self._fault = fault
        else:
            self._fault = None
        if lasting := [known for known in self._faults() if known.lasting]:
            raise lasting[0]
        return new

    def end(self) -> None:
        """Take in nothing more, and look at the pages a last time."""
        self._intake.stop()
        self._intake.join(LAST_FILE_SECONDS)
        self._dispatcher.close()

    def nothing_in_hand(self) -> bool:
        """Whether no worker at all is reading a page, of this job or of another."""
        with self._services.reading() as session:
            return not lease_owners(session)

    def progress(self) -> Progress:
        """How far it is."""
        pages = self.tracker.pages()
        faults = self._faults()
        return Progress(
            seconds=time.monotonic() - self._began,
            taking_in=self._taking_in,
            files=len(self.taken_in),
            files_failed=sum(taken.state == "failed" for taken in self.taken_in),
            documents=len(self.tracker.document_ids),
            pages=pages.total(),
            pages_done=pages["done"],
            pages_quarantined=pages["quarantined"],
            pages_leased=pages["leased"],
            pages_waiting=pages["pending"],
            pages_per_second=self.tracker.speed(),
            alert=faults[0].message if faults else None,
        )

    def _new_files(self) -> list[TakenIn]:
        alive = self._intake.is_alive()  # asked first: what it did last is then in the results
        new = list(self._intake.results())
        for taken in new:
            if taken.state != "failed":
                self.tracker.add(taken.document_id)
        self.taken_in += new
        self._taking_in = alive
        return new

    def _count(self) -> None:
        with environment_faults(), self._services.reading() as session:
            self.tracker.refresh(session)
        pages = self.tracker.pages()
        unfinished = pages["pending"] + pages["leased"]
        self._counting.every = COUNT_SECONDS if unfinished <= FEW_PAGES else BUSY_COUNT_SECONDS

    def _faults(self) -> list[EnvironmentFault]:
        known = (self._intake.alert, self._fault, *self._worker_faults())
        return [fault for fault in known if fault is not None]
