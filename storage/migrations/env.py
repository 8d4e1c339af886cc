"""Run by alembic for every command; the connection comes from `migrations.configuration`."""

from __future__ import annotations

from typing import Any

from alembic import context

from storage.schema import Base


def _is_ours(entity: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Leave out the search index and the tables FTS5 makes for it."""
    return not (kind == "table" and (name or "").startswith("page_search"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=_is_ours,
    # SQLite alters tables by copying them.
    render_as_batch=True,
    # The caller has begun the transaction, and SQLite's DDL takes part in it.
    transactional_ddl=True,
)
context.run_migrations()
