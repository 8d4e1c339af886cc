"""Peak memory and processor time of every process of a job, by the part it plays (Linux)."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.25


@dataclass(slots=True)
class Seen:
    """What is known of one process."""

    role: str
    peak_bytes: int = 0
    cpu: float = 0.0
    """Its own, in seconds, when it was last seen."""
    children_cpu: float = 0.0
    """Of the children it has waited for."""


@dataclass(frozen=True, slots=True)
class JobUse:
    """What a command took."""

    status: int
    seconds: float
    """Wall time."""
    processes: tuple[Seen, ...]

    @property
    def cpu(self) -> float:
        """CPU seconds of all processes as they were last seen.

        The kernel's own sum for a command misses what nobody waited for. A sandbox child lives too
        short to be looked at: it is counted by the zygote that waited for it.
        """
        own = sum(seen.cpu for seen in self.processes if seen.role != "sandbox child")
        return own + self.children_cpu("zygote")

    def peak(self, role: str) -> int:
        """The largest peak of the processes of a role, bytes."""
        return max((seen.peak_bytes for seen in self.processes if seen.role == role), default=0)

    def role_cpu(self, role: str) -> float:
        """CPU seconds that the processes of a role spent themselves."""
        return sum(seen.cpu for seen in self.processes if seen.role == role)

    def children_cpu(self, role: str) -> float:
        """CPU seconds of the children that the processes of a role have waited for."""
        return sum(seen.children_cpu for seen in self.processes if seen.role == role)


def run_watched(command: list[str], cwd: Path) -> JobUse:
    """Run a command to its end, looking at its process tree four times a second."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    seen: dict[int, Seen] = {}
    while process.poll() is None:
        _sample(process.pid, seen)
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    return JobUse(process.returncode, seconds, tuple(seen.values()))


def _sample(root: int, seen: dict[int, Seen]) -> None:
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(root)
        for process in [top, *top.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):
                _look(process, root, seen)


def _look(process: psutil.Process, root: int, seen: dict[int, Seen]) -> None:
    known = seen.get(process.pid)
    role = known.role if known else role_of(process, root)
    known = seen.setdefault(process.pid, Seen(role))
    known.peak_bytes = max(known.peak_bytes, _peak(process.pid))
    times = process.cpu_times()
    known.cpu = times.user + times.system
    known.children_cpu = times.children_user + times.children_system


def role_of(process: psutil.Process, root: int) -> str:
    """The part a process plays, by its command line and its parent."""
    if process.pid == root:
        return "supervisor"
    parent = process.parent()
    own, above = _command(process), _command(parent) if parent else ""
    if "zygote" in own:
        return "sandbox child" if "zygote" in above else "zygote"
    if "embedded_worker" in own:
        return "worker" if "embedded_worker" in above else "celery parent"
    return "other"


def _command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def _peak(pid: int) -> int:
    """The highest resident memory of a process so far, as the kernel counted it, bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
