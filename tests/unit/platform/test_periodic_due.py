"""When periodic work is due, and how long a failed job waits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.kernel.errors import DomainError, Refusal
from agon.platform.jobs.execution import LONGEST_DELAY, delay_after
from agon.platform.jobs.periodic import Periodic


async def nothing() -> None:
    """Never run."""


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "now", "last", "following"),
    [
        ("* * * * * */5", "2026-05-17 12:00:07.5", "2026-05-17 12:00:05", "2026-05-17 12:00:10"),
        ("* * * * * */5", "2026-05-17 12:00:05", "2026-05-17 12:00:05", "2026-05-17 12:00:10"),
        ("17 3 * * *", "2026-05-17 03:16:59.999", "2026-05-16 03:17:00", "2026-05-17 03:17:00"),
        ("17 3 * * *", "2026-05-17 03:17:00", "2026-05-17 03:17:00", "2026-05-18 03:17:00"),
        ("0 0 29 2 *", "2027-01-01 00:00:00", "2024-02-29 00:00:00", "2028-02-29 00:00:00"),
        ("* * * * *", "2026-12-31 23:59:30", "2026-12-31 23:59:00", "2027-01-01 00:00:00"),
    ],
)
def test_due_moments(cron: str, now: str, last: str, following: str):
    periodic = Periodic("unit.work", cron, nothing)
    assert periodic.last_due(at(now)) == at(last)
    assert periodic.next_due(at(now)) == at(following)


@given(MOMENTS, st.sampled_from(["* * * * * */5", "* * * * *", "17 3 * * *"]))
def test_now_lies_between_the_last_due_moment_and_the_next(now: datetime, cron: str):
    periodic = Periodic("unit.work", cron, nothing)
    last, following = periodic.last_due(now), periodic.next_due(now)
    assert last <= now < following
    assert periodic.last_due(following) == following
    assert periodic.next_due(last) == following


class Later(DomainError):
    code = "UNIT_LATER"
    refusal = Refusal.UNAVAILABLE
    title = "Later."


@given(st.integers(0, 10_000))
def test_waits_double_and_stay_within_bounds(attempts: int):
    seconds = delay_after(attempts).total_seconds()
    expected = min(2.0 ** min(attempts, 16), LONGEST_DELAY)
    assert expected / 2 <= seconds <= expected


def test_a_refusal_can_ask_for_a_longer_wait():
    assert delay_after(0, Later(retry_after=90)) == timedelta(seconds=90)
    assert delay_after(8, Later(retry_after=1)) >= timedelta(seconds=128)
    assert delay_after(0, Later()) <= timedelta(seconds=1)
