"""Steps that bring a database from any earlier version to the present one (alembic).

They are run by `database.migrate`, never by an alembic.ini: whoever changes schema.py adds a file
to versions/ and a test compares the two. Views and the search index are plain SQL there.

Alembic is imported only when there is something to do: every process asks, and the import would
be half of what it takes to open the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

from storage.errors import DatabaseTooNew, DatabaseUnsupported

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION = select(table("alembic_version", column("version_num")).c.version_num)


def newest() -> str:
    """The revision of the newest file in versions/, which its name begins with: v0003_….py."""
    return max(path.name[1:5] for path in (Path(__file__).parent / "versions").glob("v*.py"))


def is_current(connection: Connection) -> bool:
    """Whether the database has been brought to the newest revision."""
    marked = inspect(connection).has_table("alembic_version")
    return marked and connection.scalar(_VERSION) == newest()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the database up to `revision` inside the caller's transaction."""
    if is_current(connection):
        return
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    tables = set(inspect(connection).get_table_names())
    if tables and "alembic_version" not in tables:
        raise DatabaseUnsupported("Its tables were made by another program.")
    if current is not None and current not in {step.revision for step in scripts.walk_revisions()}:
        raise DatabaseTooNew(f"Its version is {current}.")
    command.upgrade(config, revision)


def configuration(connection: Connection) -> Config:
    """Return alembic's configuration for this connection."""
    from alembic.config import Config

    config = Config()
    # ConfigParser, which alembic uses, reads % as the start of a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
