"""Ctrl-C and a polite kill: the step under way is finished and the state is written first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from ocr_core.training.hooks import Checkpoints
from ocr_core.training.run import Hook, Run

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(Hook):
    """Writes a checkpoint and raises KeyboardInterrupt when a signal asks for the end.

    The second signal ends the process at once. Comes after the checkpoints.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def started(self, run: Run) -> None:
        """Listen, if this is the main thread: no other can."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}

    def stepped(self, run: Run) -> None:
        """End the run if that was asked for."""
        if self._asked and not run.done:
            self._checkpoints.write(run)
            raise KeyboardInterrupt

    def ended(self, run: Run) -> None:
        """Stop listening."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, self._before[signal.Signals(number)])
