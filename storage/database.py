"""Opening the database, and bringing its tables up to date: PostgreSQL (postgres.py) or SQLite.

SQLite is set up for several processes: write-ahead log, every commit on disk before it counts
(synchronous FULL), writers that start with BEGIN IMMEDIATE, so that they wait for their turn
instead of failing half way (a transaction that reads first and writes later fails at once, however
long the timeout), and readers that cannot write.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from storage import migrations
from storage.errors import DatabaseMissing, DatabaseUnsupported
from storage.locks import alone
from storage.postgres import compact_json, postgres_engine

BUSY_SECONDS = 60.0
"""How long a writer waits for other writers."""
OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING."""
_WAL_BYTES = 64 * 2**20
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "afs", "afpfs", "9p", "ceph", "glusterfs"),
    *("lustre", "gpfs", "davfs", "davfs2", "ncpfs", "coda", "vboxsf", "vmhgfs", "prl_fs", "fuse"),
}


def open_database(url: str, *, readonly: bool = False) -> Engine:
    """Connect to the database at an SQLAlchemy URL; open it after the fork, never before.

    A writing engine creates a missing SQLite file (`migrate` fills it); sessions of it hold the
    write lock from their first statement to their end, so keep them short. A readonly engine sees
    one snapshot per session, and the database itself refuses its writes.
    Raises DatabaseMissing (readonly and not there) or DatabaseUnsupported; of a PostgreSQL server
    only the first connection does.
    """
    address = _parsed(url)
    if not is_file(address):
        engine = postgres_engine(address, readonly=readonly)
        event.listen(engine, "checkout", _refuse_after_fork)
        return engine
    path = database_path(address)
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise DatabaseUnsupported(f"SQLite {sqlite3.sqlite_version} is too old.")
    _check_place(path, readonly=readonly)
    return _sqlite_engine(path, readonly=readonly)


def is_file(url: str | URL) -> bool:
    """Whether the database is an SQLite file, not a PostgreSQL server.

    Raises DatabaseUnsupported if it is neither.
    """
    backend = _parsed(url).get_backend_name()
    if backend not in ("sqlite", "postgresql", "postgres"):
        raise DatabaseUnsupported(f"{backend} is not known to this version.")
    return backend == "sqlite"


def database_path(url: str | URL) -> Path:
    """Return the file of an SQLite URL, absolute; raises DatabaseUnsupported for any other."""
    address = _parsed(url)
    if address.get_backend_name() != "sqlite":
        raise DatabaseUnsupported(f"{address.render_as_string()} is no SQLite file.")
    if address.database in (None, "", ":memory:") or address.query:
        raise DatabaseUnsupported("Several processes share it, so it must be a plain file.")
    return Path(str(address.database)).absolute()


def migrate(engine: Engine) -> None:
    """Create or update tables, views and search index; does nothing if they are up to date.

    Several processes may do this at once: one works, the others wait and find it done.
    Raises DatabaseTooNew or DatabaseUnsupported.
    """
    # One transaction around everything, begun with the write lock: see `_immediately`.
    with engine.begin() as connection:
        alone(connection, "migrate")
        migrations.upgrade(connection)


def checkpoint(engine: Engine) -> None:
    """Bring the write-ahead log into the SQLite file, so that the file can be copied alone.

    What a reader still looks at stays in the log; nothing is lost either way. Elsewhere there is
    nothing to do.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.rollback()  # the log cannot be emptied from inside a transaction
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Return a maker of sessions; whoever opens one commits it: `with factory.begin() as s`."""
    return sessionmaker(engine, expire_on_commit=False)


def _parsed(url: str | URL) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise DatabaseUnsupported(f"{url!r} is not a database URL.") from error


def _check_place(path: Path, *, readonly: bool) -> None:
    if readonly and not path.is_file():
        raise DatabaseMissing(str(path))
    if not path.parent.is_dir():
        raise DatabaseUnsupported(f"The folder {path.parent} does not exist.")
    system = _file_system(path)
    if system in _NETWORK or system.startswith("fuse."):
        raise DatabaseUnsupported(
            f"{path} is on a {system} file system, where SQLite's shared memory and locks fail."
        )


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds `path`, "" if it is not known."""
    place = path.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    for folder in place.parents:
        if folder in mounts:
            return str(mounts[folder]).lower()
    return ""


def _sqlite_engine(path: Path, *, readonly: bool) -> Engine:
    mode = "ro" if readonly else "rwc"
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=lambda: sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            # SQLAlchemy takes over BEGIN, see `_immediately`.
            isolation_level=None,
            # The pool hands a connection to one thread at a time.
            check_same_thread=False,
        ),
        json_serializer=compact_json,
    )
    event.listen(engine, "connect", partial(_prepare, _reading if readonly else _writing, path))
    event.listen(engine, "checkout", _refuse_after_fork)
    event.listen(engine, "begin", _deferred if readonly else _immediately)
    return engine


def _prepare(
    settings: Callable[[sqlite3.Connection], None],
    path: Path,
    connection: sqlite3.Connection,
    record: Any,
) -> None:
    record.info["pid"] = os.getpid()
    try:
        settings(connection)
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error):
            raise DatabaseUnsupported(f"{path} is a file of another kind.") from error
        raise


def _writing(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")


def _reading(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA schema_version")  # the first that looks into the file


def _patiently(change: Callable[[], object]) -> None:
    """Try until nobody is in the way: switching to WAL ignores SQLite's own busy timeout."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            change()
            return
        except sqlite3.OperationalError as error:
            busy = "locked" in str(error) or "busy" in str(error)
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _refuse_after_fork(connection: Any, record: Any, proxy: Any) -> None:
    if record.info["pid"] != os.getpid():
        raise RuntimeError("this database was opened before the fork; open it in each process")


def _immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
