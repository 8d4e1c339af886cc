"""The parent's hold on a zygote and on its children: start, ask, judge how they ended, kill."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ingest import wire
from ingest.errors import (
    OutOfMemory,
    SandboxCrashed,
    SandboxUnavailable,
    TimeLimit,
)
from ingest.zygote import CONTROL, FATE, READY, Birth

_START_SECONDS = 120.0
_KILL_SECONDS = 5.0
_COMMAND = "import sys; sys.path[:] = sys.argv[1:]; from ingest.zygote import main; main()"
_FOLDERS = tuple(str(Path(folder).absolute()) for folder in sys.path if folder)
"""Where modules lie, as it was when this was imported: some modules (OpenCV) change sys.path while
they are imported, perhaps in another thread while a zygote is started."""
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class ChildGone(Exception):
    """The child ended of its own will, having been asked nothing for a while."""


class ZygoteGone(Exception):
    """The zygote ended, whatever ended it."""


class ZygoteHandle:
    """A running zygote. Raises SandboxUnavailable if it cannot be started."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.process = _spawn(theirs)
        except OSError as error:
            self._control.close()
            raise SandboxUnavailable(str(error)) from None
        finally:
            theirs.close()
        if not _readable(self._control, _START_SECONDS) or self._control.recv(16) != READY:
            self.close()
            raise SandboxUnavailable("its interpreter did not start; see the messages above")

    def bear(self, birth: Birth) -> Offspring:
        """Have a child forked; raises ZygoteGone."""
        talk, their_talk = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fate, their_fate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = Offspring(birth, talk, fate, os.memfd_create("pagemill-page"))
        try:
            given = [their_talk.fileno(), their_fate.fileno(), child.memory]
            socket.send_fds(self._control, [birth.to_json()], given)
        except OSError:
            child.close()
            raise ZygoteGone from None
        finally:
            their_talk.close()
            their_fate.close()
        return child

    def close(self) -> None:
        """End it; its children die with it."""
        self._control.close()
        if not _reaped(self.process, _KILL_SECONDS):
            os.kill(self.process, signal.SIGKILL)  # still ours: it was not reaped
            _reaped(self.process, _KILL_SECONDS)

    def forget(self) -> None:
        """Let go of it in a forked process, to which it does not belong."""
        self._control.close()


class Offspring:
    """A living child and the one document it was made for."""

    def __init__(self, birth: Birth, talk: socket.socket, fate: socket.socket, memory: int) -> None:
        self.birth = birth
        self.memory = memory
        """Descriptor of the shared memory its answers are in."""
        self.answered = 0
        self._talk = talk
        self._fate = fate

    def ask(self, request: Mapping[str, Any]) -> wire.Answer:
        """Ask and wait; raises the child's refusal, SandboxDied, ChildGone or ZygoteGone."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the wait says why
            self._talk.send(json.dumps(request).encode())
        announcement = self._wait_for_answer()
        answer = wire.get_answer(announcement, self.memory, self.birth.limits)
        self.answered += 1
        wire.raise_if_failed(answer)
        return answer

    def close(self) -> None:
        """Kill it, if it still lives, by letting go of it."""
        self._talk.close()
        self._fate.close()
        os.close(self.memory)

    def _wait_for_answer(self) -> bytes:
        deadline = time.monotonic() + self.birth.limits.wall_seconds
        ready = _ready((self._talk, self._fate), deadline)
        if self._talk in ready and (announcement := _receive(self._talk)):
            return announcement
        if ready:
            raise self._end()
        if isinstance(self._end(patience=0), ZygoteGone):
            raise ZygoteGone
        seconds = self.birth.limits.wall_seconds
        raise TimeLimit(f"it was given up after {seconds:g} s")

    def _end(self, patience: float = 1.0) -> Exception:
        """How the child ended, as an exception to raise; it is made to end, if it does not."""
        if not _readable(self._fate, patience):
            self._fate.shutdown(socket.SHUT_WR)  # the zygote kills it
            if not _readable(self._fate, _KILL_SECONDS):
                return ZygoteGone()  # a zygote that hangs
        end = _receive(self._fate)
        if len(end) != FATE.size:
            return ZygoteGone()
        return _verdict(self.birth, *FATE.unpack(end))


def _verdict(birth: Birth, status: int, cpu_seconds: float, peak_bytes: int) -> Exception:
    code = os.waitstatus_to_exitcode(status)
    allowed = birth.allowance()
    if code == 0:
        return ChildGone()
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and cpu_seconds >= allowed.cpu_seconds):
        return TimeLimit(f"it used {cpu_seconds:.0f} s of processor time")
    if code == -signal.SIGKILL and peak_bytes > 0.8 * allowed.memory_bytes:
        return OutOfMemory("the machine ended it")
    return SandboxCrashed(signal.Signals(-code).name if code < 0 else f"exit status {code}")


def _spawn(theirs: socket.socket) -> int:
    """Start a fresh interpreter that knows only where modules lie; returns its process id."""
    if not sys.executable:
        raise FileNotFoundError("this Python does not know its interpreter")
    package = str(Path(__file__).resolve().parent.parent)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", "-c", _COMMAND, *_FOLDERS, package],
        _ENVIRONMENT,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), CONTROL),
        ],
        setsid=True,  # Ctrl-C is for its parent, whose end it will notice
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _readable(channel: socket.socket, seconds: float) -> bool:
    return bool(_ready((channel,), time.monotonic() + seconds))


def _ready(channels: tuple[socket.socket, ...], deadline: float) -> list[socket.socket]:
    poll = select.poll()
    for channel in channels:
        poll.register(channel, select.POLLIN)
    left = max(0.0, deadline - time.monotonic())
    ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
    return [channel for channel in channels if channel.fileno() in ready]


def _receive(channel: socket.socket) -> bytes:
    try:
        return channel.recv(256)
    except ConnectionResetError:
        return b""


def _reaped(process: int, seconds: float) -> bool:
    """Whether a child process has ended within some seconds; it is reaped then."""
    return _within(seconds, lambda: _waited(process))


def _waited(process: int) -> bool:
    try:
        return os.waitpid(process, os.WNOHANG)[0] == process
    except ChildProcessError:  # somebody waits for every child of this process
        return True


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
