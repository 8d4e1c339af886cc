"""The page ledger: the database is the queue of record.

    pending ──claim──► leased ──finish──► done
       ▲                 │ ├──fail───────► pending again, later  | quarantined
       │                 │ ├──release────► pending
       │                 │ └──reap───────► pending               | quarantined
       └──────────────── requeue ◄──────── quarantined

Every change of a page is one function here and one statement in it. A lease carries a fencing
token that grows with every claim; whoever shows an old one changes nothing (LeaseLost). The
counters: `blamed` grows only with proof against the page (the sandbox died on it), `lease_losses`
when the worker vanished while holding it, `failures` when the page itself was refused for a reason
that time may cure. Faults of the environment (disk full, model missing) count as none: `release`.

Whoever opens the session commits it: one short transaction per call, no reading inside.
`now` is for tests; by default it is the present, by the clock of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from storage.among import among
from storage.documents import latest_source, settle
from storage.errors import ErrorInfo, LeaseLost
from storage.leases import (
    BLAMED_LIMIT,
    FAILURES_LIMIT,
    LEASE_LOST,
    LONGEST_LOSS_SECONDS,
    LOSSES_LIMIT,
    RETRY_SECONDS,
    SUSPECT_LOSSES,
)
from storage.leases import Lease as Lease
from storage.leases import WorkLeft as WorkLeft
from storage.locks import alone
from storage.results import SavedPage as SavedPage
from storage.results import prepare, replace_lines, storable
from storage.schema import LANES, Attempt, Document, Page, at, table_of
from storage.times import UtcTime, present

_PAGES = table_of(Page)
_PAGE = _PAGES.c


def claim(
    session: Session,
    *,
    worker: str,
    queue: str = "cpu",
    lanes: Sequence[str] = LANES,
    limit: int = 1,
    lease_seconds: float = 60.0,
    now: datetime | None = None,
) -> list[Lease]:
    """Lease up to `limit` due pages: by lane, then in runs of 16 pages a document.

    A suspect page comes only when no other is due, alone, and not while another suspect is being
    read anywhere. An empty list means that nothing is due, or that somebody else was faster.
    """
    moment = now or present(session)
    values = {
        "moment": moment,
        "until": moment + timedelta(seconds=lease_seconds),
        "worker": worker,
        "from_queue": queue,
        "lanes": [LANES.index(lane) for lane in lanes],
    }
    rows: Sequence[Any] = session.execute(_claiming(), {**values, "most": limit}).all()
    if not rows and session.scalar(_suspect_due(), values):
        alone(session, "suspect")  # so that two claimers cannot each see no other
        rows = session.execute(_claiming(suspects=True), {**values, "most": 1}).all()
    # RETURNING promises no order.
    rows = sorted(rows, key=lambda row: (row.lane, row.sched_rank, row.document_id, row.page_no))
    return _leases(session, rows, worker)


def heartbeat(
    session: Session, leases: Iterable[Lease], lease_seconds: float, *, now: datetime | None = None
) -> set[int]:
    """Prolong leases; returns the page ids still held. Stop working on the others."""
    held = [(lease.page_id, lease.token) for lease in leases]
    if not held:
        return set()
    until = (now or present(session)) + timedelta(seconds=lease_seconds)
    beat = (
        update(_PAGES)
        .where(at(_PAGE.state, "leased"), tuple_(_PAGE.id, _PAGE.lease_token).in_(held))
        .values(lease_until=until)
        .returning(_PAGE.id)
    )
    return set(session.scalars(beat))


def finish(
    session: Session, lease: Lease, saved: SavedPage, *, now: datetime | None = None
) -> None:
    """Store a read page and make it done; raises LeaseLost, having stored nothing.

    The fence is the first statement: it checks the token and locks the row, so that a worker
    back from the dead can neither replace a newer result nor interleave with its writing.
    """
    moment = now or present(session)
    page = prepare(lease.page_id, saved)
    _fence(
        session,
        lease,
        state="done",
        finished_at=moment,
        failures=0,
        blamed=0,
        suspect=False,
        **_NO_ERROR,
        **page.columns,
    )
    replace_lines(session, page)
    _note(session, lease, "ok", moment, seconds=saved.seconds)
    settle(session, [lease.document_id], now=moment)


def fail(
    session: Session, lease: Lease, error: ErrorInfo, *, blame: bool, now: datetime | None = None
) -> str:
    """Give a page back with an error; returns its new state, `pending` or `quarantined`.

    `blame` says that the sandbox died on the page. Errors that time cannot cure quarantine at
    once, blame at the third time, other errors at the fifth. Raises LeaseLost.
    """
    moment = now or present(session)
    blamed = lease.blamed + blame
    failures = lease.failures + (not blame)
    hopeless = not error.retryable or blamed >= BLAMED_LIMIT or failures >= FAILURES_LIMIT
    state = "quarantined" if hopeless else "pending"
    wait = RETRY_SECONDS[min(blamed + failures, len(RETRY_SECONDS)) - 1]
    _fence(
        session,
        lease,
        state=state,
        due_at=moment + timedelta(seconds=wait),
        finished_at=moment if hopeless else None,
        blamed=blamed,
        failures=failures,
        **_error(error),
    )
    _note(session, lease, "blamed" if blame else "error", moment, error=error)
    settle(session, [lease.document_id], now=moment)
    return state


def release(
    session: Session, lease: Lease, *, wait_seconds: float = 0.0, now: datetime | None = None
) -> None:
    """Give a page back unread for a reason that is not the page's; nothing is counted.

    Raises LeaseLost.
    """
    moment = now or present(session)
    _fence(session, lease, state="pending", due_at=moment + timedelta(seconds=wait_seconds))
    _note(session, lease, "released", moment)


def note_fenced(session: Session, lease: Lease, *, now: datetime | None = None) -> None:
    """Write down that `finish` came too late; call it in a transaction after LeaseLost."""
    _note(session, lease, "fenced", now or present(session))


def reap(
    session: Session, *, dead_workers: Collection[str] = (), now: datetime | None = None
) -> int:
    """Take back leases that ended, or whose worker is known to be dead; returns how many.

    Their pages wait again (see LONGEST_LOSS_SECONDS), are suspect from the third loss and
    quarantined at the eighth.
    """
    moment = now or present(session)
    ended = (
        select(_PAGE.id, _PAGE.document_id, _PAGE.lease_token, _PAGE.lease_owner, _PAGE.leased_at)
        .where(at(_PAGE.state, "leased"))
        .where((_PAGE.lease_until < moment) | _PAGE.lease_owner.in_(list(dead_workers)))
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(ended).all()
    if not rows:
        return 0
    session.execute(
        update(_PAGES)
        .where(among(_PAGE.id, [row.id for row in rows]), at(_PAGE.state, "leased"))
        .values(**_lost(moment))
    )
    session.execute(
        table_of(Attempt).insert(),
        [
            {
                "page_id": row.id,
                "token": row.lease_token,
                "worker": row.lease_owner,
                "started_at": row.leased_at,
                "finished_at": moment,
                "outcome": "lease_lost",
            }
            for row in rows
        ],
    )
    settle(session, {row.document_id for row in rows}, now=moment)
    return len(rows)


def requeue(
    session: Session,
    *,
    document_id: int | None = None,
    page_no: int | None = None,
    now: datetime | None = None,
) -> int:
    """Let quarantined pages wait again with clean counters; returns how many.

    All of them, those of a document, or one page. Pages that are done stay done.
    """
    moment = now or present(session)
    chosen = [at(_PAGE.state, "quarantined")]
    if document_id is not None:
        chosen.append(_PAGE.document_id == document_id)
    if page_no is not None:
        chosen.append(_PAGE.page_no == page_no)
    freed = session.scalars(
        update(_PAGES)
        .where(*chosen)
        .values(
            state="pending",
            due_at=moment,
            finished_at=None,
            **dict.fromkeys(("failures", "blamed", "lease_losses"), 0),
            suspect=False,
            **_NO_ERROR,
        )
        .returning(_PAGE.document_id)
    ).all()
    documents = table_of(Document)
    session.execute(
        update(documents)
        .where(among(documents.c.id, set(freed)))
        .values(state="reading", finished_at=None)
    )
    return len(freed)


def work_left(
    session: Session, queue: str | None = None, *, now: datetime | None = None
) -> WorkLeft:
    """Count the pages that are not at rest, of one queue or of all."""
    moment = now or present(session)
    waiting = at(_PAGE.state, "pending")
    due = waiting & (_PAGE.due_at <= moment)
    later = waiting & (_PAGE.due_at > moment)
    leased = at(_PAGE.state, "leased")
    counts = select(
        func.count().filter(due),
        func.count().filter(later),
        func.count().filter(leased),
        func.min(_PAGE.due_at).filter(later),
        func.min(_PAGE.lease_until).filter(leased),
    ).where(at(_PAGE.state, "pending", "leased"))
    if queue is not None:
        counts = counts.where(_PAGE.queue == queue)
    return WorkLeft(*session.execute(counts).one())


def lease_owners(session: Session) -> set[str]:
    """Return the workers that hold leases, be they alive or not (see `reap`)."""
    return set(session.scalars(select(_PAGE.lease_owner).where(at(_PAGE.state, "leased"))))


_OF_A_LEASE = (
    *("id", "document_id", "page_no", "lane", "sched_rank", "lease_token", "leased_at"),
    *("lease_until", "attempts", "failures", "blamed", "lease_losses", "suspect"),
)
_TIME = UtcTime()
_NO_LEASE: dict[str, Any] = {"lease_owner": None, "leased_at": None, "lease_until": None}
_NO_ERROR: dict[str, Any] = dict.fromkeys(
    ("error_code", "error_message", "error_advice", "error_retryable")
)


@cache
def _claiming(*, suspects: bool = False) -> ReturningUpdate[Any]:
    """The statement of `claim`, built once.

    The pages are chosen once and for all (MATERIALIZED): a plan that looked twice would skip what
    it has locked itself and lease more than the limit.
    """
    other = _PAGES.alias("other")
    chosen = (
        select(_PAGE.id)
        .where(*_due(suspects=suspects))
        .order_by(_PAGE.lane, _PAGE.sched_rank, _PAGE.document_id, _PAGE.page_no)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )
    if suspects:
        chosen = chosen.where(~exists().where(at(other.c.state, "leased"), other.c.suspect))
    return (
        update(_PAGES)
        .where(_PAGE.id.in_(select(chosen.cte("chosen").prefix_with("MATERIALIZED").c.id)))
        .values(
            state="leased",
            attempts=_PAGE.attempts + 1,
            lease_token=_PAGE.lease_token + 1,
            lease_owner=bindparam("worker"),
            leased_at=bindparam("moment"),
            lease_until=bindparam("until"),
        )
        .returning(*(_PAGE[name] for name in _OF_A_LEASE))
    )


@cache
def _suspect_due() -> Select[Any]:
    return select(exists().where(*_due(suspects=True)))


def _due(*, suspects: bool) -> list[ColumnElement[bool]]:
    return [
        at(_PAGE.state, "pending"),
        _PAGE.queue == bindparam("from_queue"),
        _PAGE.suspect == (true() if suspects else false()),
        _PAGE.lane.in_(bindparam("lanes", expanding=True)),
        _PAGE.due_at <= bindparam("moment"),
    ]


def _leases(session: Session, rows: Sequence[Any], worker: str) -> list[Lease]:
    places = latest_source(session, {row.document_id for row in rows})
    return [
        Lease(
            page_id=row.id,
            document_id=row.document_id,
            page_no=row.page_no,
            sha256=places[row.document_id].sha256,
            media_type=places[row.document_id].media_type,
            uri=places[row.document_id].uri,
            key=places[row.document_id].key,
            version=places[row.document_id].version,
            token=row.lease_token,
            worker=worker,
            attempts=row.attempts,
            failures=row.failures,
            blamed=row.blamed,
            lease_losses=row.lease_losses,
            suspect=row.suspect,
            since=row.leased_at,
            until=row.lease_until,
        )
        for row in rows
    ]


def _fence(session: Session, lease: Lease, **values: Any) -> None:
    changed = session.execute(
        update(_PAGES)
        .where(_PAGE.id == lease.page_id, _PAGE.lease_token == lease.token)
        .where(at(_PAGE.state, "leased"))
        .values(**values, **_NO_LEASE)
    )
    if cast("CursorResult[Any]", changed).rowcount != 1:
        raise LeaseLost(f"(page {lease.page_no} of document {lease.document_id})")


def _lost(moment: datetime) -> dict[str, Any]:
    losses = _PAGE.lease_losses + 1
    hopeless = losses >= LOSSES_LIMIT
    waits = {
        before: literal(moment + timedelta(seconds=min(2.0**before, LONGEST_LOSS_SECONDS)), _TIME)
        for before in range(LOSSES_LIMIT)
    }
    quarantined = {"finished_at": literal(moment, _TIME), **_error(LEASE_LOST)}
    return {
        "state": case((hopeless, "quarantined"), else_="pending"),
        "lease_losses": losses,
        "suspect": losses >= SUSPECT_LOSSES,
        "due_at": case(waits, value=_PAGE.lease_losses, else_=waits[LOSSES_LIMIT - 1]),
        **{
            column: case((hopeless, value), else_=_PAGE[column])
            for column, value in quarantined.items()
        },
        **_NO_LEASE,
    }


def _error(error: ErrorInfo) -> dict[str, Any]:
    return {
        "error_code": error.code,
        "error_message": storable(error.message),
        "error_advice": storable(error.advice),
        "error_retryable": error.retryable,
    }


def _note(
    session: Session,
    lease: Lease,
    outcome: str,
    moment: datetime,
    *,
    seconds: float | None = None,
    error: ErrorInfo | None = None,
) -> None:
    session.execute(
        table_of(Attempt)
        .insert()
        .values(
            page_id=lease.page_id,
            token=lease.token,
            worker=lease.worker,
            started_at=lease.since,
            finished_at=moment,
            outcome=outcome,
            error_code=error.code if error else None,
            error_message=storable(error.message) if error else None,
            seconds=seconds,
        )
    )
