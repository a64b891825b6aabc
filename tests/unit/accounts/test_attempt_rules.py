"""Wrong passwords: how they slow guessing down."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.domains.accounts.rules.attempts import (
    IN_ROW,
    LONGEST_DELAY,
    PER_WINDOW,
    WINDOW,
    Failures,
    after_failure,
    counts,
    delay,
)

START = datetime(2026, 5, 1, tzinfo=UTC)


def after(failures: int, *, apart: timedelta = timedelta()) -> Failures:
    state = Failures()
    for index in range(failures):
        now = START + apart * index
        state = after_failure(state, now, counted=counts(state, now, known_device=False))
    return state


def test_nine_wrong_passwords_change_nothing():
    assert counts(after(9), START, known_device=False)


def test_the_tenth_brings_a_delay():
    state = after(10)
    assert not counts(state, START + WINDOW - timedelta(seconds=1), known_device=False)
    assert counts(state, START + WINDOW, known_device=False)


def test_ten_spread_over_the_window_bring_it_too():
    state = after(10, apart=timedelta(seconds=99))
    assert not counts(state, START + timedelta(seconds=900), known_device=False)
    assert counts(after(10, apart=timedelta(seconds=101)), START + timedelta(seconds=910), known_device=False)


def test_slow_failures_bring_none():
    assert counts(after(50, apart=timedelta(minutes=2)), START + timedelta(minutes=100), known_device=False)


@pytest.mark.parametrize(
    ("in_row", "minutes"), [(10, 15), (19, 15), (20, 30), (30, 60), (40, 60), (99, 60), (10**6, 60)]
)
def test_delays_grow_up_to_an_hour(in_row: int, minutes: int):
    assert delay(in_row) == timedelta(minutes=minutes)
    assert delay(in_row) <= LONGEST_DELAY


def test_after_a_hundred_in_a_row_only_known_devices_count():
    later = START + timedelta(days=30)
    assert counts(Failures(IN_ROW - 1), later, known_device=False)
    assert not counts(Failures(IN_ROW), later, known_device=False)
    assert counts(Failures(IN_ROW), later, known_device=True)


def test_an_attempt_that_did_not_count_is_in_the_row_and_delays_nothing():
    blocked = after(10)
    state = after_failure(blocked, START, counted=False)
    assert (state.in_row, state.blocked_until) == (11, blocked.blocked_until)


@given(
    st.sampled_from([10, 100, 1200]).flatmap(lambda most: st.lists(st.integers(0, most), min_size=1, max_size=300)),
    st.booleans(),
)
@settings(max_examples=300)
def test_no_more_than_ten_guesses_count_in_any_quarter_of_an_hour(pauses: list[int], known_device: bool):
    state, now, counted = Failures(), START, list[datetime]()
    for pause in pauses:
        now += timedelta(seconds=pause)
        looked_at = counts(state, now, known_device=known_device)
        if looked_at:
            counted.append(now)
        state = after_failure(state, now, counted=looked_at)
        assert len(state.recent) < PER_WINDOW
    for index, moment in enumerate(counted):
        assert sum(1 for each in counted[index:] if each - moment < WINDOW) <= PER_WINDOW
