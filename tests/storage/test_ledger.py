from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session, sessionmaker

from ocr_core.page import TextLine, Word
from storage import ledger
from storage.errors import ErrorInfo, LeaseLost
from storage.leases import Lease
from storage.pages import stream_pages
from storage.results import SavedPage
from storage.schema import LANES, Attempt, Page

Sessions = sessionmaker[Session]
Add = Callable[..., int]
MakePage = Callable[..., SavedPage]

START = datetime(2126, 1, 1, tzinfo=UTC)  # later than every document of a test was taken in
CRASH = ErrorInfo("sandbox_crashed", "The sandbox died.", "", True)
AWAY = ErrorInfo("source_missing", "The bucket is away.", "", True)
DAMAGED = ErrorInfo("page_damaged", "The page is damaged.", "Scan it again.", False)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def claim(
    sessions: Sessions,
    limit: int = 1,
    *,
    now: float = 0,
    worker: str = "w",
    queue: str = "cpu",
    lanes: Sequence[str] = LANES,
) -> list[Lease]:
    with sessions.begin() as session:
        return ledger.claim(
            session,
            worker=worker,
            queue=queue,
            lanes=lanes,
            limit=limit,
            lease_seconds=60,
            now=at(now),
        )


def row(sessions: Sessions, lease: Lease) -> Page:
    with sessions() as session:
        return session.get_one(Page, lease.page_id)


def outcomes(sessions: Sessions) -> list[str]:
    with sessions() as session:
        return list(session.scalars(select(Attempt.outcome).order_by(Attempt.id)))


def state(sessions: Sessions) -> str:
    with sessions() as session:
        value = session.scalar(text("SELECT state FROM v_documents"))
        assert isinstance(value, str)
        return value


def fail(
    sessions: Sessions, lease: Lease, error: ErrorInfo, *, blame: bool = False, now: float = 0
) -> str:
    with sessions.begin() as session:
        return ledger.fail(session, lease, error, blame=blame, now=at(now))


def reap(sessions: Sessions, *, now: float = 0, dead: Sequence[str] = ()) -> int:
    with sessions.begin() as session:
        return ledger.reap(session, dead_workers=dead, now=at(now))


def test_a_page_is_claimed_once(sessions: Sessions, add: Add) -> None:
    add("a.pdf", 3)
    first = claim(sessions, 2)
    assert [lease.page_no for lease in first] == [1, 2]
    assert [lease.page_no for lease in claim(sessions, 2)] == [3]
    assert claim(sessions, 2) == []


def test_a_lease_says_what_to_read_and_where_it_lies(sessions: Sessions, add: Add) -> None:
    add("发票.pdf")
    add("copy.pdf", content="发票.pdf")
    (lease,) = claim(sessions)
    assert (lease.uri, lease.key) == ("file:///inbox/copy.pdf", "copy.pdf")
    assert (lease.media_type, len(lease.sha256)) == ("application/pdf", 64)
    assert (lease.token, lease.attempts, lease.since) == (1, 1, at(0))
    assert lease.until == at(60)


def test_a_long_document_does_not_starve_a_short_one(sessions: Sessions, add: Add) -> None:
    long, short = add("long.pdf", 40), add("short.pdf", 2)
    order = [lease.document_id for lease in claim(sessions, 100)]
    assert order == [long] * 16 + [short] * 2 + [long] * 24


def test_lanes_are_served_in_their_order(sessions: Sessions, add: Add) -> None:
    documents = [add(lane, lane=lane) for lane in ("bulk", "normal", "interactive")]
    assert [lease.document_id for lease in claim(sessions, 9, lanes=["bulk"])] == documents[:1]
    assert [lease.document_id for lease in claim(sessions, 9)] == documents[:0:-1]


def test_a_queue_has_its_own_pages(sessions: Sessions, add: Add) -> None:
    add("a.pdf", queue="gpu")
    assert claim(sessions) == []
    assert len(claim(sessions, queue="gpu")) == 1


