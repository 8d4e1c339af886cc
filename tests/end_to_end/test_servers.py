"""The same commands with servers: documents in an S3 store, text in PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.postgres import PostgresServer
from benchmarks.servers.s3 import S3Server

INBOX = Path(__file__).resolve().parents[1] / "data" / "inbox"
PROGRAM = "import sys; from workers.cli import main; sys.exit(main())"
QUICK = ("letter.pdf", "article.pdf")
"""Documents with text layers: no network is needed to read them."""


@pytest.fixture
def environment(seaweed: S3Server, postgresql_url: str) -> Mapping[str, str]:
    settings = {"PAGEMILL_DATABASE_URL": postgresql_url, "OMP_NUM_THREADS": "1"}
    return {**os.environ, **seaweed.environment(), **settings}


@pytest.fixture
def bucket(seaweed: S3Server, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-")[:60].strip("-")
    seaweed.client().create_bucket(Bucket=name)
    return name


def start(folder: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pagemill(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command that must end well; what it says on stdout."""
    process = start(folder, environment, *arguments)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err[-3000:]
    return out


def asked(folder: Path, environment: Mapping[str, str], question: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(
        pagemill(folder, environment, "sql", question, "--json")
    )
    return rows


def upload(seaweed: S3Server, bucket: str, name: str, key: str) -> None:
    seaweed.client().put_object(Bucket=bucket, Key=key, Body=(INBOX / name).read_bytes())


def test_a_bucket_is_read_into_a_server_and_read_once(
    tmp_path: Path, environment: Mapping[str, str], seaweed: S3Server, bucket: str
) -> None:
    upload(seaweed, bucket, "letter.pdf", "2026/信.pdf")
    upload(seaweed, bucket, "letter.pdf", "2026/a copy?.pdf")
    upload(seaweed, bucket, "article.pdf", "other/article.pdf")
    for _ in range(2):
        pagemill(tmp_path, environment, "run", f"s3://{bucket}/2026", "-j", "1")
        tried = asked(tmp_path, environment, "SELECT count(*) AS n FROM attempts")
        pages = asked(tmp_path, environment, "SELECT count(*) AS n FROM v_pages")
        assert tried == pages
    (row,) = asked(tmp_path, environment, "SELECT state, source_count, source FROM v_documents")
    assert (row["state"], row["source_count"]) == ("done", 2)
    pagemill(tmp_path, environment, "run", f"s3://{bucket}/other/article.pdf", "-j", "1")
    found = asked(tmp_path, environment, "SELECT source FROM v_documents ORDER BY document_id")
    assert found[1]["source"] == f"s3://{bucket}/other/article.pdf"
    exported = pagemill(tmp_path, environment, "export", "信.pdf", "--format", "txt", "-o", "-")
    assert len(exported) > 100


@pytest.fixture
def watching(
    tmp_path: Path, environment: Mapping[str, str], bucket: str
) -> Iterator[subprocess.Popen[str]]:
    quick = {"PAGEMILL_QUIET_SECONDS": "0.2", "PAGEMILL_SCAN_SECONDS": "0.3"}
    arguments = ("watch", f"s3://{bucket}", "--embedded", "-j", "1")
    process = start(tmp_path, {**environment, **quick}, *arguments)
    yield process
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err[-3000:]
    assert "Traceback" not in err


def wait_for_documents(folder: Path, environment: Mapping[str, str], done: int) -> None:
    question = "SELECT count(*) AS n FROM v_documents WHERE state = 'done'"
    deadline = time.monotonic() + 120
    while asked(folder, environment, question) != [{"n": done}]:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_watch_outlives_its_store_and_its_database(
    tmp_path: Path,
    environment: Mapping[str, str],
    seaweed: S3Server,
    postgres: PostgresServer,
    bucket: str,
    watching: subprocess.Popen[str],
) -> None:
    upload(seaweed, bucket, "letter.pdf", "first.pdf")
    wait_for_documents(tmp_path, environment, 1)
    seaweed.stop()
    postgres.stop(crash=True)
    time.sleep(3)
    postgres.start()
    seaweed.start()
    upload(seaweed, bucket, "article.pdf", "second.pdf")
    wait_for_documents(tmp_path, environment, 2)
    assert watching.poll() is None
    question = "SELECT count(*) AS n FROM attempts WHERE outcome NOT IN ('ok', 'released')"
    assert asked(tmp_path, environment, question) == [{"n": 0}]
