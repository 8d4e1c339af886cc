"""Questions about the queue that stay cheap however many pages wait."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.schema import Page
from storage.times import utc_now


def due_pages(session: Session, queue: str, most: int) -> int:
    """How many pages of a queue could be claimed now, counting no further than `most`."""
    due = select(Page.id).where(
        Page.state == "pending", Page.queue == queue, Page.due_at <= utc_now()
    )
    counted = due.limit(most).subquery()
    return session.scalar(select(func.count()).select_from(counted)) or 0


def seconds_to_next(session: Session, queue: str) -> float | None:
    """When the first page of a queue may be claimed, from now; 0 if one may be, None if none waits.

    Asked when nothing is due, so that only the few pages that wait for another try are looked at.
    """
    first = session.scalar(
        select(func.min(Page.due_at)).where(Page.state == "pending", Page.queue == queue)
    )
    return None if first is None else max(0.0, (first - utc_now()).total_seconds())


def lease_owners(session: Session) -> dict[str, datetime]:
    """The workers that hold pages, and when the first lease of each ends."""
    rows = session.execute(
        select(Page.lease_owner, func.min(Page.lease_until))
        .where(Page.state == "leased")
        .group_by(Page.lease_owner)
    )
    return {owner: until for owner, until in rows if owner is not None and until is not None}
