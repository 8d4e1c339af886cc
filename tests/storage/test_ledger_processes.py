"""The ledger with real processes: claiming at once, and killed without warning."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.servers.postgres import PostgresServer
from storage import ledger
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document, settle
from storage.errors import LeaseLost
from storage.results import SavedPage


@dataclass(frozen=True)
class PageNo:
    page_no: int


FORK = multiprocessing.get_context("fork")


def work(url: str, saved: SavedPage, lease_seconds: float, errors: Any) -> None:
    """Claim and finish pages until none is left; report what should not happen."""
    try:
        sessions = session_factory(open_database(url))
        while True:
            with sessions.begin() as session:
                ledger.reap(session)
                leases = ledger.claim(
                    session, worker=f"w{os.getpid()}", limit=3, lease_seconds=lease_seconds
                )
                left = ledger.work_left(session).total
            if not left:
                return
            for lease in leases:
                try:
                    with sessions.begin() as session:
                        ledger.finish(session, lease, saved)
                except LeaseLost:
                    with sessions.begin() as session:
                        ledger.note_fenced(session, lease)
            if not leases:
                time.sleep(0.02)
    except BaseException as error:
        errors.put(repr(error))


def work_through_outages(url: str, saved: SavedPage, errors: Any) -> None:
    """Work as `work` does, again and again while the server is away; a lease that went with a
    connection is taken back when it ends."""
    while True:
        failed: SimpleQueue[str] = SimpleQueue()
        work(url, saved, 2.0, failed)
        if failed.empty():
            return
        error = failed.get()
        if not any(name in error for name in ("OperationalError", "connection")):
            errors.put(error)
            return
        time.sleep(0.1)


def check(session: Session, pages: int, lines: int) -> None:
    """Every page is done, once, and whole."""

    def rows(statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in session.execute(text(statement))]

    assert rows("SELECT state, count(*) FROM pages GROUP BY 1") == [("done", pages)]
    done_once = "SELECT count(*), count(DISTINCT page_id) FROM attempts WHERE outcome = 'ok'"
    assert rows(done_once) == [(pages, pages)]
    per_page = (
        "SELECT count(*), min(n), max(n) FROM (SELECT count(*) n FROM lines GROUP BY page_id) p"
    )
    assert rows(per_page) == [(pages, lines, lines)]
    assert rows("SELECT DISTINCT state FROM documents") == [("done",)]


def test_processes_that_claim_at_once_never_get_the_same_page(
    url: str,
    add: Callable[..., int],
    make_page: Callable[..., SavedPage],
    engine: Engine,
    intact: Callable[[Session], None],
) -> None:
    for number in range(6):
        add(f"{number}.pdf", 20)
    engine.dispose()
    errors = FORK.Queue()
    saved = make_page(*["some words of a line"] * 10)
    children = [FORK.Process(target=work, args=(url, saved, 600, errors)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert errors.empty(), errors.get()
    with session_factory(engine).begin() as session:
        check(session, 120, 10)
        counted = session.execute(text("SELECT max(attempts), max(lease_token) FROM pages"))
        assert tuple(counted.one()) == (1, 1)
        intact(session)


def test_workers_killed_at_any_moment_lose_and_double_nothing(
    url: str,
    add: Callable[..., int],
    make_page: Callable[..., SavedPage],
    engine: Engine,
    intact: Callable[[Session], None],
) -> None:
    add("a.pdf", 150)
    engine.dispose()
    errors = FORK.Queue()
    saved = make_page(*["some words of a line"] * 20)
    moments = random.Random(5)

    def start() -> Any:
        child = FORK.Process(target=work, args=(url, saved, 1.0, errors))
        child.start()
        return child

    children = [start() for _ in range(2)]
    for _ in range(12):
        time.sleep(moments.uniform(0.02, 0.25))
        victim = moments.randrange(len(children))
        os.kill(children[victim].pid, signal.SIGKILL)
        children[victim].join()
        children[victim] = start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert errors.empty(), errors.get()
    with session_factory(engine).begin() as session:
        check(session, 150, 20)
        assert settle(session) == 0
        intact(session)


def test_a_server_that_crashes_again_and_again_loses_and_doubles_nothing(
    make_page: Callable[..., SavedPage], intact: Callable[[Session], None]
) -> None:
    errors = FORK.Queue()
    saved = make_page(*["some words of a line"] * 20)
    moments = random.Random(3)
    with PostgresServer() as server:
        engine = open_database(server.url())
        migrate(engine)
        sessions = session_factory(engine)
        pages = [PageNo(number) for number in range(1, 151)]
        with sessions.begin() as session:
            add_document(
                session,
                sha256="a" * 64,
                size=1,
                media_type="application/pdf",
                source=SourceRef("file:///a.pdf", "a.pdf", "1"),
                pages=pages,
                file_pages=150,
            )
        engine.dispose()
        children = [
            FORK.Process(target=work_through_outages, args=(server.url(), saved, errors))
            for _ in range(3)
        ]
        for child in children:
            child.start()
        for _ in range(5):
            time.sleep(moments.uniform(0.1, 0.6))
            server.stop(crash=True)
            time.sleep(moments.uniform(0.0, 0.5))
            server.start()
        for child in children:
            child.join()
        assert errors.empty(), errors.get()
        with sessions.begin() as session:
            check(session, 150, 20)
            lost = "SELECT count(*) FROM pages WHERE state = 'quarantined'"
            assert session.scalar(text(lost)) == 0
            intact(session)
        engine.dispose()
