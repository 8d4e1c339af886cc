"""What several writers do in the same moment, on both databases."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from storage import documents, ledger, times
from storage.documents import SourceRef, add_document, add_failed_document
from storage.errors import ErrorInfo
from storage.leaders import lead
from storage.leases import Lease
from storage.results import SavedPage
from storage.runs import ModelRef, Provenance, run_id
from storage.schema import Document, Page, Run, Source

Sessions = sessionmaker[Session]
DAMAGED = ErrorInfo("damaged", "It is damaged.", "", False)


@dataclass(frozen=True)
class PageNo:
    page_no: int


def at_once(
    sessions: Sessions, count: int, action: Callable[[Session, int], object]
) -> list[object]:
    """Do the same in so many transactions that begin together."""
    ready = threading.Barrier(count)

    def one(number: int) -> object:
        ready.wait()
        with sessions.begin() as session:
            return action(session, number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def counted(sessions: Sessions, table: type) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_file_dropped_many_times_at_once_is_one_document(sessions: Sessions) -> None:
    def take_in(session: Session, number: int) -> int:
        return add_document(
            session,
            sha256="a" * 64,
            size=1,
            media_type="application/pdf",
            # half of them under one name
            source=SourceRef(f"file:///inbox/{number // 2}.pdf", "k", "1"),
            pages=[PageNo(1), PageNo(2)],
            file_pages=2,
        )

    assert len(set(at_once(sessions, 12, take_in))) == 1
    assert (counted(sessions, Document), counted(sessions, Source)) == (1, 6)
    assert counted(sessions, Page) == 2


def test_files_nobody_could_read_are_noted_once_a_place(sessions: Sessions) -> None:
    def refuse(session: Session, number: int) -> int:
        place = SourceRef("s3://bucket/a.pdf", "a.pdf", "")
        return add_failed_document(
            session, sha256=None, size=None, media_type=None, source=place, error=DAMAGED
        )

    assert len(set(at_once(sessions, 8, refuse))) == 1


def _finish(leases: Sequence[Lease], saved: SavedPage, session: Session, number: int) -> None:
    ledger.finish(session, leases[number], saved)


def test_last_pages_that_come_to_rest_together_close_their_document(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    for number in range(6):
        add(f"{number}.pdf", 4)
    with sessions.begin() as session:
        leases = ledger.claim(session, worker="w", limit=100)
    saved = make_page("text")
    for number in range(6):
        ours = [lease for lease in leases if lease.document_id == leases[4 * number].document_id]
        finish = partial(_finish, ours, saved)
        at_once(sessions, 4, finish)
    with sessions() as session:
        states = session.execute(text("SELECT DISTINCT state, pages_done FROM v_documents")).all()
    assert [tuple(row) for row in states] == [("done", 4)]


def test_pages_that_are_added_while_the_last_one_ends_keep_the_document_open(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    for number in range(8):
        name = f"{number}.pdf"
        add(name, [1], file_pages=3)
        with sessions.begin() as session:
            (lease,) = ledger.claim(session, worker="w")

        def end_or_add(session: Session, which: int, lease=lease, name=name) -> None:  # type: ignore[no-untyped-def]
            if which == 0:
                ledger.finish(session, lease, make_page("x"))
                return
            add_document(
                session,
                sha256=hashlib.sha256(name.encode()).hexdigest(),
                size=1,
                media_type="application/pdf",
                source=SourceRef(f"file:///inbox/{name}", name, "1"),
                pages=[PageNo(2)],
                file_pages=3,
            )

        at_once(sessions, 2, end_or_add)
        with sessions.begin() as session:
            document = session.get_one(Document, lease.document_id)
            assert (document.state, document.page_count) == ("reading", 2)
            (second,) = ledger.claim(session, worker="w")
            ledger.finish(session, second, make_page("y"))
        with sessions() as session:
            assert session.get_one(Document, lease.document_id).state == "done"


def test_claims_at_once_share_the_pages(sessions: Sessions, add: Callable[..., int]) -> None:
    add("a.pdf", 100)
    got = at_once(sessions, 8, lambda session, n: ledger.claim(session, worker=str(n), limit=5))
    pages = [lease.page_no for leases in got for lease in leases]  # type: ignore[attr-defined]
    assert len(pages) == len(set(pages)) <= 40
    assert all(len(leases) <= 5 for leases in got)  # type: ignore[arg-type]
    assert len(pages) >= 35  # SQLite's writers wait; on a server a row may be passed over


def test_only_one_suspect_is_read_anywhere(sessions: Sessions, add: Callable[..., int]) -> None:
    add("a.pdf", 8)
    with sessions.begin() as session:
        session.execute(Page.__table__.update().values(suspect=True))  # type: ignore[attr-defined]
    got = at_once(sessions, 8, lambda session, n: ledger.claim(session, worker=str(n), limit=5))
    assert sum(len(leases) for leases in got) == 1  # type: ignore[arg-type,misc]


def test_a_run_and_its_models_are_written_once(sessions: Sessions) -> None:
    provenance = Provenance(code_version="1", recognizer=ModelRef("rec", "e" * 64))
    assert len(set(at_once(sessions, 8, lambda session, n: run_id(session, provenance)))) == 1
    assert counted(sessions, Run) == 1


def test_of_many_who_want_to_lead_one_leads(sessions: Sessions) -> None:
    led = at_once(sessions, 8, lambda session, n: lead(session, "reaper", str(n), seconds=10))
    assert sorted(led) == [False] * 7 + [True]  # type: ignore[type-var]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_on_a_server_no_workers_own_clock_counts(
    sessions: Sessions,
    add: Callable[..., int],
    make_page: Callable[..., SavedPage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong() -> datetime:
        raise AssertionError("asked the worker's clock")

    monkeypatch.setattr(times, "utc_now", wrong)
    add("a.pdf", 3)
    with sessions.begin() as session:
        one, two, three = ledger.claim(session, worker="w", limit=3, lease_seconds=60)
        assert ledger.heartbeat(session, [one], 60) == {one.page_id}
        assert ledger.reap(session) == 0
        ledger.finish(session, one, make_page("x"))
        ledger.fail(session, two, DAMAGED, blame=False)
        ledger.release(session, three)
        assert ledger.work_left(session).pending_due == 1
        assert documents.settle(session) == 0
