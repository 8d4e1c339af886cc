import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from benchmarks.servers.postgres import PostgresServer
from storage.database import database_path
from storage.errors import (
    DatabaseMissing,
    DatabaseUnsupported,
    SqlFailed,
    SqlRefused,
    SqlTimeLimit,
    StorageError,
)
from storage.sql import run_readonly

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c"


@pytest.fixture
def filled(url: str, add: Callable[..., int], store: Callable[..., None]) -> str:
    add("发票.pdf", 2)
    store(["增值税 invoice", "second line"], [])
    return url


def test_rows_come_with_their_column_names(filled: str) -> None:
    with run_readonly(filled, "SELECT page_no, text AS words FROM v_pages ORDER BY 1") as rows:
        assert rows.columns == ("page_no", "words")
        assert list(rows) == [(1, "增值税 invoice\nsecond line"), (2, "")]


@pytest.mark.parametrize(
    "view",
    ["v_documents", "v_pages", "v_lines", "v_words", "v_low_confidence_lines", "v_errors"],
)
def test_every_view_may_be_read(filled: str, view: str) -> None:
    with run_readonly(filled, f"SELECT * FROM {view}") as rows:
        assert len(rows.columns) > 3


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_search_index_may_be_asked(filled: str) -> None:
    query = "SELECT rowid FROM page_search WHERE page_search MATCH '\"增值 值税\"'"
    assert list(run_readonly(filled, query)) == [(1,)]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM lines",
        "INSERT INTO models(kind, name, sha256) VALUES ('a', 'b', 'c')",
        "UPDATE pages SET state = 'done'",
        "REPLACE INTO leaders VALUES ('a', 'b', 'c')",
        "WITH x AS (SELECT 1) DELETE FROM lines",
        "DROP TABLE lines",
        "CREATE TABLE t(a)",
        "CREATE TEMP TABLE t(a)",
        "CREATE TABLE t AS SELECT 1",
        "ALTER TABLE lines RENAME TO l",
        "CREATE TRIGGER t AFTER INSERT ON lines BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "ATTACH '{folder}/other.db' AS other",
        "DETACH main",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "PRAGMA table_info(lines)",
        "VACUUM",
        "VACUUM INTO '{folder}/other.db'",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "SAVEPOINT a",
        "REINDEX",
        "ANALYZE",
        "SELECT load_extension('x')",
        "INSERT INTO page_search(page_search) VALUES ('rebuild')",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM lines",
        "",
        "  -- nothing",
        ";",
    ],
)
def test_whatever_does_not_only_read_is_refused(
    filled: str, tmp_path: Path, statement: str
) -> None:
    path = database_path(filled)
    before = path.read_bytes()
    with pytest.raises(SqlRefused):
        list(run_readonly(filled, statement.format(folder=tmp_path)))
    assert path.read_bytes() == before
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM lines",
        "INSERT INTO models(kind, name, sha256) VALUES ('a', 'b', 'c')",
        "UPDATE pages SET state = 'done'",
        "WITH x AS (DELETE FROM lines RETURNING 1) SELECT * FROM x",
        "DROP TABLE lines",
        "CREATE TEMP TABLE t(a int)",
        "CREATE TABLE t AS SELECT 1",
        "ALTER TABLE lines RENAME TO l",
        "TRUNCATE lines",
        "COPY lines TO STDOUT",
        "COPY lines TO PROGRAM 'cat'",
        "VACUUM",
        "BEGIN",
        "COMMIT",
        "SET TRANSACTION READ WRITE",
        "SET default_transaction_read_only = off",
        "LOCK TABLE pages",
        "CALL x()",
        "DO $$ BEGIN DELETE FROM lines; END $$",
        "SELECT nextval('documents_id_seq')",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT lo_create(1)",
        "SELECT query_to_xml('DELETE FROM lines', true, true, '')",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM lines",
        "SELECT 1; COMMIT; DELETE FROM lines",
        "",
        "  -- nothing",
        " /* nothing */ ;",
    ],
)
def test_the_server_refuses_whatever_does_not_only_read(filled: str, statement: str) -> None:
    with pytest.raises(SqlRefused):
        list(run_readonly(filled, statement))
    assert list(run_readonly(filled, "SELECT count(*) FROM lines")) == [(2,)]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_values_are_what_sqlite_would_say(filled: str) -> None:
    query = """
        SELECT sum(page_no), avg(page_no), max(finished_at) > '2000-01-01', NULL, min(taken)
          FROM v_pages, (VALUES (timestamptz '2026-01-02 12:00+02')) AS t (taken)
    """
    assert list(run_readonly(filled, query)) == [
        (3, 1.5, True, None, "2026-01-02 10:00:00.000000Z")
    ]
    json = "SELECT polygon FROM v_lines WHERE line_no = 2"
    assert list(run_readonly(filled, json)) == [
        ("[[0.0,30.0],[110.0,30.0],[110.0,50.0],[0.0,50.0]]",)
    ]
    assert list(run_readonly(filled, "SELECT '100%', '%(name)s', '\\x41'::bytea")) == [
        ("100%", "%(name)s", b"A")
    ]


