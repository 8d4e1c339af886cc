"""Knowing the version of a database without alembic, whose import is dear."""

import subprocess
import sys
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import text

from storage.database import migrate, open_database
from storage.migrations import configuration, is_current, newest


def test_the_newest_revision_is_alembics_head(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/a.db").begin() as connection:
        scripts = ScriptDirectory.from_config(configuration(connection))
    assert newest() == scripts.get_current_head()


def test_a_database_is_current_from_its_making_until_it_falls_behind(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/a.db")
    with engine.begin() as connection:
        assert not is_current(connection)
    migrate(engine)
    with engine.begin() as connection:
        assert is_current(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert not is_current(connection)
    engine.dispose()


def test_a_current_database_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    migrate(open_database(url))
    program = f"""
import sys
from storage.database import migrate, open_database
migrate(open_database({url!r}))
assert "alembic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
