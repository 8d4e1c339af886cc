"""Questions about the queue that stay cheap however many pages wait.

They are asked again and again, so the statements are built once.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from storage.schema import Page
from storage.times import utc_now

_QUEUED = (Page.state == "pending", Page.queue == bindparam("queue"))
_DUE = select(Page.id).where(*_QUEUED, Page.due_at <= bindparam("now")).limit(bindparam("most"))
_COUNT_DUE = select(func.count()).select_from(_DUE.subquery())
_FIRST = select(func.min(Page.due_at)).where(*_QUEUED)
_OWNERS = (
    select(Page.lease_owner, func.min(Page.lease_until))
    .where(Page.state == "leased")
    .group_by(Page.lease_owner)
)


def due_pages(session: Session, queue: str, most: int) -> int:
    """How many pages of a queue could be claimed now, counting no further than `most`."""
    values = {"queue": queue, "now": utc_now(), "most": most}
    return session.scalar(_COUNT_DUE, values) or 0


def seconds_to_next(session: Session, queue: str) -> float | None:
    """When the first page of a queue may be claimed, from now; 0 if one may be, None if none waits.

    Asked when nothing is due, so that only the few pages that wait for another try are looked at.
    """
    first = session.scalar(_FIRST, {"queue": queue})
    return None if first is None else max(0.0, (first - utc_now()).total_seconds())


def lease_owners(session: Session) -> dict[str, datetime]:
    """The workers that hold pages, and when the first lease of each ends."""
    rows = session.execute(_OWNERS)
    return {owner: until for owner, until in rows if owner is not None and until is not None}