def test_finish_stores_the_page_and_closes_the_document(
    sessions: Sessions, add: Add, make_page: MakePage
) -> None:
    add("a.pdf", 2)
    one, two = claim(sessions, 2)
    with sessions.begin() as session:
        ledger.finish(session, one, make_page("增值税 invoice", "second"), now=at(5))
    assert state(sessions) == "reading"
    with sessions.begin() as session:
        ledger.finish(session, two, make_page(), now=at(6))
    assert state(sessions) == "done"
    with sessions() as session:
        page = session.execute(text("SELECT * FROM v_pages WHERE page_no = 1")).mappings().one()
        assert page["text"] == "增值税 invoice\nsecond"
        assert (page["state"], page["text_source"], page["dpi"]) == ("done", "ocr", 200.0)
        assert page["mean_confidence"] == pytest.approx(0.9)
        assert page["finished_at"] in ("2126-01-01 00:00:05.000000Z", at(5))
        blank = session.execute(text("SELECT * FROM v_pages WHERE page_no = 2")).mappings().one()
        assert (blank["text"], blank["mean_confidence"]) == ("", None)
        words = session.execute(text("SELECT line_no, word_no, text, x0, y0, x1, y1 FROM v_words"))
        assert words.all() == [
            (1, 1, "增值税", 0.0, 0.0, 30.0, 20.0),
            (1, 2, "invoice", 40.0, 0.0, 110.0, 20.0),
            (2, 1, "second", 0.0, 30.0, 60.0, 50.0),
        ]
    assert outcomes(sessions) == ["ok", "ok"]


def test_what_is_done_is_never_offered_again(
    sessions: Sessions, add: Add, store: Callable[..., None]
) -> None:
    add()
    store(["text"])
    with sessions.begin() as session:
        assert ledger.requeue(session) == 0
        assert ledger.reap(session, dead_workers=["w"], now=at(9e9)) == 0
    assert claim(sessions, now=1e6) == []


def test_a_worker_back_from_the_dead_changes_nothing(
    sessions: Sessions, add: Add, make_page: MakePage
) -> None:
    add()
    (old,) = claim(sessions)
    assert reap(sessions, now=61) == 1
    (new,) = claim(sessions, now=100, worker="v")
    assert new.token > old.token
    for attempt in (
        lambda session: ledger.finish(session, old, make_page("stale")),
        lambda session: ledger.fail(session, old, DAMAGED, blame=True),
        lambda session: ledger.release(session, old),
    ):
        with pytest.raises(LeaseLost), sessions.begin() as session:
            attempt(session)
    with sessions.begin() as session:
        ledger.note_fenced(session, old)
        ledger.finish(session, new, make_page("fresh"))
    with sessions() as session:
        assert session.scalar(text("SELECT text FROM v_pages")) == "fresh"
    assert outcomes(sessions) == ["lease_lost", "fenced", "ok"]


def test_finishing_twice_is_refused_and_stores_nothing(
    sessions: Sessions, add: Add, make_page: MakePage
) -> None:
    add()
    (lease,) = claim(sessions)
    with sessions.begin() as session:
        ledger.finish(session, lease, make_page("first"))
    with pytest.raises(LeaseLost), sessions.begin() as session:
        ledger.finish(session, lease, make_page("again"))
    with sessions() as session:
        assert session.scalars(text("SELECT text FROM v_lines")).all() == ["first"]


def test_a_heartbeat_keeps_leases_and_tells_which_are_lost(sessions: Sessions, add: Add) -> None:
    add("a.pdf", 2)
    one, two = claim(sessions, 2)
    with sessions.begin() as session:
        assert ledger.heartbeat(session, [one], 60, now=at(50)) == {one.page_id}
    assert reap(sessions, now=70) == 1
    with sessions.begin() as session:
        assert ledger.heartbeat(session, [one, two], 60, now=at(71)) == {one.page_id}
        assert ledger.heartbeat(session, [], 60) == set()


def test_an_error_that_time_cannot_cure_quarantines_at_once(sessions: Sessions, add: Add) -> None:
    add("a.pdf", 1)
    (lease,) = claim(sessions)
    assert fail(sessions, lease, DAMAGED) == "quarantined"
    assert state(sessions) == "partial"
    with sessions() as session:
        error = session.execute(text("SELECT * FROM v_errors")).mappings().one()
    assert (error["error_code"], error["error_advice"]) == ("page_damaged", "Scan it again.")
    assert (error["page_no"], error["source"]) == (1, "/inbox/a.pdf")


def test_a_page_the_sandbox_dies_on_is_quarantined_at_the_third_time(
    sessions: Sessions, add: Add
) -> None:
    add()
    now = 0.0
    for wait in (5, 60):
        (lease,) = claim(sessions, now=now)
        assert fail(sessions, lease, CRASH, blame=True, now=now) == "pending"
        assert claim(sessions, now=now + wait - 1) == []
        now += wait
    (lease,) = claim(sessions, now=now)
    assert fail(sessions, lease, CRASH, blame=True, now=now) == "quarantined"
    page = row(sessions, lease)
    assert (page.blamed, page.failures, page.lease_losses) == (3, 0, 0)
    assert outcomes(sessions) == ["blamed"] * 3


