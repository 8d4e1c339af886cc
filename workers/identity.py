"""The name a worker signs its leases with, and whether that worker still lives.

A name holds host, process namespace, process number and start time, so that on the same host a
lease of a dead worker is known at once, and a new process with an old number is not taken for it.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

import psutil


def worker_name() -> str:
    """The name of this process."""
    return _name(os.getpid())


def is_dead(name: str) -> bool:
    """Whether a worker has provably ended; False if it lives, or if nobody here can tell."""
    place, _, process = name.partition(":")
    number, _, started = process.partition(":")
    if place != _place() or not number.isdecimal():
        return False
    return started != _started(int(number))


@cache
def _name(pid: int) -> str:
    return f"{_place()}:{pid}:{_started(pid)}"


@cache
def _place() -> str:
    """Where process numbers mean the same: the host and, on Linux, the namespace."""
    try:
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        namespace = "0"
    return f"{socket.gethostname()}/{namespace}"


def _started(pid: int) -> str:
    """When a process began, in a unit that does not change while it lives; "" if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    state, start_ticks = fields[0], fields[19]
    return "" if state in "ZX" else start_ticks


def _started_elsewhere(pid: int) -> str:
    """The same where there is no /proc."""
    if Path("/proc/self").exists():
        return ""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return ""