WORDS = """
SELECT DELETE INSERT INTO FROM UPDATE SET ATTACH AS WITH RETURNING UNION VALUES WHERE
PRAGMA query_only = OFF lines pages v_pages * ( ) , ; 1 'x' -- /*
"""
PIECES = WORDS.split()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.text())
def test_no_text_changes_the_database_or_escapes_the_error_tree(filled: str, words: str) -> None:
    try:
        for _ in itertools.islice(run_readonly(filled, words, 5.0), 5):
            pass
    except StorageError:
        pass
    left = run_readonly(filled, "SELECT count(*), sum(length(text)) FROM lines")
    assert list(left) == [(2, 22)]


def test_a_mistake_is_explained(filled: str) -> None:
    with pytest.raises(SqlFailed, match=r'no such column: nme|column "nme" does not exist'):
        run_readonly(filled, "SELECT nme FROM models")


@pytest.mark.parametrize("shown", ["count(*)", "x"])
def test_what_takes_too_long_is_stopped(filled: str, shown: str) -> None:
    # the first never gives a row, the second never ends
    with pytest.raises(SqlTimeLimit, match=r"0\.2 s"):
        for _ in run_readonly(filled, ENDLESS.format(shown), 0.2):
            pass


def test_the_time_a_reader_takes_is_not_counted(filled: str) -> None:
    rows = iter(run_readonly(filled, ENDLESS.format("x"), 0.5))
    first = list(itertools.islice(rows, 300))
    threading.Event().wait(0.7)
    assert len(first + list(itertools.islice(rows, 300))) == 600
    rows.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_no_value_grows_without_bound(filled: str) -> None:
    with pytest.raises(SqlFailed, match="too big"):
        run_readonly(filled, "SELECT zeroblob(1000000000)")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_bytes_that_are_no_text_do_not_stop_the_answer(filled: str) -> None:
    assert list(run_readonly(filled, "SELECT CAST(x'ff41' AS TEXT)")) == [("\ufffdA",)]


def test_reading_goes_on_while_others_write(filled: str, add: Callable[..., int]) -> None:
    with run_readonly(filled, "SELECT document_id FROM v_lines") as rows:
        add("other.pdf")
        assert list(rows) == [(1,), (1,)]


def test_a_server_that_is_away_is_no_fault_of_the_statement(postgres: PostgresServer) -> None:
    with pytest.raises(OperationalError):
        run_readonly(postgres.url("nowhere"), "SELECT 1")
    with pytest.raises(DatabaseMissing, match="no tables in template1"):
        run_readonly(postgres.url("template1"), "SELECT 1")


def test_there_must_be_a_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        run_readonly(f"sqlite:///{tmp_path}/none.db", "SELECT 1")
    with pytest.raises(DatabaseUnsupported):
        run_readonly("mysql://server/database", "SELECT 1")
    (tmp_path / "text.db").write_text("not a database at all, but a long enough text")
    with pytest.raises(SqlFailed, match="not a database"):
        run_readonly(f"sqlite:///{tmp_path}/text.db", "SELECT * FROM sqlite_master")
