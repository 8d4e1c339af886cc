import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from storage import migrations
from storage.database import migrate, open_database, session_factory
from storage.errors import DatabaseMissing, DatabaseTooNew, DatabaseUnsupported
from storage.schema import Base, Document, Page
from storage.search import search

SEARCH = ("page_search", "ix_page_texts_", "search")
"""What serves search is not in the models: each database has its own."""
OTHERWISE = ("uq_sources_document_id_uri", "ix_sources_uri_version", "ix_sources_name")
"""On PostgreSQL made for values of any length, which SQLAlchemy cannot say of a constraint."""

PROMISED = {
    "v_documents": "document_id sha256 source media_type page_count pages_done pages_quarantined "
    "state error_code taken_in_at finished_at",
    "v_pages": "document_id page_no state text mean_confidence text_source width height dpi "
    "rotation model seconds error_code",
    "v_lines": "document_id page_no line_no text confidence x0 y0 x1 y1 polygon model",
    "v_words": "document_id page_no line_no word_no text confidence x0 y0 x1 y1",
    "v_low_confidence_lines": "document_id page_no line_no text confidence",
    "v_errors": "document_id page_no error_code",
}


@pytest.mark.parametrize("view", PROMISED)
def test_the_views_have_the_promised_columns(engine: Engine, view: str) -> None:
    columns = {column["name"] for column in inspect(engine).get_columns(view)}
    assert set(PROMISED[view].split()) <= columns


def test_the_promised_tables_exist(engine: Engine) -> None:
    tables = set(inspect(engine).get_table_names())
    assert {"documents", "sources", "pages", "lines", "attempts", "models", "runs"} <= tables


def test_models_and_migrations_agree(engine: Engine) -> None:
    def is_ours(entity: object, name: str | None, kind: str, *_: object) -> bool:
        return not (name or "").startswith(SEARCH) and name not in OTHERWISE

    with engine.begin() as connection:
        options = {"include_object": is_ours, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_every_step_can_be_taken_back(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(migrations.configuration(connection), "base")
    left = inspect(engine)
    assert left.get_table_names() == ["alembic_version"]
    assert left.get_view_names() == []
    migrate(engine)
    assert "v_documents" in inspect(engine).get_view_names()


def test_migrating_twice_changes_nothing(engine: Engine, add: Callable[..., int]) -> None:
    add()
    migrate(engine)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pages")) == 1


def _migrate_and_count(url: str, answers: "multiprocessing.Queue[object]") -> None:
    try:
        engine = open_database(url)
        migrate(engine)
        with engine.begin() as connection:
            answers.put(connection.scalar(text("SELECT count(*) FROM v_documents")))
    except BaseException as error:
        answers.put(repr(error))


def test_several_processes_may_migrate_a_new_file_at_once(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    url = f"sqlite:///{tmp_path}/new.db"
    children = [fork.Process(target=_migrate_and_count, args=(url, answers)) for _ in range(6)]
    for child in children:
        child.start()
    assert [answers.get(timeout=120) for _ in children] == [0] * 6
    for child in children:
        child.join()


def test_a_database_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="9999"):
        migrate(engine)


def statements(engine: Engine, action: Callable[[Session], object]) -> list[str]:
    """What SQLite itself is told during a transaction."""
    seen: list[str] = []
    pooled = engine.raw_connection()
    assert isinstance(pooled.dbapi_connection, sqlite3.Connection)
    pooled.dbapi_connection.set_trace_callback(seen.append)
    pooled.close()  # back to the pool, where the session finds it
    with session_factory(engine).begin() as session:
        action(session)
    return seen


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_writer_takes_the_lock_before_it_reads(engine: Engine) -> None:
    seen = statements(engine, lambda session: session.scalar(select(Document.id)))
    assert seen[0] == "BEGIN IMMEDIATE"
    assert seen[1].startswith("SELECT")
    assert seen[-1] == "COMMIT"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_reader_only_begins(url: str) -> None:
    engine = open_database(url, readonly=True)
    seen = statements(engine, lambda session: session.scalar(select(Document.id)))
    assert seen[0] == "BEGIN"
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_commits_are_safe_against_power_loss_and_keys_are_checked(engine: Engine) -> None:
    with engine.begin() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    full = 2
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 60_000,
    }


def test_a_reader_sees_one_moment_while_others_write(
    url: str, sessions: sessionmaker[Session], add: Callable[..., int]
) -> None:
    add("a.pdf")
    reader = open_database(url, readonly=True)
    with session_factory(reader)() as session:
        assert session.scalar(text("SELECT count(*) FROM documents")) == 1
        add("b.pdf")
        assert session.scalar(text("SELECT count(*) FROM documents")) == 1
    with session_factory(reader)() as session:
        assert session.scalar(text("SELECT count(*) FROM documents")) == 2
    reader.dispose()


def test_the_database_refuses_a_readers_writes(url: str, add: Callable[..., int]) -> None:
    add()
    engine = open_database(url, readonly=True)
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(text("DELETE FROM pages"))
    engine.dispose()


def test_a_reader_does_not_make_a_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        open_database(f"sqlite:///{tmp_path}/none.db", readonly=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "nonsense"],
)
def test_what_several_processes_cannot_share_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnsupported):
        open_database(url)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, readonly: bool) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    engine = open_database(f"sqlite:///{path}", readonly=readonly)
    with pytest.raises(DatabaseUnsupported, match=r"letter\.txt is a file of another kind"):
        engine.connect()
    assert path.read_text() == "Dear reader, " * 100


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/other.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bookmarks (url)"))
    with pytest.raises(DatabaseUnsupported, match="another program"):
        migrate(engine)
    assert inspect(engine).get_table_names() == ["bookmarks"]
    engine.dispose()


