"""Takes files in beside the reading, in a thread of the supervisor: it mostly waits."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue

import structlog

from workers.faults import EnvironmentFault
from workers.intake import TakenIn, take_in
from workers.services import Services
from workers.settings import Settings
from workers.sources import Source

LONGEST_PAUSE_SECONDS = 30.0
log = structlog.get_logger()


class IntakeThread(threading.Thread):
    """Takes in one source after the other; what became of each is fetched with `results`."""

    def __init__(self, sources: Iterable[Source], settings: Settings) -> None:
        super().__init__(name="intake", daemon=True)
        self._sources = sources
        self._services = Services(settings)
        self._results: SimpleQueue[TakenIn] = SimpleQueue()
        self._error: Exception | None = None
        self.alert: EnvironmentFault | None = None
        """What keeps the thread from going on, at the moment."""

    def results(self) -> Iterator[TakenIn]:
        """What was taken in since the last call; raises what ended the thread, if anything."""
        while True:
            try:
                yield self._results.get_nowait()
            except Empty:
                break
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End after the file that is being taken in."""
        self._services.stop.set()

    def run(self) -> None:
        """Take everything in."""
        try:
            with self._services:
                for source in self._sources:
                    if self._services.stop.is_set():
                        return
                    self._take_in(source)
        except Exception as error:  # the border of the thread: its owner decides
            self._error = error

    def _take_in(self, source: Source) -> None:
        """Take one in, waiting as long as the machine is not able to; raises a lasting fault."""
        pause = 1.0
        while not self._services.stop.is_set():
            try:
                self._results.put(take_in(source, self._services))
            except EnvironmentFault as fault:
                if fault.lasting:
                    raise
                fault.log(uri=source.object.uri)
                self.alert = fault
                self._services.stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self.alert = None
                return
