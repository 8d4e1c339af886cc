"""A whole database copied into an empty one, of the same kind or the other.

Source and target are each one transaction: a snapshot there, all or nothing here. Ids are kept,
so that everything that was noted down of them stays right. What was written is read back, and the
target is only kept if every table has the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Connection,
    Engine,
    Select,
    Table,
    TableClause,
    Text,
    cast,
    column,
    func,
    select,
    table,
    text,
)

from storage.bulk import copy_rows
from storage.database import checkpoint, migrate
from storage.errors import CopyDiffers, CopyRefused, DatabaseOutdated
from storage.migrations import configuration
from storage.schema import Base, Leader, Page, at, table_of
from storage.times import present

ROWS_A_TURN = 1_000
Progress = Callable[[str, int], None]
"""Told of a table and how many of its rows are copied by now."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A table as it is in both databases."""

    table: str
    rows: int
    sha256: str
    """Over all rows in the order of their keys."""


def copy_database(
    source: Engine, target: Engine, progress: Progress = lambda name, rows: None
) -> list[Copied]:
    """Copy everything but who leads; returns the tables. The source is opened readonly.

    Raises CopyRefused (the target holds something, or pages of the source are being read),
    CopyDiffers, DatabaseOutdated and what `migrate` raises; the target is then as it was, but for
    empty tables.
    """
    migrate(target)
    with source.connect() as reading, target.begin() as writing:
        _check(reading, writing)
        with _index_afterwards(writing):
            copied = [_copy(each, reading, writing, progress) for each in _tables()]
        _finish(writing)
    checkpoint(target)
    return copied


def _tables() -> list[Table]:
    """Those that are copied, referenced ones first."""
    return [each for each in Base.metadata.sorted_tables if each is not table_of(Leader)]


def _check(reading: Connection, writing: Connection) -> None:
    newest = ScriptDirectory.from_config(configuration(reading)).get_current_head()
    current = MigrationContext.configure(reading).get_current_revision()
    if current != newest:
        raise DatabaseOutdated(f"Its version is {current}, not {newest}.")
    pages = table_of(Page).c
    until = reading.scalar(select(func.max(pages.lease_until)).where(at(pages.state, "leased")))
    if until is not None and until > present(reading):
        raise CopyRefused("Pages of the source are being read; stop its workers first.")
    for each in _tables():
        if writing.execute(select(text("1")).select_from(each).limit(1)).first() is not None:
            raise CopyRefused(f"The target holds {each.name} already.")


@contextmanager
def _index_afterwards(connection: Connection) -> Iterator[None]:
    """Make PostgreSQL's search index in one go, which takes a tenth of adding page by page."""
    if connection.dialect.name == "sqlite":
        yield
        return
    statement = "SELECT pg_get_indexdef('ix_page_texts_search'::regclass)"
    definition = connection.exec_driver_sql(statement).scalar_one()
    connection.exec_driver_sql("DROP INDEX ix_page_texts_search")
    yield
    connection.exec_driver_sql(definition)


def _copy(each: Table, reading: Connection, writing: Connection, progress: Progress) -> Copied:
    digest, count = hashlib.sha256(), 0
    rows = _rows(each, reading)
    while portion := list(islice(rows, ROWS_A_TURN)):
        _insert(each, writing, portion)
        _add(digest, portion)
        count += len(portion)
        progress(each.name, count)
    check, rows = hashlib.sha256(), _rows(each, writing)
    while portion := list(islice(rows, ROWS_A_TURN)):
        _add(check, portion)
    if check.digest() != digest.digest():
        raise CopyDiffers(f"({each.name})")
    return Copied(each.name, count, digest.hexdigest())


def _rows(each: Table, connection: Connection) -> Iterator[tuple[Any, ...]]:
    """The rows in the order of their keys; JSON as the text it is stored as."""
    chosen: Select[Any] = select(
        *(cast(one, Text) if isinstance(one.type, JSON) else one for one in each.c)
    ).order_by(*each.primary_key.c)
    found = connection.execute(chosen, execution_options={"yield_per": ROWS_A_TURN})
    yield from (tuple(row) for row in found)


def _insert(each: Table, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    plain = _plain(each)
    names = [one.name for one in each.c]
    if connection.dialect.name == "sqlite":
        connection.execute(plain.insert(), [dict(zip(names, row, strict=True)) for row in rows])
    else:
        copy_rows(connection, plain, names, iter(rows))


def _plain(each: Table) -> TableClause:
    """The table with JSON as text, which is not to be written out a second time."""
    return table(
        each.name,
        *(column(one.name, Text if isinstance(one.type, JSON) else one.type) for one in each.c),
    )


def _add(digest: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    for row in rows:
        digest.update(repr(row).encode("utf-8", "surrogatepass"))


def _finish(connection: Connection) -> None:
    """Let new rows be numbered after the copied ones, and let the planner know the tables."""
    if connection.dialect.name == "sqlite":
        return
    for each in _tables():
        if "id" in each.c:
            sequence = func.pg_get_serial_sequence(each.name, "id")
            last = select(func.max(each.c.id)).scalar_subquery()
            connection.execute(select(func.setval(sequence, last)).where(last.is_not(None)))
    connection.execute(text("ANALYZE"))
