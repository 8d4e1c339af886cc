from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from storage.leaders import lead, step_down

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_one_at_a_time_leads(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        assert lead(session, "dispatcher", "one", seconds=10, now=NOW)
        assert not lead(session, "dispatcher", "two", seconds=10, now=NOW)
        assert lead(session, "reaper", "two", seconds=10, now=NOW)
        later = NOW + timedelta(seconds=8)
        assert lead(session, "dispatcher", "one", seconds=10, now=later)
        assert not lead(session, "dispatcher", "two", seconds=10, now=NOW + timedelta(seconds=17))
        assert lead(session, "dispatcher", "two", seconds=10, now=NOW + timedelta(seconds=18))
        assert not lead(session, "dispatcher", "one", seconds=10, now=NOW + timedelta(seconds=19))


def test_who_steps_down_leaves_the_part_at_once(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        lead(session, "dispatcher", "one", seconds=10, now=NOW)
        step_down(session, "dispatcher", "two", now=NOW)
        assert not lead(session, "dispatcher", "two", seconds=10, now=NOW)
        step_down(session, "dispatcher", "one", now=NOW)
        assert lead(session, "dispatcher", "two", seconds=10, now=NOW)
