"""What is PostgreSQL's own: lost connections, settings, servers that cannot be used."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.servers.postgres import PostgresServer
from storage import bulk, ledger
from storage import postgres as connecting
from storage.database import is_file, migrate, open_database, session_factory
from storage.documents import SourceRef, add_failed_document, find_document
from storage.errors import DatabaseUnsupported, DocumentNotFound, ErrorInfo
from storage.pages import stream_pages
from storage.results import SavedPage
from storage.schema import Document, Leader, table_of
from workers.faults import EnvironmentFault, environment_faults

Sessions = sessionmaker[Session]
pytestmark = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, to be stopped and started."""
    with PostgresServer() as server:
        yield server


def migrated(url: str) -> Engine:
    engine = open_database(url)
    migrate(engine)
    return engine


def kill(postgres: PostgresServer, pid: int | None) -> None:
    """Let the server end a connection."""
    postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")


def number_of(session: Session) -> int | None:
    """The connection of a session, as the server calls it."""
    return session.scalar(text("SELECT pg_backend_pid()"))


def test_a_restart_between_two_transactions_is_not_noticed(
    postgres: PostgresServer, sessions: Sessions, add: Callable[..., int]
) -> None:
    add("a.pdf", 2)
    with sessions.begin() as session:
        ledger.claim(session, worker="w")
    postgres.restart(crash=True)
    with sessions.begin() as session:
        assert len(ledger.claim(session, worker="w", limit=5)) == 1


def test_a_connection_lost_in_a_transaction_is_a_fault_of_the_environment(
    postgres: PostgresServer,
    sessions: Sessions,
    add: Callable[..., int],
    make_page: Callable[..., SavedPage],
) -> None:
    document = add("a.pdf")
    with sessions.begin() as session:
        (lease,) = ledger.claim(session, worker="w")

    def finish_and_lose() -> None:
        with environment_faults(), sessions.begin() as session:
            ledger.finish(session, lease, make_page("lost"))
            kill(postgres, number_of(session))

    with pytest.raises(EnvironmentFault) as caught:
        finish_and_lose()
    assert (caught.value.code, caught.value.lasting) == ("database_unavailable", False)
    with sessions() as session:
        (page,) = stream_pages(session, document)
        assert (page.state, page.lines) == ("leased", ())
    with sessions.begin() as session:
        ledger.finish(session, lease, make_page("kept"))
    with sessions() as session:
        (page,) = stream_pages(session, document)
        assert (page.state, page.text) == ("done", "kept")


def copy_leaders(session: Session, rows: Iterator[Any]) -> None:
    columns = ["role", "owner", "until"]
    bulk.copy_rows(session.connection(), table_of(Leader), columns, rows)


def test_a_connection_lost_while_copying_is_told_like_any_other(
    postgres: PostgresServer, sessions: Sessions
) -> None:
    def rows(pid: int | None) -> Iterator[list[object]]:
        kill(postgres, pid)
        for number in range(1_000_000):
            yield [f"role{number}", "x" * 1000, None]

    def copy() -> None:
        with sessions.begin() as session:
            pid = number_of(session)
            copy_leaders(session, rows(pid))

    with pytest.raises(OperationalError) as caught:
        copy()
    assert caught.value.connection_invalidated
    with sessions.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM leaders")) == 0


def test_a_mistake_in_copied_rows_is_no_lost_connection(sessions: Sessions) -> None:
    def copy() -> None:
        with sessions.begin() as session:
            copy_leaders(session, iter([["role", None, None]]))

    with pytest.raises(DBAPIError) as caught:
        copy()
    assert isinstance(caught.value.orig, psycopg.errors.NotNullViolation)
    assert not caught.value.connection_invalidated


def test_a_server_that_is_away_or_starting_is_a_fault_of_the_environment(
    url: str, server: PostgresServer
) -> None:
    engine = migrated(server.url())
    server.stop(crash=True)
    with (
        pytest.raises(EnvironmentFault, match="does not answer"),
        environment_faults(),
        session_factory(engine).begin() as session,
    ):
        ledger.claim(session, worker="w")
    server.start()
    with session_factory(engine).begin() as session:
        assert ledger.claim(session, worker="w") == []
    engine.dispose()