def test_an_sqlite_without_returning_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(DatabaseUnsupported, match="too old"):
        open_database(f"sqlite:///{tmp_path}/a.db")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnsupported, match="missing"):
        open_database(f"sqlite:///{tmp_path}/missing/a.db")


@pytest.mark.parametrize(
    ("kind", "refused"), [("nfs4", True), ("fuse.sshfs", True), ("xfs", False)]
)
def test_network_file_systems_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, refused: bool
) -> None:
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4"),
        SimpleNamespace(mountpoint=str(tmp_path), fstype=kind),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    url = f"sqlite:///{tmp_path}/a.db"
    if refused:
        with pytest.raises(DatabaseUnsupported, match=kind):
            open_database(url)
    else:
        open_database(url).dispose()


@pytest.mark.parametrize("readonly", [False, True])
def test_a_path_with_odd_characters_works(tmp_path: Path, readonly: bool) -> None:
    folder = tmp_path / "100% 数据#&=+"
    folder.mkdir()
    writer = open_database(f"sqlite:///{folder}/a.db")
    migrate(writer)
    engine = open_database(f"sqlite:///{folder}/a.db", readonly=readonly)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pages")) == 0
    assert (folder / "a.db").is_file()
    engine.dispose()
    writer.dispose()


def test_a_connection_opened_before_a_fork_is_not_used_after_it(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT 1"))
    child = os.fork()
    if child == 0:
        try:
            engine.connect()
        except RuntimeError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


def test_rows_of_a_document_go_with_it(
    sessions: sessionmaker[Session],
    add: Callable[..., int],
    store: Callable[..., None],
    intact: Callable[[Session], None],
) -> None:
    document = add("a.pdf", 2)
    store(["some words"], ["more"])
    with sessions.begin() as session:
        session.delete(session.get_one(Document, document))
    with sessions() as session:
        for table in ("sources", "pages", "lines", "page_texts", "attempts"):
            assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        assert search(session, "words") == []
        assert session.scalars(select(Page)).all() == []
        intact(session)
