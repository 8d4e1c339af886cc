"""A reading statement on SQLite.

The file is opened read-only, the connection is told so again (query_only), and the database asks
for every action whether it is allowed (sqlite3_set_authorizer,
https://sqlite.org/c3ref/set_authorizer.html).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from storage.database import BUSY_SECONDS, database_path
from storage.errors import DatabaseMissing, SqlFailed, SqlRefused, SqlTimeLimit

LARGEST_VALUE = 64 * 2**20
"""Bytes of a single text or blob; no statement may build a larger one."""
_CHECK_EVERY = 2_000  # virtual machine instructions, well below a millisecond
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer", "writefile", "readfile", "edit"}
_NAMES = {
    getattr(sqlite3, name): name.removeprefix("SQLITE_").replace("_", " ")
    for name in (
        *("SQLITE_ATTACH", "SQLITE_DETACH", "SQLITE_PRAGMA", "SQLITE_INSERT", "SQLITE_UPDATE"),
        *("SQLITE_DELETE", "SQLITE_TRANSACTION", "SQLITE_SAVEPOINT", "SQLITE_REINDEX"),
        *("SQLITE_ANALYZE", "SQLITE_ALTER_TABLE", "SQLITE_FUNCTION", "SQLITE_CREATE_TABLE"),
        *("SQLITE_CREATE_VIEW", "SQLITE_CREATE_INDEX", "SQLITE_CREATE_TRIGGER"),
        *("SQLITE_DROP_TABLE", "SQLITE_DROP_VIEW", "SQLITE_DROP_INDEX", "SQLITE_DROP_TRIGGER"),
        *("SQLITE_CREATE_TEMP_TABLE", "SQLITE_CREATE_TEMP_VIEW", "SQLITE_CREATE_VTABLE"),
    )
}


class SqliteAnswer:
    """The answer to one statement, fetched in portions."""

    columns: tuple[str, ...]

    def __init__(self, url: str, statement: str, seconds: float) -> None:
        path = database_path(url)
        if not path.is_file():
            raise DatabaseMissing(str(path))
        self._connection = _connect(path)
        try:
            self._ask(statement, seconds)
        except BaseException:
            self._connection.close()
            raise

    def fetch(self, most: int) -> Sequence[tuple[Any, ...]]:
        """The next rows, at most so many; none at the end."""
        with self._guard.running():
            return self._cursor.fetchmany(most)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._connection.close()

    def _ask(self, statement: str, seconds: float) -> None:
        self._guard = _Guard(self._connection, seconds)
        with self._guard.running():
            self._cursor = self._connection.execute(statement)
        if self._cursor.description is None:
            raise SqlRefused("There was no statement.")
        self.columns = tuple(column[0] for column in self._cursor.description)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    except BaseException:
        connection.close()
        raise
    return connection


class _Guard:
    """Says no to everything but reading, and stops what takes too long."""

    def __init__(self, connection: sqlite3.Connection, seconds: float) -> None:
        self._left = seconds
        self._limit = seconds
        self._deadline = float("inf")
        self._denied: str | None = None
        connection.set_authorizer(self._allow)
        connection.set_progress_handler(self._late, _CHECK_EVERY)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the database work on what is left of the time; tell its errors apart."""
        started = time.monotonic()
        self._deadline = started + self._left
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from error
        except ValueError as error:  # text that cannot be encoded
            raise SqlFailed(f"({error})") from error
        finally:
            self._left -= time.monotonic() - started
            self._deadline = float("inf")

    def _told(self, error: sqlite3.Error) -> SqlRefused | SqlFailed | SqlTimeLimit:
        if self._denied is not None:
            return SqlRefused(f"{self._denied} is not reading.")
        if "one statement at a time" in str(error):
            return SqlRefused("There was more than one statement.")
        if time.monotonic() >= self._deadline:
            return SqlTimeLimit(f"({self._limit:g} s)")
        return SqlFailed(f"({error})")

    def _allow(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in _ALLOWED or self._harmless(action, first, second):
            return sqlite3.SQLITE_OK
        name = _NAMES.get(action, f"This (action {action})")
        self._denied = f"{name} {second if action == sqlite3.SQLITE_FUNCTION else ''}".strip()
        return sqlite3.SQLITE_DENY

    @staticmethod
    def _harmless(action: int, first: str | None, second: str | None) -> bool:
        if action == sqlite3.SQLITE_FUNCTION:
            return second not in _FORBIDDEN_FUNCTIONS
        # How a virtual table (search index, json_each) describes itself when it is opened; a real
        # update of the schema is refused by SQLite before it asks.
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return True
        # FTS5 asks it before every search, to see whether the index changed.
        return action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None

    def _late(self) -> int:
        return int(time.monotonic() > self._deadline)
