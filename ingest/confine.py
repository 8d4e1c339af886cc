"""Takes rights away from the process that parses foreign bytes. Linux only; irrevocable.

Resource limits and no_new_privs are always set. The network namespace, Landlock (kernel 5.13 or
newer, landlock(7)) and the OOM score are set where the kernel allows, for each is only a second
wall: without them a child is still limited in memory, time and output.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_LANDLOCK_CREATE_RULESET = 444  # these three numbers are the same on every architecture
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a child may use during its life."""

    memory_bytes: int
    """Address space on top of what it was born with."""
    cpu_seconds: float
    file_bytes: int
    """Size of the one file it writes: the shared memory of its answers."""
    readable: tuple[str, ...]
    """Files and folders it may open for reading."""


def confine(allowance: Allowance) -> None:
    """Give up every right that reading one document does not need."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, _address_space() + allowance.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, allowance.file_bytes)
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CPU, math.ceil(allowance.cpu_seconds) + 1)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _restrict_files(allowance.readable)


def forbid_processes() -> None:
    """Let no process or thread be started any more. Has no effect on root."""
    _limit(resource.RLIMIT_NPROC, 0)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process with its parent, whose process id is given."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(0)


def offer_to_oom_killer() -> None:
    """Be the first to go when the machine runs out of memory; raising the score is a free right."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def leave_network() -> bool:
    """Move into an empty network namespace; whether that was allowed.

    Only without being root does it take a user namespace as well: for root that would mean to
    lose the right to read other people's files, which the documents may be.
    """
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    return int(_libc.unshare(flags)) == 0


def allow_cpu_until(seconds: float) -> None:
    """Move the soft limit on this process's processor time; SIGXCPU ends it there."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr; older kernels take a shorter one."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathRule(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _restrict_files(readable: Iterable[str]) -> bool:
    """Forbid opening anything but `readable`, TCP, and signals to others; whether it took hold."""
    version = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1))
    if version < 1:
        return False
    rules = _Ruleset(_file_rights(version), 0b11, 0b11)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = int(_libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), size, 0))
    if ruleset < 0:
        return False
    for path in readable:
        _allow_reading(ruleset, path)
    restricted = int(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)) == 0
    os.close(ruleset)
    return restricted


def _file_rights(version: int) -> int:
    """Every right on files the kernel's Landlock knows: 13 of them, then one more in 2, 3, 5."""
    return (1 << (13 + sum(version >= since for since in (2, 3, 5)))) - 1


def _allow_reading(ruleset: int, path: str) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there needs no rule
        return
    rights = _READ_FILE | (_READ_DIR if Path(path).is_dir() else 0)
    rule = _PathRule(rights, handle)
    _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    os.close(handle)
