"""Connections to PostgreSQL, through psycopg 3.

A writing engine works at READ COMMITTED, statement by statement on what is committed by then; the
functions that need more take a lock (locks.py). A readonly engine sees one snapshot a session, and
the server refuses its writes. A connection that was lost while it lay in the pool is replaced
unseen; one that is lost in a transaction raises OperationalError, and nothing of it is stored. A
network that swallows everything is noticed after LOST_SECONDS on both sides.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, create_engine, event

from storage.errors import DatabaseMissing, DatabaseUnsupported

if TYPE_CHECKING:
    import psycopg

OLDEST = 140000
"""Server version 14: the first that refuses a NULL in array_to_tsvector and knows SKIP LOCKED,
generated columns and everything else used here."""
CONNECT_SECONDS = 10
LOST_SECONDS = 20
WAIT_SECONDS = 60
"""How long a writer waits for the lock of another, and how long a transaction may lie idle: that of
a worker that was stopped in the middle must not hold up the others for ever."""


def postgres_engine(address: URL, *, readonly: bool) -> Engine:
    """Connect on first use; raises DatabaseUnsupported then, and DatabaseMissing if readonly."""
    engine = create_engine(
        with_driver(address),
        isolation_level="REPEATABLE READ" if readonly else "READ COMMITTED",
        pool_pre_ping=True,
        connect_args=connect_arguments(address, readonly=readonly),
        json_serializer=compact_json,
    )
    event.listen(engine, "connect", _check_tables if readonly else _check)
    return engine


def with_driver(address: URL) -> URL:
    """The URL with the driver that is used here, whatever it named."""
    return address.set(drivername="postgresql+psycopg")


def connect_arguments(address: URL, *, readonly: bool) -> dict[str, Any]:
    """What every connection is told, beside and before what the URL says."""
    settings = {"TimeZone": "UTC", "client_min_messages": "warning"}
    if readonly:
        settings["default_transaction_read_only"] = "on"
    else:
        settings["lock_timeout"] = f"{WAIT_SECONDS}s"
        settings["idle_in_transaction_session_timeout"] = f"{WAIT_SECONDS}s"
    for name, value in {"idle": LOST_SECONDS // 2, "interval": 5, "count": 2}.items():
        settings[f"tcp_keepalives_{name}"] = str(value)
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    theirs = address.query.get("options", "")
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": LOST_SECONDS // 2,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": LOST_SECONDS * 1000,
        "client_encoding": "utf8",
        "application_name": "pagemill",
    }
    chosen = {name: value for name, value in arguments.items() if name not in address.query}
    return {**chosen, "options": f"{options} {theirs}".strip()}


def compact_json(value: Any) -> str:
    """Write JSON as both databases store it: short, as text, without NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _check(connection: psycopg.Connection[Any], record: Any) -> None:
    record.info["pid"] = os.getpid()
    if connection.info.server_version < OLDEST:
        raise DatabaseUnsupported(
            f"PostgreSQL {connection.info.server_version // 10000} is too old, "
            f"{OLDEST // 10000} is needed."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseUnsupported(f"Its encoding is {encoding}, create it with ENCODING 'UTF8'.")


def _check_tables(connection: psycopg.Connection[Any], record: Any) -> None:
    _check(connection, record)
    found = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    connection.rollback()
    if found is None or found[0] is None:
        raise DatabaseMissing(f"(no tables in {connection.info.dbname})")
