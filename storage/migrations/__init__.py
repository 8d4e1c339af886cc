"""Steps that bring a database from any earlier version to the present one (alembic).

They are run by `database.migrate`, never by an alembic.ini: whoever changes schema.py adds a file
to versions/ and a test compares the two. Views and the search index are plain SQL there.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from storage.errors import DatabaseTooNew, DatabaseUnsupported


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the database up to `revision` inside the caller's transaction."""
    config = configuration(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    if current == scripts.get_current_head():
        return
    tables = set(inspect(connection).get_table_names())
    if tables and "alembic_version" not in tables:
        raise DatabaseUnsupported("Its tables were made by another program.")
    if current is not None and current not in {step.revision for step in scripts.walk_revisions()}:
        raise DatabaseTooNew(f"Its version is {current}.")
    command.upgrade(config, revision)


def configuration(connection: Connection) -> Config:
    """Return alembic's configuration for this connection."""
    config = Config()
    # ConfigParser, which alembic uses, reads % as the start of a placeholder.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
