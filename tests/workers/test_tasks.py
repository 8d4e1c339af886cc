"""The contract with other programs: a Celery worker, and tasks sent to it by name."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import text

from storage import ledger
from workers.application import make_app
from workers.services import Services
from workers.settings import Settings

PATIENCE = 120.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database_url=f"sqlite:///{tmp_path}/pagemill.db",
        cache_dir=tmp_path / "cache",
        jobs=1,
        min_free_mb=0,
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    app = make_app(settings)
    yield app
    app.close()


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`celery -A workers.app worker -Q cpu`, with its settings from the environment."""
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "cpu"]
    variables = {
        "PAGEMILL_DATABASE_URL": settings.database_url,
        "PAGEMILL_CACHE_DIR": str(settings.cache_dir),
        "PAGEMILL_JOBS": "1",
        "PAGEMILL_MIN_FREE_MB": "0",
        "OMP_NUM_THREADS": "1",
    }
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            command,
            env={**os.environ, **variables},
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    yield worker
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def wait_for(settings: Settings, statement: str, expected: list[tuple[object, ...]]) -> None:
    ends_at = time.monotonic() + PATIENCE
    with Services(settings) as services:
        while True:
            with services.reading() as session:
                found = [tuple(row) for row in session.execute(text(statement))]
            if found == expected:
                return
            assert time.monotonic() < ends_at, found
            time.sleep(0.1)


def test_a_document_that_is_sent_by_name_is_taken_in_and_read(
    settings: Settings,
    app: Celery,
    worker: subprocess.Popen[bytes],
    draw: Callable[..., Path],
    inbox: Path,
) -> None:
    app.send_task("pagemill.take_in", args=[str(inbox / "missing.pdf")])
    app.send_task("pagemill.read_pages", args=["no such lane"])
    app.send_task("pagemill.take_in", args=[draw("a.pdf", "one page", "another").as_uri()])
    wait_for(settings, "SELECT page_no, text FROM v_pages", [(1, "one page"), (2, "another")])
    errors = "SELECT error_code FROM v_documents WHERE state = 'failed'"
    wait_for(settings, errors, [("source_missing",)])
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def test_a_worker_alone_takes_back_the_pages_of_a_dead_one_and_tries_again_later(
    settings: Settings,
    app: Celery,
    worker: subprocess.Popen[bytes],
    draw: Callable[..., Path],
) -> None:
    from workers.pipeline import take_in_uri

    with Services(settings) as services:
        take_in_uri(str(draw("a.pdf", "one page")), services)
        with services.session.begin() as session:
            place, _, _ = services.worker.split(":")
            ledger.claim(session, worker=f"{place}:1:0", lease_seconds=3600)  # no such process
    app.send_task("pagemill.read_pages", args=["bulk"])  # the only hint; the page waits a second
    wait_for(settings, "SELECT text FROM v_pages", [("one page",)])
    wait_for(settings, "SELECT outcome FROM attempts", [("lease_lost",), ("ok",)])