def test_an_error_that_stays_ends_too(sessions: Sessions, add: Add) -> None:
    add()
    states = []
    for now in range(0, 500, 100):
        (lease,) = claim(sessions, now=now)
        states.append(fail(sessions, lease, AWAY, now=now))
    assert states == ["pending"] * 4 + ["quarantined"]
    assert row(sessions, lease).blamed == 0


def test_success_forgives(sessions: Sessions, add: Add, make_page: MakePage) -> None:
    add()
    (lease,) = claim(sessions)
    fail(sessions, lease, CRASH, blame=True)
    (lease,) = claim(sessions, now=10)
    with sessions.begin() as session:
        ledger.finish(session, lease, make_page("x"))
    page = row(sessions, lease)
    assert (page.blamed, page.error_code, page.error_message) == (0, None, None)


def test_faults_of_the_environment_count_for_nothing(sessions: Sessions, add: Add) -> None:
    add()
    for now in range(50):
        (lease,) = claim(sessions, now=now)
        with sessions.begin() as session:
            ledger.release(session, lease, now=at(now))
    page = row(sessions, lease)
    assert (page.state, page.blamed, page.failures, page.lease_losses) == ("pending", 0, 0, 0)
    assert outcomes(sessions) == ["released"] * 50


def test_a_released_page_can_wait(sessions: Sessions, add: Add) -> None:
    add()
    (lease,) = claim(sessions)
    with sessions.begin() as session:
        ledger.release(session, lease, wait_seconds=30, now=at(0))
    assert claim(sessions, now=29) == []
    assert len(claim(sessions, now=30)) == 1


def lose(sessions: Sessions, times: int) -> Lease:
    """Claim the only page and let its worker vanish, so many times, an hour apart."""
    for number in range(times):
        (lease,) = claim(sessions, now=3600 * number)
        assert reap(sessions, now=3600 * number + 61) == 1
    return lease


def test_a_page_whose_workers_vanish_is_quarantined_at_the_eighth_time(
    sessions: Sessions, add: Add
) -> None:
    add()
    lease = lose(sessions, 7)
    assert (row(sessions, lease).state, row(sessions, lease).blamed) == ("pending", 0)
    (lease,) = claim(sessions, now=1e6)
    assert reap(sessions, now=1e6 + 61) == 1
    page = row(sessions, lease)
    assert (page.state, page.error_code, page.lease_losses) == ("quarantined", "lease_lost", 8)
    assert state(sessions) == "partial"


def test_waits_after_lost_leases_double_up_to_a_minute(sessions: Sessions, add: Add) -> None:
    add()
    waits = []
    for number in range(7):
        (lease,) = claim(sessions, now=1000 * number)
        reap(sessions, now=1000 * number + 61)
        waits.append((row(sessions, lease).due_at - at(1000 * number + 61)).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 60]


def test_a_suspect_is_read_last_alone_and_one_at_a_time(sessions: Sessions, add: Add) -> None:
    add("suspects.pdf", 2)
    for number in range(3):
        claim(sessions, 2, now=3600 * number)
        reap(sessions, now=3600 * number + 61)
    add("innocent.pdf", 3)
    later = 1e5
    assert [lease.suspect for lease in claim(sessions, 9, now=later)] == [False] * 3
    (suspect,) = claim(sessions, 9, now=later)
    assert suspect.suspect
    assert claim(sessions, 9, now=later, worker="other") == []
    with sessions.begin() as session:
        ledger.release(session, suspect, wait_seconds=99, now=at(later))
    assert len(claim(sessions, 9, now=later, worker="other")) == 1


def test_the_pages_of_a_worker_known_dead_need_not_wait_for_their_lease(
    sessions: Sessions, add: Add
) -> None:
    add("a.pdf", 2)
    (lost,) = claim(sessions, worker="dead")
    (kept,) = claim(sessions, worker="alive")
    with sessions() as session:
        assert ledger.lease_owners(session) == {"dead", "alive"}
    assert reap(sessions, now=1, dead=["dead", "unknown"]) == 1
    assert row(sessions, lost).state == "pending"
    assert row(sessions, kept).state == "leased"