def test_what_was_committed_outlives_a_crash_of_the_server(
    url: str, make_page: Callable[..., SavedPage]
) -> None:
    with PostgresServer(durable=True) as server:
        engine = migrated(server.url())
        sessions = session_factory(engine)
        with sessions.begin() as session:
            place = SourceRef("file:///a", "a", "1")
            failed = ErrorInfo("empty_file", "It is empty.", "", False)
            add_failed_document(
                session, sha256="a" * 64, size=0, media_type=None, source=place, error=failed
            )
        server.restart(crash=True)
        with sessions() as session:
            assert session.scalar(text("SELECT state FROM v_documents")) == "failed"
        engine.dispose()


def test_who_stops_in_the_middle_of_a_transaction_holds_nobody_up(
    url: str, add: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = add()
    other = open_database(url)
    monkeypatch.setattr(connecting, "WAIT_SECONDS", 1)
    stopped = open_database(url)
    lock = f"SELECT 1 FROM documents WHERE id = {number} FOR UPDATE"
    with stopped.connect() as holder:
        holder.execute(text(lock))
        with other.begin() as waiting:  # until the holder is cut off
            waiting.execute(text(lock))
        with pytest.raises(EnvironmentFault, match="idle-in-transaction"), environment_faults():
            holder.execute(text("SELECT 1"))
    stopped.dispose()
    other.dispose()


def test_times_are_utc_wherever_the_server_is(
    postgres: PostgresServer, url: str, sessions: Sessions, add: Callable[..., int]
) -> None:
    name = make_url(url).database
    postgres.execute(f"ALTER DATABASE {name} SET timezone TO 'Asia/Kathmandu'")
    number = add()
    with sessions() as session:
        assert session.scalar(text("SHOW timezone")) == "UTC"
        taken_in = session.get_one(Document, number).taken_in_at
        assert str(taken_in.tzinfo) == "UTC"


def test_settings_of_the_url_are_kept(url: str) -> None:
    more = make_url(url).update_query_dict(
        {"options": "-c work_mem=5MB", "application_name": "mine", "connect_timeout": "3"}
    )
    engine = open_database(more.render_as_string(hide_password=False))
    with engine.connect() as connection:
        shown = [
            connection.scalar(text(f"SHOW {name}"))
            for name in ("work_mem", "application_name", "timezone", "transaction_isolation")
        ]
    assert shown == ["5MB", "mine", "UTC", "read committed"]
    engine.dispose()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_way_to_write_the_address_leads_to_the_same_driver(url: str, scheme: str) -> None:
    address = scheme + url[url.index("://") :]
    assert not is_file(address)
    engine = open_database(address)
    with engine.connect() as connection:
        assert connection.dialect.driver == "psycopg"
    engine.dispose()


def test_a_database_that_cannot_hold_every_character_is_refused(
    postgres: PostgresServer, url: str
) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    engine = open_database(postgres.url("latin"))
    with pytest.raises(DatabaseUnsupported, match="LATIN1"):
        migrate(engine)
    engine.dispose()
    postgres.execute("DROP DATABASE latin")


def test_a_server_that_is_too_old_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "OLDEST", 990000)
    engine = open_database(url)
    with pytest.raises(DatabaseUnsupported, match="99 is needed"):
        engine.connect()
    engine.dispose()


def test_addresses_of_any_length_are_kept_and_found(sessions: Sessions) -> None:
    long = "s3://bucket/" + "".join(random.Random(1).choices("äöü発票", k=3000))
    failed = ErrorInfo("empty_file", "It is empty.", "", False)
    with sessions.begin() as session:
        for version in ("1", "2"):
            number = add_failed_document(
                session,
                sha256="a" * 64,
                size=0,
                media_type=None,
                source=SourceRef(long, long[12:], version),
                error=failed,
            )
    with sessions() as session:
        assert find_document(session, long).id == number
        with pytest.raises(DocumentNotFound):
            find_document(session, "no text of a database \0")
