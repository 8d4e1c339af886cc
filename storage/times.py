"""Points in time: aware, in UTC, and comparable as text where the database has no type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, String, func, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator, TypeEngine


def utc_now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def present(database: Session | Connection) -> datetime:
    """Return the present by the clock all workers share, so that none can be ahead of the others.

    Those of an SQLite file are on one machine; a server is asked for its own.
    """
    if dialect_of(database).name == "sqlite":
        return utc_now()
    return database.scalars(select(func.clock_timestamp(type_=UtcTime()))).one()


def dialect_of(database: Session | Connection) -> Dialect:
    """Return what tells SQLite and PostgreSQL apart."""
    bind = database.get_bind() if isinstance(database, Session) else database
    return bind.dialect


def as_text(moment: datetime) -> str:
    """Write a time as `YYYY-MM-DD HH:MM:SS.ffffffZ`, in UTC.

    All texts have one length, so text order is time order. The blank (instead of a T) is how
    SQLite's own `datetime('now')` writes it, so that users may compare columns with it.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time must say its zone, got {moment!r}")
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return plain.isoformat(sep=" ", timespec="microseconds") + "Z"


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time: text on SQLite, TIMESTAMP WITH TIME ZONE elsewhere."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Take the dialect's own type where it keeps the zone."""
        own: TypeEngine[Any] = String(27) if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(own)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times; write text on SQLite."""
        if value is None or dialect.name != "sqlite":
            return value
        return as_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read the text back as an aware time."""
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC)
