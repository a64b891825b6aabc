"""Circuit breakers under asyncio: thresholds, the single trial, overlapping and cancelled calls."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.kernel.errors import Refusal
from agon.platform.breakers import Breaker, BreakerOpen, Breakers, State


class Watch:
    """A clock that is moved by hand, and what a breaker told."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.changes: list[tuple[str, State]] = []

    def now(self) -> float:
        return self.seconds

    def changed(self, name: str, state: State) -> None:
        self.changes.append((name, state))

    def breaker(self, *, ignored: tuple[type[Exception], ...] = ()) -> Breaker:
        return Breaker("mail", ignored=ignored, on_change=self.changed, now=self.now)


class Down(Exception):
    pass


class UnknownRecipient(Exception):
    pass


async def fail(breaker: Breaker, times: int = 1, error: type[BaseException] = Down) -> None:
    for _ in range(times):
        with pytest.raises(error):
            async with breaker:
                raise error


async def succeed(breaker: Breaker) -> None:
    async with breaker:
        pass


async def test_five_failures_in_a_row_open_it_and_two_successes_close_it():
    watch = Watch()
    breaker = watch.breaker()
    await fail(breaker, 4)
    await succeed(breaker)
    await fail(breaker, 4)
    assert breaker.state is State.CLOSED
    await fail(breaker)
    assert breaker.state is State.OPEN

    watch.seconds += 9.9
    with pytest.raises(BreakerOpen) as refused:
        await succeed(breaker)
    assert refused.value.refusal is Refusal.UNAVAILABLE
    assert refused.value.retry_after == pytest.approx(0.1)
    assert refused.value.data == {"part": "mail"}

    watch.seconds += 0.2
    await succeed(breaker)
    assert breaker.state is State.HALF_OPEN
    await succeed(breaker)
    assert breaker.state is State.CLOSED
    assert watch.changes == [("mail", State.OPEN), ("mail", State.HALF_OPEN), ("mail", State.CLOSED)]
    await fail(breaker, 4)
    assert breaker.state is State.CLOSED, "closing starts the count again"


async def test_a_failed_trial_opens_it_for_the_whole_time_again():
    watch = Watch()
    breaker = watch.breaker()
    await fail(breaker, 5)
    watch.seconds += 10
    await succeed(breaker)
    await fail(breaker)
    assert breaker.state is State.OPEN
    watch.seconds += 9.9
    with pytest.raises(BreakerOpen):
        await succeed(breaker)
    watch.seconds += 0.2
    await succeed(breaker)
    assert breaker.state is State.HALF_OPEN, "the success before the failure no longer counts"
    await succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_half_open_lets_one_call_through_at_a_time():
    watch = Watch()
    breaker = watch.breaker()
    await fail(breaker, 5)
    watch.seconds += 10
    release = asyncio.Event()
    calls = 0

    async def slow() -> str:
        nonlocal calls
        calls += 1
        await release.wait()
        return "done"

    tasks = [asyncio.create_task(breaker.call(slow)) for _ in range(20)]
    await asyncio.sleep(0)
    assert calls == 1
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results.count("done") == 1
    assert sum(isinstance(result, BreakerOpen) for result in results) == 19
    await succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_a_cancelled_call_counts_neither_way_and_frees_the_trial():
    watch = Watch()
    breaker = watch.breaker()
    for _ in range(10):
        await fail(breaker, error=asyncio.CancelledError)
    assert breaker.state is State.CLOSED
    await fail(breaker, 4)
    await fail(breaker, error=asyncio.CancelledError)
    await fail(breaker)
    assert breaker.state is State.OPEN, "a cancelled call is no success that would start the count again"

    watch.seconds += 10
    await fail(breaker, error=asyncio.CancelledError)
    assert breaker.state is State.HALF_OPEN
    await succeed(breaker)
    assert breaker.state is State.HALF_OPEN
    await succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_calls_that_began_before_a_change_do_not_count_after_it():
    watch = Watch()
    breaker = watch.breaker()
    late_failure, late_success = asyncio.Event(), asyncio.Event()

    async def fails_late() -> None:
        await late_failure.wait()
        raise Down

    slow = [asyncio.create_task(breaker.call(fails_late)) for _ in range(3)]
    good = asyncio.create_task(breaker.call(late_success.wait))
    await asyncio.sleep(0)
    await fail(breaker, 5)
    watch.seconds += 10
    await succeed(breaker)
    late_failure.set()
    await asyncio.gather(*slow, return_exceptions=True)
    assert breaker.state is State.HALF_OPEN
    late_success.set()
    await good
    assert breaker.state is State.HALF_OPEN
    await succeed(breaker)
    assert breaker.state is State.CLOSED


async def test_ignored_errors_mean_that_the_part_works():
    watch = Watch()
    breaker = watch.breaker(ignored=(UnknownRecipient,))
    await fail(breaker, 4)
    await fail(breaker, 10, error=UnknownRecipient)
    await fail(breaker, 4)
    assert breaker.state is State.CLOSED
    await fail(breaker)
    watch.seconds += 10
    await fail(breaker, 2, error=UnknownRecipient)
    assert breaker.state is State.CLOSED


async def test_it_can_be_entered_within_itself():
    breaker = Watch().breaker()

    async def outer() -> None:
        await succeed(breaker)
        raise Down

    for _ in range(5):
        with pytest.raises(Down):
            await breaker.call(outer)
    assert breaker.state is State.CLOSED, "the inner successes stand between the failures"


async def test_breakers_are_known_by_name():
    watch = Watch()
    breakers = Breakers(on_change=watch.changed)
    assert breakers.get("mail") is breakers.get("mail")
    await fail(breakers.get("storage"), 5)
    assert breakers.states() == {"mail": State.CLOSED, "storage": State.OPEN}
    assert watch.changes == [("storage", State.OPEN)]
    assert await breakers.get("mail").call(lambda: asyncio.sleep(0, "sent")) == "sent"


STEPS = st.lists(st.sampled_from(["good", "bad", "wait", "cancelled"]), max_size=60)


@settings(deadline=None)
@given(steps=STEPS)
def test_it_behaves_like_the_table_of_its_states(steps: list[str]):
    """Against a model written as the rule reads: 5 in a row open, 10 s, then 2 in a row close."""
    watch = Watch()
    breaker = watch.breaker()
    state, bad, good, opened = "closed", 0, 0, 0.0

    async def walk() -> None:
        nonlocal state, bad, good, opened
        for step in steps:
            if step == "wait":
                watch.seconds += 4
                continue
            if state == "open" and watch.seconds - opened < 10:
                with pytest.raises(BreakerOpen):
                    await succeed(breaker)
                continue
            if state == "open":
                state, good = "half-open", 0
            if step == "cancelled":
                await fail(breaker, error=asyncio.CancelledError)
            elif step == "good":
                await succeed(breaker)
                bad, good = 0, good + 1
                state = "closed" if state == "half-open" and good == 2 else state
            else:
                await fail(breaker)
                bad += 1
                if state == "half-open" or bad == 5:
                    state, bad, opened = "open", 0, watch.seconds
            assert breaker.state.value == state

    asyncio.run(walk())