def test_released_from_quarantine_a_page_starts_anew(
    sessions: Sessions, add: Add, make_page: MakePage
) -> None:
    document = add("a.pdf", 2)
    other = add("b.pdf", 1)
    for lease in claim(sessions, 3):
        fail(sessions, lease, DAMAGED, blame=True)
    with sessions.begin() as session:
        assert ledger.requeue(session, document_id=document, page_no=2, now=at(0)) == 1
        assert ledger.requeue(session, document_id=other, page_no=2) == 0
    (lease,) = claim(sessions, 9)
    assert (lease.document_id, lease.page_no, lease.blamed) == (document, 2, 0)
    with sessions.begin() as session:
        ledger.finish(session, lease, make_page("x"))
    with sessions() as session:
        rows = session.execute(
            text(
                "SELECT state, page_count, pages_done, pages_quarantined, error_code "
                "FROM v_documents ORDER BY document_id"
            )
        )
        assert rows.all() == [
            ("partial", 2, 1, 1, "page_damaged"),
            ("partial", 1, 0, 1, "page_damaged"),
        ]
    with sessions.begin() as session:
        assert ledger.requeue(session, now=at(0)) == 2
    assert len(claim(sessions, 9)) == 2


def test_work_left_counts_what_is_not_at_rest(
    sessions: Sessions, add: Add, make_page: MakePage
) -> None:
    add("a.pdf", 4)
    add("b.pdf", 1, queue="gpu")
    done, later, held = claim(sessions, 3)
    with sessions.begin() as session:
        ledger.finish(session, done, make_page("x"))
    fail(sessions, later, AWAY)
    with sessions() as session:
        left = ledger.work_left(session, now=at(1))
        assert (left.pending_due, left.pending_later, left.leased) == (2, 1, 1)
        assert (left.next_due, left.next_expiry) == (at(5), held.until)
        assert ledger.work_left(session, "gpu", now=at(1)).total == 1


def test_a_line_is_stored_as_it_was_read_but_for_rounding(
    sessions: Sessions, add: Add, make_page: MakePage
) -> None:
    quad = ((1.234, 2.0), (50.5, 3.21), (50.0, 22.19), (0.5, 21.0))
    word = Word("bad \0 byte \ud800", quad, 0.98765)
    line = TextLine("a\0b", quad, 0.55558, (word,), "text_layer", 7)
    document = add()
    (lease,) = claim(sessions)
    with sessions.begin() as session:
        ledger.finish(session, lease, replace(make_page(), lines=[line]))
    with sessions() as session:
        (page,) = stream_pages(session, document)
    (stored,) = page.lines
    assert stored.text == "a\ufffdb"
    assert stored.words[0].text == "bad \ufffd byte \ufffd"
    assert stored.quad == ((1.2, 2.0), (50.5, 3.2), (50.0, 22.2), (0.5, 21.0))
    assert stored.words[0].quad == stored.quad
    assert (stored.confidence, stored.source, stored.block_no) == (0.5556, "text_layer", 7)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_queue_is_served_by_its_indexes(engine: Engine, sessions: Sessions, add: Add) -> None:
    add("a.pdf", 3)
    plans: list[str] = []

    def explain(connection: object, cursor: object, sql: str, values: Any, *_: object) -> None:
        if sql.startswith(("WITH chosen", "UPDATE pages", "SELECT pages")):
            explained = engine.raw_connection()
            rows = explained.cursor().execute("EXPLAIN QUERY PLAN " + sql, values)
            plans.extend(row[3] for row in rows)
            explained.close()

    event.listen(engine, "before_cursor_execute", explain)
    leases = claim(sessions, 2)
    with sessions.begin() as session:
        ledger.heartbeat(session, leases, 60)
        ledger.reap(session)
        ledger.requeue(session)
    scans = [plan for plan in plans if plan.startswith(("SCAN pages", "USE TEMP"))]
    assert any("ix_pages_waiting" in plan for plan in plans)
    assert all("ix_pages_leases" in plan or "ix_pages_quarantined" in plan for plan in scans)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_claims_in_the_order_of_its_index(
    engine: Engine, sessions: Sessions, add: Add
) -> None:
    add("a.pdf", 300)
    plans: list[str] = []

    def explain(connection: Any, cursor: object, sql: str, values: Any, *_: object) -> None:
        if sql.startswith("WITH chosen"):
            with connection.connection.driver_connection.cursor() as explained:
                explained.execute("ANALYZE pages")
                explained.execute("EXPLAIN " + sql, values)
                plans.append("\n".join(row[0] for row in explained))

    event.listen(engine, "before_cursor_execute", explain)
    claim(sessions, 2)
    (plan,) = plans
    assert "LockRows" in plan
    assert "Index Scan using ix_pages_waiting" in plan
    assert "Sort" not in plan
