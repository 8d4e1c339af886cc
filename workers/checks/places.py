"""Checks of where things lie: the database, the broker, the cache, the bucket."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import text

from storage.buckets import FolderBucket, open_bucket
from storage.database import database_path, is_file, open_database
from storage.migrations import is_current
from workers.application import READ_PAGES, make_app
from workers.checks.finding import Finding, ok, warn
from workers.settings import Settings

FREE_BYTES = 512 * 1024**2
"""With less free space a disk may soon be full."""
CONNECT_SECONDS = 5
ANSWER_SECONDS = 5.0
"""How long a worker that has nothing to do may take to fetch a hint."""
_LISTED = 1000
"""Objects of the bucket that are counted."""


def database(settings: Settings) -> Iterator[Finding]:
    """Open the database as a writer, without changing it."""
    if not is_file(settings.database_url):
        yield _server(settings.database_url)
        return
    path = database_path(settings.database_url)
    yield from _space("database", path.parent)
    if not path.exists():
        _try_writing(path.parent)
        yield ok("database", f"{path} is not there yet; the first run makes it")
        return
    engine = open_database(settings.database_url)
    try:
        with engine.begin() as connection:  # takes the write lock, so it proves the right to write
            journal = connection.execute(text("PRAGMA journal_mode")).scalar()
            current = is_current(connection)
    finally:
        engine.dispose()
    if journal != "wal":
        yield warn("database", f"{path} has journal mode {journal}", "Close other programs.")
    elif current:
        yield ok("database", f"{path} is writable and up to date")
    else:
        yield ok("database", f"{path} is of another version; the next run brings it up to date")


def _server(url: str) -> Finding:
    engine = open_database(url)
    name = engine.url.render_as_string(hide_password=True)
    try:
        with engine.begin() as connection:
            version = connection.execute(text("SHOW server_version")).scalar()
            may_write = connection.execute(
                text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
            ).scalar()
            current = is_current(connection)
    finally:
        engine.dispose()
    if not may_write:
        return warn(
            "database",
            f"{name} lets its user make no tables",
            "GRANT CREATE ON SCHEMA public to this user, or make the user owner of the database.",
        )
    state = "up to date" if current else "brought up to date by the next run"
    return ok("database", f"{name}, PostgreSQL {version}, is writable and {state}")


def cache(settings: Settings) -> Iterator[Finding]:
    """Write into the folder that holds local copies."""
    folder = _existing(settings.cache_dir)
    _try_writing(folder)
    yield from _space("cache", folder)
    yield ok("cache", f"{settings.cache_dir.absolute()} is writable")


def broker(settings: Settings) -> Iterator[Finding]:
    """Reach the broker; where workers are started by hand, see whether one takes a hint."""
    if settings.broker_url is None:
        yield ok("broker", "the embedded one; `pagemill run` starts its own workers")
        return
    app = make_app(settings)
    with app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
        yield ok("broker", f"{connection.as_uri()} answers")
        app.send_task(READ_PAGES, queue=settings.queue, connection=connection, retry=False)
        taken = _drained(connection, settings.queue)
    if taken:
        yield ok("workers", f"a worker of queue {settings.queue} took a hint")
    else:
        yield warn(
            "workers",
            f"no worker of queue {settings.queue} took a hint within {ANSWER_SECONDS:.0f} s",
            f"Start one with `pagemill worker --queue {settings.queue}`, unless all are busy.",
        )


def bucket(settings: Settings) -> Iterator[Finding]:
    """List the bucket, if one is set."""
    if settings.bucket is None:
        yield ok("bucket", "none is set; `pagemill run` and `watch` are told what to read")
        return
    place = open_bucket(settings.bucket)
    count = sum(1 for _ in itertools.islice(place.list(), _LISTED))
    more = " or more" if count == _LISTED else ""
    yield ok("bucket", f"{settings.bucket} can be listed, {count}{more} objects")
    closed = place.unreadable if isinstance(place, FolderBucket) else ()
    if closed:
        yield warn(
            "bucket",
            f"{len(closed)} folders cannot be entered: {', '.join(closed[:3])}",
            "Give the user of Pagemill the right to read them, or move them elsewhere.",
        )


def _space(name: str, folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        yield warn(
            name,
            f"only {free // 1024**2} MiB are free on the disk of {folder}",
            "Free some space; a full disk stops the work until there is room again.",
        )


def _try_writing(folder: Path) -> None:
    """Make a file and remove it again; raises OSError."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".pagemill-"):
        pass


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def _drained(connection: Any, queue: str) -> bool:
    """Whether the queue is empty within ANSWER_SECONDS."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        if not connection.default_channel.queue_declare(queue, passive=True).message_count:
            return True
        time.sleep(0.1)
    return False
