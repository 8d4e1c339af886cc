"""The process that forks sandbox children. It imports the parsers once and never parses.

It is a fresh interpreter (exec, not fork), so nothing of the process that started it is in its
memory: no database password, no session, no thread. It talks over inherited socket 3:

    parent → zygote   JSON of a Birth, with three descriptors: talk, fate, memory
    child  → parent   over `talk`: one answer for each request (ingest.child)
    zygote → parent   over `fate`: how the child ended (FATE), once
    parent → zygote   closes `fate`: the child is killed

The zygote dies when the parent closes its end, and its children with it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingest.confine import Allowance, confine, die_with_parent, leave_network, offer_to_oom_killer
from ingest.media import Limits

CONTROL = 3
"""The descriptor the zygote is born with."""
READY = b"ready"
"""What it says once, when it can bear children."""
FATE = struct.Struct("!idQ")
"""Wait status, processor seconds and peak resident bytes of a child that ended."""
_MAX_BIRTH = 128 * 1024
_DESCRIPTORS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a child is made for: one document."""

    path: str
    """Absolute."""
    passwords: tuple[str, ...]
    limits: Limits
    requests: int
    """How many the child will answer at most."""

    def to_json(self) -> bytes:
        """The form that crosses the socket."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def from_json(text: bytes) -> Birth:
        """The other way."""
        fields: dict[str, Any] = json.loads(text)
        return Birth(
            path=fields["path"],
            passwords=tuple(fields["passwords"]),
            limits=Limits(**fields["limits"]),
            requests=fields["requests"],
        )

    def allowance(self) -> Allowance:
        """What the child may use: its whole life's processor time is the hard limit."""
        limits = self.limits
        return Allowance(
            memory_bytes=limits.memory_bytes,
            cpu_seconds=limits.cpu_seconds + self.requests * limits.cpu_seconds_a_page,
            file_bytes=3 * limits.max_pixels + limits.max_text_bytes,
            # The folders of Python are for a module that is imported late, on an odd input.
            readable=(self.path, *filter(os.path.isdir, sys.path), sys.base_prefix),
        )


def main() -> None:
    """Fork a child for each birth asked for, until the parent is gone."""
    control = socket.socket(fileno=CONTROL)
    _settle()
    try:
        control.send(READY)
    except BrokenPipeError:  # the parent ended while this started
        return
    Zygote(control).run()


def _settle() -> None:
    """Load everything a child needs, and take a place where nothing can be written."""
    os.closerange(CONTROL + 1, 4096)  # what leaked through the exec
    from ingest import child  # the parsers: about 80 MB that every child then shares

    child.preload()
    leave_network()
    _work_nowhere()
    gc.collect()
    gc.freeze()


def _work_nowhere() -> None:
    """Take a removed folder as working directory: no file can be made in it."""
    try:
        folder = tempfile.mkdtemp()
    except OSError:  # no writable place on this machine
        os.chdir("/")
        return
    os.chdir(folder)
    Path(folder).rmdir()


class Zygote:
    """The loop: births, deaths, and the parent's wish to kill."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.fates: dict[int, socket.socket] = {}
        """The socket that waits for the end of each living child, by process id."""
        self.doomed: set[int] = set()
        self.wake, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the parent's end of the control socket is closed."""
        while True:
            ready = self._wait()
            if self.control.fileno() in ready and not self._give_birth():
                return
            if self.wake in ready:
                os.read(self.wake, 4096)
                self._bury()
            for process, fate in list(self.fates.items()):
                if fate.fileno() in ready and process not in self.doomed:
                    os.kill(process, signal.SIGKILL)
                    self.doomed.add(process)

    def _wait(self) -> set[int]:
        poll = select.poll()
        watched = [
            self.control.fileno(),
            self.wake,
            *(fate.fileno() for fate in self.fates.values()),
        ]
        for descriptor in watched:
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll()}

    def _give_birth(self) -> bool:
        """Fork a child as the parent asks; False if the parent is gone."""
        text, descriptors, _, _ = socket.recv_fds(self.control, _MAX_BIRTH, 3)
        if not text:
            return False
        talk, fate, memory = descriptors
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            self._be_child(parent, Birth.from_json(text), talk, memory)
        os.close(talk)
        os.close(memory)
        self.fates[process] = socket.socket(fileno=fate)
        return True

    def _be_child(self, parent: int, birth: Birth, talk: int, memory: int) -> None:
        """Live as a child, in the forked process; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(parent)
            os.dup2(0, 2)  # what parsers complain of is in the answers
            for descriptor in set(range(CONTROL, _DESCRIPTORS)) - {talk, memory}:
                _close(descriptor)
            offer_to_oom_killer()
            confine(birth.allowance())
            from ingest import child

            child.serve(birth, socket.socket(fileno=talk), memory)
            code = 0
        finally:
            os._exit(code)

    def _bury(self) -> None:
        """Reap children that ended and tell the parent how."""
        while self.fates:
            process, status, usage = os.wait4(-1, os.WNOHANG)
            if process == 0:
                return
            self.doomed.discard(process)
            end = FATE.pack(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
            with self.fates.pop(process) as fate:
                _send(fate, end)


def _send(fate: socket.socket, end: bytes) -> None:
    try:
        fate.send(end)
    except OSError:  # the parent no longer waits for it
        return


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


if __name__ == "__main__":
    main()
