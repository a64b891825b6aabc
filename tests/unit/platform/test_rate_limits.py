"""Rate limits counted by one process: exactness, windows, memory."""

import asyncio
import math
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agon.platform.limits.memory import BoundedMemory
from agon.platform.limits.rates import Allowance, RateLimits, Rule, Strategy


class Clock:
    def __init__(self, seconds: float = 1_800_000_000.25) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


LOGIN = Rule("login", 5, 60, Strategy.FIXED)
READS = Rule("reads", 10, 60)


def limits(clock: Clock, *rules: Rule, max_keys: int = 1000) -> RateLimits:
    return RateLimits(None, rules or (LOGIN, READS), max_keys=max_keys, now=clock.now)


async def hits(rates: RateLimits, category: str, key: str, times: int) -> list[bool]:
    return [(await rates.hit(category, key)).allowed for _ in range(times)]


async def test_login_opens_again_when_its_window_resets():
    clock = Clock()
    rates = limits(clock)
    assert await rates.hit("login", "a") == Allowance(5, 4, 60, allowed=True)
    clock.seconds += 50
    assert await hits(rates, "login", "a", 4) == [True] * 4
    refused = await rates.hit("login", "a")
    assert refused == Allowance(5, 0, 10, allowed=False, retry_after=10)
    clock.seconds += 9.5
    assert (await rates.hit("login", "a")).retry_after == 1
    clock.seconds += 0.5
    assert await hits(rates, "login", "a", 6) == [True] * 5 + [False]


async def test_a_moving_window_frees_each_hit_after_its_own_time():
    clock = Clock()
    rates = limits(clock)
    assert await rates.hit("reads", "a") == Allowance(10, 9, 60, allowed=True)
    clock.seconds += 30
    assert await hits(rates, "reads", "a", 10) == [True] * 9 + [False]
    refused = await rates.hit("reads", "a")
    assert refused == Allowance(10, 0, 60, allowed=False, retry_after=30)
    clock.seconds += 30.001
    assert await hits(rates, "reads", "a", 2) == [True, False], "one was freed, and refused hits used nothing up"
    clock.seconds += 30.001
    assert await rates.hit("reads", "a") == Allowance(10, 8, 60, allowed=True)


async def test_keys_and_categories_are_counted_apart():
    rates = limits(Clock(), LOGIN, Rule("auth", 5, 60))
    assert await hits(rates, "login", "a", 6) == [True] * 5 + [False]
    assert await hits(rates, "login", "b", 6) == [True] * 5 + [False]
    assert await hits(rates, "auth", "a", 6) == [True] * 5 + [False]


async def test_an_amount_of_zero_refuses_all():
    rates = limits(Clock(), Rule("closed", 0, 60), Rule("shut", 0, 60, Strategy.FIXED))
    assert await rates.hit("closed", "a") == Allowance(0, 0, 60, allowed=False, retry_after=60)
    assert not (await rates.hit("shut", "a")).allowed


async def test_rules_are_known_and_not_given_twice():
    with pytest.raises(ValueError, match="two rules"):
        limits(Clock(), READS, READS)
    with pytest.raises(KeyError):
        await limits(Clock()).hit("writes", "a")


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_concurrent_hits_are_counted_exactly(strategy: Strategy):
    rates = limits(Clock(), Rule("c", 37, 60, strategy))
    answers = await asyncio.gather(*(rates.hit("c", "a") for _ in range(200)))
    assert sum(answer.allowed for answer in answers) == 37
    assert sorted((answer.remaining for answer in answers if answer.allowed), reverse=True) == list(range(36, -1, -1))


STEPS = st.lists(st.floats(min_value=0, max_value=4, allow_nan=False), min_size=1, max_size=120)


@settings(deadline=None)
@given(steps=STEPS, amount=st.integers(1, 6))
def test_a_moving_window_never_passes_more_than_its_amount(steps: list[float], amount: int):
    """Against the definition: of every hit, those allowed in the window before it."""

    async def walk() -> None:
        clock = Clock(1000.0)
        rates = limits(clock, Rule("c", amount, 10))
        allowed: list[float] = []
        for step in steps:
            clock.seconds += step
            recent = [at for at in allowed if at >= clock.seconds - 10]
            answer = await rates.hit("c", "a")
            assert answer.allowed == (len(recent) < amount)
            assert answer.remaining == max(0, amount - len(recent) - 1)
            if answer.allowed:
                allowed.append(clock.seconds)
            else:
                assert answer.retry_after == max(1, math.ceil(recent[0] + 10 - clock.seconds))

    asyncio.run(walk())


@settings(deadline=None)
@given(steps=STEPS, amount=st.integers(1, 6))
def test_a_fixed_window_starts_with_its_first_hit(steps: list[float], amount: int):
    async def walk() -> None:
        clock = Clock(1000.0)
        rates = limits(clock, Rule("c", amount, 10, Strategy.FIXED))
        ends, count = 0.0, 0
        for step in steps:
            clock.seconds += step
            if clock.seconds >= ends:
                ends, count = clock.seconds + 10, 0
            count += 1
            answer = await rates.hit("c", "a")
            assert answer.allowed == (count <= amount)
            assert answer.remaining == max(0, amount - count)

    asyncio.run(walk())


async def test_memory_is_bounded_and_the_longest_unused_key_goes_first():
    clock = Clock()
    rates = limits(clock, Rule("c", 2, 60), max_keys=1000)
    assert await hits(rates, "c", "busy", 3) == [True, True, False]
    for number in range(5000):
        await rates.hit("c", f"other-{number}")
        if number % 500 == 0:
            assert not (await rates.hit("c", "busy")).allowed, "a key that is tried again and again is not forgotten"
    storage = BoundedMemory(1000, clock.now)
    for number in range(5000):
        await storage.incr(f"a-{number}", 60)
        await storage.acquire_entry(f"b-{number}", 5, 60)
    assert len(storage) == 1000
    assert await storage.get("a-4999") == 1
    assert await storage.get("a-0") == 0


async def test_a_flood_in_one_category_leaves_the_counters_of_another():
    rates = limits(Clock(), LOGIN, READS, max_keys=200)
    assert await hits(rates, "login", "a", 6) == [True] * 5 + [False]
    for number in range(1000):
        await rates.hit("reads", str(number))
    assert not (await rates.hit("login", "a")).allowed
    for number in range(1000):
        await rates.hit("login", str(number))
    kept = [len(cast("BoundedMemory", counter._limiter.storage)) for counter in rates._own.values()]
    assert kept == [100, 100], "together no more than the bound"


async def test_expired_keys_are_dropped_as_others_come():
    clock = Clock()
    storage = BoundedMemory(1_000_000, clock.now)
    for number in range(2000):
        await storage.acquire_entry(f"old-{number}", 5, 60)
    clock.seconds += 61
    for number in range(1500):
        await storage.acquire_entry(f"new-{number}", 5, 60)
    assert len(storage) == 1500


async def test_a_busy_key_keeps_no_more_times_than_its_amount():
    clock = Clock()
    storage = BoundedMemory(10, clock.now)
    for _ in range(10_000):
        clock.seconds += 0.5
        await storage.acquire_entry("a", 5, 60)
    assert len(storage._keys["a"]) <= 1 + 5
    assert await storage.reset() == 1
    assert len(storage) == 0
