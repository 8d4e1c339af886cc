"""The ledger with real processes: claiming at once, and killed without warning."""

import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from storage import ledger
from storage.database import database_path, open_database, session_factory
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


def check(url: str, pages: int, lines: int) -> sqlite3.Connection:
    """Every page is done, once, whole, and the file is sound."""
    look = sqlite3.connect(database_path(url))
    assert look.execute("SELECT state, count(*) FROM pages GROUP BY 1").fetchall() == [
        ("done", pages)
    ]
    done_once = "SELECT count(*), count(DISTINCT page_id) FROM attempts WHERE outcome = 'ok'"
    assert look.execute(done_once).fetchone() == (pages, pages)
    per_page = (
        "SELECT count(*), min(n), max(n) FROM (SELECT count(*) n FROM lines GROUP BY page_id)"
    )
    assert look.execute(per_page).fetchone() == (pages, lines, lines)
    assert look.execute("SELECT DISTINCT state FROM documents").fetchall() == [("done",)]
    look.execute("INSERT INTO page_search(page_search) VALUES ('integrity-check')")
    assert look.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return look


def test_processes_that_claim_at_once_never_get_the_same_page(
    url: str, add: Callable[..., int], make_page: Callable[..., SavedPage], engine: Any
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
    look = check(url, 120, 10)
    assert look.execute("SELECT max(attempts), max(lease_token) FROM pages").fetchone() == (1, 1)
    look.close()


def test_workers_killed_at_any_moment_lose_and_double_nothing(
    url: str, add: Callable[..., int], make_page: Callable[..., SavedPage], engine: Any
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
    check(url, 150, 20).close()
    sessions = session_factory(open_database(url))
    with sessions.begin() as session:
        assert settle(session) == 0
