"""The Celery worker as a child process: started, listened to, restarted, ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Any

import structlog

from workers.faults import EnvironmentFault
from workers.settings import Settings

GRACE_SECONDS = 15.0
"""What a worker that is told to stop may take: the rest of a page."""
SHORT_LIFE_SECONDS = 20.0
LONGEST_PAUSE_SECONDS = 30.0
FAILED_STARTS_LIMIT = 3
"""Ends by its own fault, within a short life, in a row, after which it is not tried again."""
Event = Mapping[str, Any]
log = structlog.get_logger()


class WorkerProcess:
    """Keeps one Celery worker with its pool running; every method is for one thread."""

    def __init__(self, settings: Settings, on_event: Callable[[Event], None]) -> None:
        """`on_event` is called, in another thread, with each event of the worker's log."""
        self._settings = settings.model_copy(update={"log_format": "json"})
        self._on_event = on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._last_words: deque[str] = deque(maxlen=5)
        self._started_at = 0.0
        self._start_again_at = 0.0
        self._short_lives = 0
        self._failed_starts = 0

    def start(self) -> None:
        """Start the worker; it begins to take work a second later."""
        self._started_at = time.monotonic()
        level = logging_level()
        self._process = subprocess.Popen(
            # -P: a folder named like one of our packages, where we are called, is none of ours
            [sys.executable, "-P", "-m", "workers.embedded_worker", str(os.getpid()), level],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,  # Ctrl-C in the terminal is the supervisor's business
        )
        assert self._process.stderr is not None
        threading.Thread(
            target=self._listen, args=(self._process.stderr,), daemon=True, name="worker-log"
        ).start()

    def keep_running(self) -> None:
        """Start the worker again if it has ended, after a pause that grows.

        Raises EnvironmentFault when it does not live long enough to be of use.
        """
        if self._process is not None and self._process.poll() is None:
            return
        now = time.monotonic()
        if self._process is not None:
            self._note_end(self._process, now)
        if now >= self._start_again_at:
            self.start()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Tell the worker to end at the border of a page; kill what has not ended after `grace`."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """End the worker and its pool at once; pages in hand are taken back by the reaper."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def _note_end(self, process: subprocess.Popen[bytes], now: float) -> None:
        lived = now - self._started_at
        short = lived < SHORT_LIFE_SECONDS
        self._short_lives = self._short_lives + 1 if short else 1
        # Below 0 a signal ended it: killed from outside, which says nothing about the next time.
        self._failed_starts = self._failed_starts + 1 if short and process.returncode >= 0 else 0
        if self._failed_starts >= FAILED_STARTS_LIMIT:
            raise EnvironmentFault(
                "worker_fails",
                "The worker process cannot start: " + " / ".join(self._last_words),
                lasting=True,
            )
        pause = 0.0 if self._short_lives == 1 else 2.0 ** (self._short_lives - 2)
        log.warning("worker_ended", status=process.returncode, lived=round(lived, 1), pause=pause)
        self.kill()  # its pool may have outlived it
        self._start_again_at = now + min(pause, LONGEST_PAUSE_SECONDS)

    def _environment(self) -> dict[str, str]:
        """One thread in every library: the pool fills the cores."""
        threads = str(self._settings.threads)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        return {**os.environ, **dict.fromkeys(names, threads), **self._settings.to_environment()}

    def _listen(self, stream: IO[bytes]) -> None:
        """Hand over each line of the worker's log; what is no event is one of level warning."""
        with stream:
            for line in stream:
                self._on_event(self._event(line.decode(errors="replace").rstrip()))

    def _event(self, line: str) -> Event:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and "event" in event:
            if event.get("level") in ("error", "critical"):
                self._last_words.append(str(event["event"]))
            return event
        self._last_words.append(line)
        return {"event": line, "level": "warning"}


def logging_level() -> str:
    """The level at which a worker logs: ours, but never above INFO, the supervisor listens."""
    return "DEBUG" if logging.getLogger().isEnabledFor(logging.DEBUG) else "INFO"
