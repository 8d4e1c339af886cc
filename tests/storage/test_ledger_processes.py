"""The ledger with real processes: claiming at once, and killed without warning."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from storage import ledger
from storage.database import open_database, session_factory
from storage.documents import settle
from storage.errors import LeaseLost
from storage.results import SavedPage

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
