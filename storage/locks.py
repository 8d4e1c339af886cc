"""Locks for what must not happen twice at once: to look for a row, and to add it if it is missing.

A unique key would make the second of two who do so fail; with a lock it waits, and then finds what
the first has added. On SQLite writers are alone anyway.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Session


def alone(database: Session | Connection, *names: str) -> None:
    """Keep others who name one of these waiting until the transaction ends.

    Names are taken in one call or in one order everywhere, so that two never wait for each other.
    """
    bind = database.get_bind() if isinstance(database, Session) else database
    if bind.dialect.name == "sqlite":
        return
    for number in sorted({_number(name) for name in names}):
        database.execute(select(func.pg_advisory_xact_lock(number)))


def _number(name: str) -> int:
    """A lock's number: 64 bits, the same in every process."""
    return int.from_bytes(hashlib.sha256(f"pagemill {name}".encode()).digest()[:8], signed=True)
