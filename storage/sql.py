"""SQL for users: one reading statement, row by row, within a time limit.

That it only reads does not rest on looking at its words: each database is told to refuse the rest
(sql_on_sqlite.py, sql_on_postgresql.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol

from storage.database import is_file

ROWS_A_FETCH = 200


class Answer(Protocol):
    """The answer to one statement, fetched in portions."""

    columns: tuple[str, ...]

    def fetch(self, most: int) -> Sequence[tuple[Any, ...]]:
        """The next rows, at most so many; none at the end."""
        ...

    def close(self) -> None:
        """Let go of the database; may be called twice."""
        ...


class Rows:
    """The rows of an answer, fetched as they are asked for; iterate once, then it is closed."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.columns = answer.columns

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._answer.fetch(ROWS_A_FETCH):
                yield from rows
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the database; may be called twice."""
        self._answer.close()

    def __enter__(self) -> Rows:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def run_readonly(url: str, statement: str, time_limit: float = 30.0) -> Rows:
    """Run one reading statement; `time_limit` is seconds of the database's work, not the reader's.

    Values are what JSON knows, or bytes; times are text in UTC. Raises SqlRefused (not a single
    reading statement), SqlFailed, SqlTimeLimit (also while iterating), DatabaseMissing,
    DatabaseUnsupported.
    """
    if is_file(url):
        from storage.sql_on_sqlite import SqliteAnswer

        return Rows(SqliteAnswer(url, statement, time_limit))
    from storage.sql_on_postgresql import PostgresAnswer

    return Rows(PostgresAnswer(url, statement, time_limit))
