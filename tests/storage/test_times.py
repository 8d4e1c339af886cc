from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from storage.schema import Leader
from storage.times import as_text

moments = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()
)


@given(moments, moments)
def test_text_order_is_time_order_in_any_zone(one: datetime, other: datetime) -> None:
    # fold: the repeated hour of a clock change compares by wall time only inside one zone
    one, other = one.astimezone(UTC), other.astimezone(UTC)
    assert (as_text(one) < as_text(other)) == (one < other)
    assert datetime.fromisoformat(as_text(one)) == one


def test_a_whole_second_sorts_before_its_fractions() -> None:
    whole = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert as_text(whole) == "2026-01-02 03:04:05.000000Z"
    assert as_text(whole) < as_text(whole + timedelta(microseconds=1))


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        as_text(datetime(2026, 1, 1))


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_stored_times_compare_with_sqlites_own(sessions: sessionmaker[Session]) -> None:
    moment = datetime(2026, 1, 2, 12, 0, 0, 500, tzinfo=timezone(timedelta(hours=2)))
    with sessions.begin() as session:
        session.add(Leader(role="r", owner="o", until=moment))
    with sessions() as session:
        assert session.scalars(select(Leader.until)).one() == moment
        # 12:00 at +2 is 10:00 UTC; same day, so that only the time of day decides
        query = "SELECT until > :before, until < :after, datetime(until) FROM leaders"
        values = {"before": "2026-01-02 10:00:00", "after": "2026-01-02 10:00:01"}
        assert session.execute(text(query), values).one() == (1, 1, "2026-01-02 10:00:00")
