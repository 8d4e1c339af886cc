"""The ledger against a model of it, step by step, in every order hypothesis can think of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import RowMapping, event, text
from sqlalchemy.orm import Session

from ocr_core.page import TextLine, quad_of
from storage import ledger
from storage.database import open_database, session_factory
from storage.documents import SourceRef, add_document, settle
from storage.errors import ErrorInfo, LeaseLost
from storage.leases import Lease
from storage.results import SavedPage
from storage.schema import LANES, Base

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NO_SYNC = "PRAGMA synchronous = OFF"
WORKERS = ("ada", "ben", "cyd")


@dataclass(frozen=True)
class PageNo:
    page_no: int


@dataclass
class Expected:
    """What a page should look like."""

    state: str = "pending"
    token: int = 0
    owner: str | None = None
    until: datetime | None = None
    due: datetime = LONG_AGO
    failures: int = 0
    blamed: int = 0
    losses: int = 0
    written: str | None = None
    ended: list[str] = field(default_factory=list)
    """Outcomes of its leases, without what came too late."""

    @property
    def suspect(self) -> bool:
        return self.losses >= 3

    def free(self, state: str, outcome: str) -> None:
        self.state, self.owner, self.until = state, None, None
        self.ended.append(outcome)


class LedgerMachine(RuleBasedStateMachine):
    url: str
    intact: Callable[[Session], None]

    def __init__(self) -> None:
        super().__init__()
        self.engine = open_database(self.url)
        if self.engine.dialect.name == "sqlite":
            # Nothing is killed here, and a hundred thousand syncs take long.
            event.listen(self.engine, "connect", lambda raw, _: raw.execute(NO_SYNC))
        self.sessions = session_factory(self.engine)
        self.looking = open_database(self.url, readonly=True)
        with self.sessions.begin() as session:  # what the example before has left
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.pages: dict[tuple[int, int], Expected] = {}
        self.given: list[Lease] = []

    def teardown(self) -> None:
        with self.sessions.begin() as session:
            type(self).intact(session)
        self.looking.dispose()
        self.engine.dispose()

    def rows(self, question: str) -> Sequence[RowMapping]:
        with self.looking.connect() as connection:
            return connection.execute(text(question)).mappings().all()

    def expected(self, lease: Lease) -> Expected:
        return self.pages[lease.document_id, lease.page_no]

    def pick(self, data: st.DataObject) -> Lease:
        """A lease that holds, or one of the last that do not."""
        held = [lease for lease in self.given if self.holds(lease)]
        stale = [lease for lease in self.given if not self.holds(lease)]
        return data.draw(st.sampled_from(held + stale[-3:]))

    def holds(self, lease: Lease) -> bool:
        page = self.expected(lease)
        return page.state == "leased" and page.token == lease.token

    @rule(content=st.sampled_from("ab"), count=st.integers(1, 3), lane=st.sampled_from(LANES))
    def take_in(self, content: str, count: int, lane: str) -> None:
        with self.sessions.begin() as session:
            document = add_document(
                session,
                sha256=content * 64,
                size=1,
                media_type="image/png",
                source=SourceRef(f"file:///{content}", content, "1"),
                pages=[PageNo(number) for number in range(1, count + 1)],
                file_pages=4,
                lane=lane,
                now=self.now,
            )
        for number in range(1, count + 1):
            self.pages.setdefault((document, number), Expected(due=self.now))

    @rule(
        worker=st.sampled_from(WORKERS),
        limit=st.integers(1, 4),
        seconds=st.sampled_from([1, 30, 600]),
    )
    def claim(self, worker: str, limit: int, seconds: int) -> None:
        with self.sessions.begin() as session:
            got = ledger.claim(
                session, worker=worker, limit=limit, lease_seconds=seconds, now=self.now
            )
        due = [p for p in self.pages.values() if p.state == "pending" and p.due <= self.now]
        plain = [page for page in due if not page.suspect]
        busy = any(page.suspect and page.state == "leased" for page in self.pages.values())
        alone = 1 if due and not plain and not busy else 0
        assert len(got) == (min(limit, len(plain)) if plain else alone)
        for lease in got:
            page = self.expected(lease)
            assert page in due
            assert lease.suspect == page.suspect
            assert not (page.suspect and (plain or busy))
            assert lease.token == page.token + 1
            page.state, page.owner, page.token = "leased", worker, lease.token
            page.until = self.now + timedelta(seconds=seconds)
        self.given += got

    @precondition(lambda self: self.given)
    @rule(data=st.data(), seconds=st.sampled_from([1, 60]))
    def beat(self, data: st.DataObject, seconds: int) -> None:
        lease = self.pick(data)
        with self.sessions.begin() as session:
            held = ledger.heartbeat(session, [lease], seconds, now=self.now)
        assert held == ({lease.page_id} if self.holds(lease) else set())
        if held:
            self.expected(lease).until = self.now + timedelta(seconds=seconds)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), crash=st.booleans())
    def finish(self, data: st.DataObject, crash: bool) -> None:
        """Finish, valid or stale; with `crash` the worker is gone before it can commit."""
        lease = self.pick(data)
        words = f"page {lease.page_no} by {lease.worker} token {lease.token}"
        line = TextLine(words, quad_of((0, 0, 10, 10)), 0.5)
        saved = SavedPage(width=9, height=9, dpi=200, text_source="ocr", lines=[line])
        session = self.sessions()
        try:
            ledger.finish(session, lease, saved, now=self.now)
            assert self.holds(lease)
            if not crash:
                session.commit()
                page = self.expected(lease)
                page.free("done", "ok")
                page.written, page.failures, page.blamed = words, 0, 0
        except LeaseLost:
            assert not self.holds(lease)
            session.rollback()
            ledger.note_fenced(session, lease, now=self.now)
            session.commit()
        finally:
            session.close()

    @precondition(lambda self: self.given)
    @rule(data=st.data(), blame=st.booleans(), retryable=st.booleans())
    def fail(self, data: st.DataObject, blame: bool, retryable: bool) -> None:
        lease = self.pick(data)
        error = ErrorInfo("page_damaged", "It is damaged.", "", retryable)
        try:
            with self.sessions.begin() as session:
                state = ledger.fail(session, lease, error, blame=blame, now=self.now)
        except LeaseLost:
            assert not self.holds(lease)
            return
        assert self.holds(lease)
        page = self.expected(lease)
        page.blamed, page.failures = page.blamed + blame, page.failures + (not blame)
        hopeless = not retryable or page.blamed == 3 or page.failures == 5
        assert state == ("quarantined" if hopeless else "pending")
        page.free(state, "blamed" if blame else "error")
        page.due = self.now + timedelta(seconds=5 if page.blamed + page.failures == 1 else 60)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = self.pick(data)
        try:
            with self.sessions.begin() as session:
                ledger.release(session, lease, now=self.now)
        except LeaseLost:
            assert not self.holds(lease)
            return
        assert self.holds(lease)
        page = self.expected(lease)
        page.free("pending", "released")
        page.due = self.now

    @rule(seconds=st.sampled_from([0.5, 2, 40, 700]))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(dead=st.sets(st.sampled_from(WORKERS), max_size=1))
    def reap(self, dead: set[str]) -> None:
        with self.sessions.begin() as session:
            count = ledger.reap(session, dead_workers=dead, now=self.now)
        lost = [
            page
            for page in self.pages.values()
            if page.state == "leased"
            and ((page.until is not None and page.until < self.now) or page.owner in dead)
        ]
        assert count == len(lost)
        for page in lost:
            page.losses += 1
            page.free("quarantined" if page.losses == 8 else "pending", "lease_lost")
            page.due = self.now + timedelta(seconds=min(2 ** (page.losses - 1), 60))

    @rule(times=st.integers(1, 12))
    def lose_again_and_again(self, times: int) -> None:
        """Bring pages to the edge: whoever claims them vanishes."""
        for _ in range(times):
            self.pass_time(700)
            self.claim("ada", 4, 1)
            self.pass_time(2)
            self.reap(set())

    @rule(document=st.none() | st.integers(0, 1), page_no=st.none() | st.integers(1, 4))
    def requeue(self, document: int | None, page_no: int | None) -> None:
        known = sorted({of_document for of_document, _ in self.pages})
        if document is not None:
            document = known[document] if document < len(known) else 0
        with self.sessions.begin() as session:
            count = ledger.requeue(session, document_id=document, page_no=page_no, now=self.now)
        freed = [
            page
            for (of_document, number), page in self.pages.items()
            if page.state == "quarantined"
            and document in (None, of_document)
            and page_no in (None, number)
        ]
        assert count == len(freed)
        for page in freed:
            page.state, page.due = "pending", self.now
            page.failures = page.blamed = page.losses = 0

    @rule()
    def sweep(self) -> None:
        with self.sessions.begin() as session:
            assert settle(session, now=self.now) == 0  # every change has settled its documents

    @invariant()
    def pages_are_as_expected(self) -> None:
        rows = self.rows("SELECT * FROM pages")
        assert {(row["document_id"], row["page_no"]) for row in rows} == self.pages.keys()
        for row in rows:
            page = self.pages[row["document_id"], row["page_no"]]
            assert (row["state"], row["lease_token"]) == (page.state, page.token)
            assert (row["lease_owner"] is None) == (page.state != "leased")
            assert (row["lease_until"] is None) == (page.state != "leased")
            assert (row["failures"], row["blamed"]) == (page.failures, page.blamed)
            assert row["blamed"] <= 3
            assert row["lease_losses"] == page.losses <= 8
            assert bool(row["suspect"]) == (page.suspect and page.state != "done")
            assert row["attempts"] == page.token

    @invariant()
    def every_lease_that_ended_is_one_attempt(self) -> None:
        ended: dict[tuple[int, int], list[str]] = {}
        for row in self.rows(
            "SELECT p.document_id, p.page_no, a.outcome FROM attempts a "
            "JOIN pages p ON p.id = a.page_id WHERE a.outcome <> 'fenced' ORDER BY a.id"
        ):
            ended.setdefault((row["document_id"], row["page_no"]), []).append(row["outcome"])
        assert ended == {key: page.ended for key, page in self.pages.items() if page.ended}
        assert all(page.ended.count("ok") == (page.state == "done") for page in self.pages.values())

    @invariant()
    def the_text_is_that_of_the_lease_that_finished(self) -> None:
        rows = self.rows("SELECT document_id, page_no, text FROM v_lines")
        written = {key: page.written for key, page in self.pages.items() if page.written}
        found = {(row["document_id"], row["page_no"]): row["text"] for row in rows}
        assert found == written
        assert len(rows) == len(written)

    @invariant()
    def documents_follow_from_their_pages(self) -> None:
        for row in self.rows("SELECT * FROM v_documents"):
            states = [
                page.state for key, page in self.pages.items() if key[0] == row["document_id"]
            ]
            open_pages = {"pending", "leased"} & set(states)
            at_rest = "partial" if "quarantined" in states else "done"
            assert row["state"] == ("reading" if open_pages else at_rest)
            assert row["page_count"] == len(states)
            assert (row["finished_at"] is None) == bool(open_pages)
            if not open_pages:
                assert row["page_count"] == row["pages_done"] + row["pages_quarantined"]


@pytest.mark.timeout(600)
def test_the_ledger_behaves_like_its_model(url: str, intact: Callable[[Session], None]) -> None:
    LedgerMachine.url, LedgerMachine.intact = url, intact
    LedgerMachine.TestCase.settings = settings(
        max_examples=60 if url.startswith("sqlite") else 20,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    LedgerMachine.TestCase().runTest()
