"""Parts that one process at a time plays, such as the dispatcher: a lease on a name."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from storage.schema import Leader
from storage.times import utc_now


def lead(
    session: Session, role: str, owner: str, *, seconds: float, now: datetime | None = None
) -> bool:
    """Take or prolong a part for so many seconds; False if another owner holds it."""
    moment = now or utc_now()
    until = moment + timedelta(seconds=seconds)
    if session.scalar(select(Leader.role).where(Leader.role == role)) is None:
        session.add(Leader(role=role, owner=owner, until=until))
        session.flush()
        return True
    taken = (
        update(Leader)
        .where(Leader.role == role, or_(Leader.owner == owner, Leader.until <= moment))
        .values(owner=owner, until=until)
        .returning(Leader.role)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(taken) is not None


def step_down(session: Session, role: str, owner: str, *, now: datetime | None = None) -> None:
    """Leave a part to whoever asks next."""
    session.execute(
        update(Leader)
        .where(Leader.role == role, Leader.owner == owner)
        .values(until=now or utc_now())
        .execution_options(synchronize_session=False)
    )
