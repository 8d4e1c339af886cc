"""Starting a program that must not outlive this process, on a port nobody uses."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServerFailed(Exception):
    """A server did not start."""


def free_port() -> int:
    """A loopback TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def private_folder(name: str, *, owner: str | None = None) -> Path:
    """A new temporary folder, given to another user if `owner` is named."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    if owner is not None:
        user = pwd.getpwnam(owner)
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def as_user(command: Sequence[str | Path], user: str | None) -> list[str]:
    """The command run by another user, if one is named; killed when its parent dies."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if user is not None:
            raise ServerFailed("setpriv (util-linux) is missing; run the tests as another user.")
        return [str(part) for part in command]
    change: list[str] = []
    if user is not None:
        change = [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
    return [setpriv, *change, "--pdeathsig=KILL", "--", *(str(part) for part in command)]


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers; raises ServerFailed with the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if ready():
            return
        time.sleep(0.02)
    end = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    stop(process, signal.SIGKILL)
    raise ServerFailed(f"{process.args!r} did not start.\n{end}")


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End a process and wait for it; kills one that does not listen."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
