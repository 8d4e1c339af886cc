"""A copied database answers like the one it was copied from, and goes on from there."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.servers.postgres import PostgresServer
from storage import ledger, overview
from storage.copying import copy_database
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_failed_document, find_document
from storage.errors import CopyDiffers, CopyRefused, DatabaseOutdated, ErrorInfo
from storage.pages import stream_pages
from storage.results import SavedPage
from storage.runs import ModelRef, Provenance, run_id
from storage.search import search

Sessions = sessionmaker[Session]
DAMAGED = ErrorInfo("page_damaged", "It is damaged.", "Scan it again.", False)


@pytest.fixture
def source(
    url: str, sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> Iterator[Engine]:
    """One document done, one with a page in quarantine and one waiting, one that never opened."""
    add("税务/发票.pdf", 2, lane="interactive")
    add("b.pdf", 2)
    with sessions.begin() as session:
        run = run_id(session, Provenance(code_version="1", recognizer=ModelRef("rec", "e" * 64)))
        one, two, three, _ = ledger.claim(session, worker="w", limit=4)
        ledger.finish(session, one, make_page("增值税 发票", "a\tb \\ c", run_id=run))
        ledger.finish(session, two, make_page())
        ledger.fail(session, three, DAMAGED, blame=True)
        ledger.reap(session, dead_workers=["w"])
        place = SourceRef("s3://bucket/%0a.pdf", "\\x0a.pdf", '"etag"')
        add_failed_document(
            session, sha256=None, size=None, media_type=None, source=place, error=DAMAGED
        )
    engine = open_database(url, readonly=True)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
) -> Iterator[Engine]:
    """A database without even tables."""
    if request.param == "sqlite":
        engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('target')}/new.db")
    else:
        postgres.execute("CREATE DATABASE copied")
        engine = open_database(postgres.url("copied"))
    yield engine
    engine.dispose()
    if request.param == "postgresql":
        postgres.execute("DROP DATABASE copied")


def answers(engine: Engine) -> list[object]:
    """What people ask a database."""
    with session_factory(engine)() as session:
        return [
            list(overview.document_statuses(session)),
            list(overview.problems(session)),
            overview.counts(session),
            search(session, "发票"),
            [list(stream_pages(session, number)) for number in (1, 2, 3)],
            [overview.attempts(session, 1, page) for page in (1, 2)],
            find_document(session, "发票.pdf").id,
            [
                tuple(row)
                for row in session.execute(
                    text("SELECT text, x0, y1 FROM v_words ORDER BY line_no, word_no")
                )
            ],
        ]


def test_the_copy_gives_the_same_answers(source: Engine, target: Engine) -> None:
    told: list[tuple[str, int]] = []
    copied = copy_database(source, target, lambda name, rows: told.append((name, rows)))
    assert answers(target) == answers(source)
    rows = {table.table: table.rows for table in copied}
    assert rows == {
        "documents": 3,
        "sources": 3,
        "models": 1,
        "runs": 1,
        "pages": 4,
        "lines": 2,
        "page_texts": 2,
        "attempts": 4,
    }
    assert dict(told) == rows
    again = {table.table: table.sha256 for table in copied}
    assert len(set(again.values())) == 8


def test_the_copy_goes_on_where_the_source_stopped(
    source: Engine,
    target: Engine,
    make_page: Callable[..., SavedPage],
    intact: Callable[[Session], None],
) -> None:
    copy_database(source, target)
    sessions = session_factory(target)
    with sessions.begin() as session:
        later = ledger.work_left(session).next_due
        (lease,) = ledger.claim(session, worker="new", now=later)
        assert (lease.key, lease.page_no, lease.token) == ("b.pdf", 2, 2)
        ledger.finish(session, lease, make_page("never seen"))
        # new rows take numbers nobody has
        add_failed_document(
            session,
            sha256="f" * 64,
            size=1,
            media_type=None,
            source=SourceRef("file:///new", "new", "1"),
            error=DAMAGED,
        )
    with sessions.begin() as session:
        assert overview.counts(session).documents["partial"] == 1
        assert [hit.document_id for hit in search(session, "never seen")] == [2]
        assert find_document(session, "/new").id == 4
        intact(session)


def test_a_copy_is_never_mixed_with_something_else(source: Engine, target: Engine) -> None:
    copy_database(source, target)
    with pytest.raises(CopyRefused, match="holds documents already"):
        copy_database(source, target)
    assert answers(target) == answers(source)


def test_what_is_being_read_is_not_copied(
    url: str, sessions: Sessions, add: Callable[..., int], target: Engine
) -> None:
    add("a.pdf")
    with sessions.begin() as session:
        ledger.claim(session, worker="busy", lease_seconds=600)
    reading = open_database(url, readonly=True)
    with pytest.raises(CopyRefused, match="being read"):
        copy_database(reading, target)
    reading.dispose()


def test_nothing_is_kept_of_a_copy_that_differs(
    source: Engine, target: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import copying

    insert = copying._insert

    def lose_one(each: object, connection: object, rows: Sequence[object]) -> None:
        insert(each, connection, rows[1:] if str(each) == "lines" else rows)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "_insert", lose_one)
    with pytest.raises(CopyDiffers, match="lines"):
        copy_database(source, target)
    monkeypatch.undo()
    assert copy_database(source, target)[0].rows == 3


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_source_of_an_older_version_is_not_guessed_at(
    source: Engine, engine: Engine, target: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    with pytest.raises(DatabaseOutdated, match="0002"):
        copy_database(source, target)


def test_an_empty_database_is_copied_too(url: str, target: Engine) -> None:
    reading = open_database(url, readonly=True)
    assert {table.rows for table in copy_database(reading, target)} == {0}
    reading.dispose()
    migrate(target)
