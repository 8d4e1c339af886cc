"""Parts that one process at a time plays, such as the dispatcher: a lease on a name."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from storage.locks import alone
from storage.schema import Leader
from storage.times import present


def lead(
    session: Session, role: str, owner: str, *, seconds: float, now: datetime | None = None
) -> bool:
    """Take or prolong a part for so many seconds; False if another owner holds it."""
    moment = now or present(session)
    until = moment + timedelta(seconds=seconds)
    if not _is_known(session, role):
        alone(session, f"leader {role}")
        if not _is_known(session, role):
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
        .values(until=now or present(session))
        .execution_options(synchronize_session=False)
    )


def _is_known(session: Session, role: str) -> bool:
    return session.scalar(select(Leader.role).where(Leader.role == role)) is not None
