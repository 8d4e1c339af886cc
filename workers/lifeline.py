"""Ties a process to the one that started it: when that one is gone, this one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 1.0


def die_with_parent(parent: int) -> None:
    """End this process at once (SIGKILL) when `parent`, its parent's number, has ended.

    The pages it held are taken back by the reaper; there is nobody left to report a result to.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)
        return
    _in_background(lambda: _until_orphaned(parent))


def die_with_pipe(descriptor: int) -> None:
    """End this process group when the other end of a pipe is closed, which a kill does too."""
    _in_background(lambda: _until_closed(descriptor))


def _in_background(wait: Callable[[], None]) -> None:
    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def _until_orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _until_closed(descriptor: int) -> None:
    # os.read, not a file object: this process forks, and a file's lock would be held in the child
    while os.read(descriptor, 1):
        continue
    os.killpg(os.getpgrp(), signal.SIGKILL)
