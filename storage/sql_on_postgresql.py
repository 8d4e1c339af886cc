"""A reading statement on PostgreSQL.

It is declared as a cursor of a transaction that is read-only for the server too: only a query can
be one, no second statement fits in, and what a query calls cannot write either. What else it may
see or call is decided by the rights of the user in the URL.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.string import TextLoader

from storage.database import open_database
from storage.errors import SqlFailed, SqlRefused, SqlTimeLimit
from storage.times import as_text

_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_QUERY = re.compile(rf"(?:{_BLANK}|\()*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
_NOTHING = re.compile(rf"(?:{_BLANK}|;)*", re.DOTALL)
_KEPT = (str, int, float, bytes, type(None))
_CANCELLED = "57014"
_SYNTAX = "42601"
_NOT_READING = {
    "25006",  # a function that writes
    "25001",  # one that tries to have the transaction write
    "42P11",  # a cursor for what is no query
    "0A000",  # a change in the WITH of a query
}


class PostgresAnswer:
    """The answer to one statement, fetched in portions."""

    columns: tuple[str, ...]

    def __init__(self, url: str, statement: str, seconds: float) -> None:
        _check_characters(statement)
        self._statement = statement
        self._left = self._limit = seconds
        self._engine = open_database(url, readonly=True)
        self._pooled = self._engine.connect()
        driver = self._pooled.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        self._connection = driver
        for name in ("json", "jsonb"):  # as it is stored, not as Python's lists
            driver.adapters.register_loader(name, TextLoader)
        self._cursor = driver.cursor(name="answer")
        try:
            with self._running():
                self._cursor.execute(statement.encode())
        except BaseException:
            self.close()
            raise
        self.columns = tuple(column.name for column in self._cursor.description or ())

    def fetch(self, most: int) -> Sequence[tuple[Any, ...]]:
        """The next rows, at most so many; none at the end."""
        with self._running():
            rows = self._cursor.fetchmany(most)
        return [tuple(map(_plain, row)) for row in rows]

    def close(self) -> None:
        """Let go of the server; may be called twice."""
        with suppress(psycopg.Error):  # of a server that is gone
            self._cursor.close()
        if not self._pooled.closed:
            self._pooled.invalidate()  # closed at once, not kept for others
            self._pooled.close()
        self._engine.dispose()

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Let the database work on what is left of the time; tell its errors apart."""
        if self._left <= 0:
            raise SqlTimeLimit(f"({self._limit:g} s)")
        started = time.monotonic()
        try:
            limit = math.ceil(self._left * 1000)
            self._connection.execute(f"SET LOCAL statement_timeout = {limit}".encode())
            yield
        except psycopg.Error as error:
            raise self._told(error) from error
        finally:
            self._left -= time.monotonic() - started

    def _told(self, error: psycopg.Error) -> SqlRefused | SqlFailed | SqlTimeLimit:
        if _NOTHING.fullmatch(self._statement):
            return SqlRefused("There was no statement.")
        if error.sqlstate == _CANCELLED:
            return SqlTimeLimit(f"({self._limit:g} s)")
        if error.sqlstate in _NOT_READING:
            return SqlRefused(f"({error.diag.message_primary})")
        if error.sqlstate == _SYNTAX and not _QUERY.match(self._statement):
            return SqlRefused("It is no query: those begin with SELECT, WITH, VALUES or TABLE.")
        if error.sqlstate == _SYNTAX and "multiple commands" in str(error):
            return SqlRefused("There was more than one statement.")
        return SqlFailed(f"({error.diag.message_primary or error})")


def _check_characters(statement: str) -> None:
    try:
        statement.encode()
    except UnicodeEncodeError as error:
        raise SqlFailed(f"({error})") from error
    if "\0" in statement:
        raise SqlFailed("(it holds a NUL character)")


def _plain(value: Any) -> Any:
    """A value as JSON or CSV can say it, and as SQLite says it."""
    match value:
        case datetime() if value.tzinfo:
            return as_text(value)
        case Decimal():
            whole = value.is_finite() and value == value.to_integral_value()
            return int(value) if whole else float(value)
        case list() | tuple():
            return "{" + ",".join(str(_plain(part)) for part in value) + "}"
        case _:
            return value if isinstance(value, _KEPT) else str(value)
