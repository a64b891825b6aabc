"""Cached reads in memory: freshness, tags, one load at a time, and what happens when things go wrong."""

import asyncio
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from agon.kernel.clock import ManualClock
from agon.kernel.errors import DomainError, Refusal
from agon.platform.cache.cache import Answer, Cache, Outcome
from agon.platform.cache.reads import CACHED_READS, CachedRead, cache_key


class Profile(msgspec.Struct, frozen=True):
    name: str
    rating: int


PROFILE = CachedRead("test_cache", "profile", Profile, tags=("profile:{id}", "profiles"))
BOARD = CachedRead("test_cache", "board", bytes, ttl=60, tags=("board:{id}",), stale_tolerant=True)
BALANCE = CachedRead("test_cache", "balance", int, ttl=60, tags=("balance:{id}",))


class SourceDown(DomainError):
    refusal = Refusal.UNAVAILABLE
    title = "The source is down."


class Bench:
    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
        self.outcomes: list[tuple[str, Outcome]] = []
        self.multiplier = 1
        self.cache = Cache(
            clock=self.clock,
            load_multiplier=lambda: self.multiplier,
            on_result=lambda name, outcome: self.outcomes.append((name, outcome)),
            **options,
        )
        self.loads = 0

    async def count(self) -> int:
        """A load that gives how often it was asked."""
        self.loads += 1
        return self.loads

    async def board(self) -> bytes:
        return b"board %d" % await self.count()

    def last(self) -> Outcome:
        return self.outcomes[-1][1]


async def test_the_first_read_loads_and_the_second_is_the_same_bytes():
    bench = Bench()

    async def load() -> Profile:
        await bench.count()
        return Profile("ada", 1500)

    first = await bench.cache.read(PROFILE, 7, load)
    bench.clock.advance(timedelta(seconds=3))
    second = await bench.cache.read(PROFILE, 7, load)
    assert first == Answer(b'{"name":"ada","rating":1500}')
    assert second == Answer(first.body, age=3)
    assert await bench.cache.value(PROFILE, 7, load) == Profile("ada", 1500)
    assert await bench.cache.value(PROFILE, 8, load) == Profile("ada", 1500)
    assert bench.loads == 2
    assert bench.outcomes == [
        ("test_cache.profile", outcome) for outcome in (Outcome.MISS, Outcome.HIT, Outcome.HIT, Outcome.MISS)
    ]


async def test_encoded_bytes_go_through_unchanged():
    bench = Bench()
    body = bytes(range(256)) + b":bytes:\x80\x04digits"

    async def load() -> bytes:
        return body

    for read in ("1", "2"):
        assert (await bench.cache.read(BOARD, read, load)).body == body
        assert (await bench.cache.read(BOARD, read, load)).body == body
    assert await bench.cache.value(BOARD, "1", load) == body


async def test_an_answer_lives_as_long_as_declared():
    bench = Bench()
    await bench.cache.read(BALANCE, 1, bench.count)
    bench.clock.advance(timedelta(seconds=60))
    assert (await bench.cache.read(BALANCE, 1, bench.count)).age == 60
    bench.clock.advance(timedelta(seconds=0.001))
    assert await bench.cache.value(BALANCE, 1, bench.count) == 2
    assert PROFILE.ttl == 300


@pytest.mark.parametrize(("multiplier", "seconds"), [(1, 60), (2, 120), (5, 300)])
async def test_load_stretches_the_life_of_what_tolerates_it(multiplier: int, seconds: int):
    bench = Bench()
    bench.multiplier = multiplier
    await bench.cache.read(BOARD, 1, bench.board)
    bench.clock.advance(timedelta(seconds=seconds))
    answer = await bench.cache.read(BOARD, 1, bench.board)
    assert answer == Answer(b"board 1", age=seconds, stale=seconds > 60)
    bench.clock.advance(timedelta(seconds=0.001))
    await bench.cache.read(BOARD, 1, bench.board)
    assert bench.last() is Outcome.MISS


async def test_load_never_stretches_the_life_of_what_must_be_fresh():
    bench = Bench()
    bench.multiplier = 5
    await bench.cache.read(BALANCE, 1, bench.count)
    bench.clock.advance(timedelta(seconds=60.001))
    await bench.cache.read(BALANCE, 1, bench.count)
    assert bench.last() is Outcome.MISS


async def test_freshness_is_judged_when_read_not_when_kept():
    bench = Bench()
    await bench.cache.read(BOARD, 1, bench.board)
    bench.clock.advance(timedelta(seconds=200))
    bench.multiplier = 5
    assert (await bench.cache.read(BOARD, 1, bench.board)).stale
    bench.multiplier = 1
    assert not (await bench.cache.read(BOARD, 1, bench.board)).stale
    assert bench.loads == 2


async def test_a_commit_makes_item_list_and_related_answers_stale():
    bench = Bench()
    cache = bench.cache

    async def load() -> Profile:
        return Profile("ada", await bench.count())

    async def rating(item: int, *tags: str) -> int:
        return (await cache.value(PROFILE, item, load, tags=tags)).rating

    assert [await rating(1), await rating(2), await rating(3, "team:9")] == [1, 2, 3]
    await cache.invalidate(["profile:1"])
    assert [await rating(1), await rating(2), await rating(3, "team:9")] == [4, 2, 3]
    await cache.invalidate(["team:9", "unknown"])
    assert [await rating(1), await rating(2), await rating(3, "team:9")] == [4, 2, 5]
    await cache.invalidate(frozenset({"profiles"}))
    assert [await rating(1), await rating(2), await rating(3, "team:9")] == [6, 7, 8]
    await cache.invalidate([])
    assert [await rating(1), await rating(2), await rating(3, "team:9")] == [6, 7, 8]


async def test_a_load_that_raced_a_commit_leaves_nothing_behind():
    bench = Bench()
    loading, go_on = asyncio.Event(), asyncio.Event()
    stored = 1

    async def slow() -> int:
        seen = stored
        loading.set()
        await go_on.wait()
        return seen

    async def quick() -> int:
        return stored

    reader = asyncio.create_task(bench.cache.value(BALANCE, 1, slow))
    await loading.wait()
    stored = 2
    await bench.cache.invalidate(["balance:1"])
    assert await bench.cache.value(BALANCE, 1, quick) == 2, "who asks after the commit does not join the old load"
    go_on.set()
    assert await reader == 1, "who asked before it may see what was there"
    assert await bench.cache.value(BALANCE, 1, slow) == 2


async def test_one_load_answers_all_who_ask_meanwhile():
    bench = Bench()
    go_on = asyncio.Event()

    async def load() -> int:
        await go_on.wait()
        return await bench.count()

    readers = [asyncio.create_task(bench.cache.value(BALANCE, 1, load)) for _ in range(50)]
    await asyncio.sleep(0.01)
    go_on.set()
    assert await asyncio.gather(*readers) == [1] * 50
    assert Counter(outcome for _, outcome in bench.outcomes) == {Outcome.MISS: 1, Outcome.JOINED: 49}


async def test_when_the_one_that_loads_is_cancelled_another_loads():
    bench = Bench()
    go_on = asyncio.Event()
    loaders: list[str] = []

    def load_as(name: str) -> Any:
        async def load() -> int:
            loaders.append(name)
            await go_on.wait()
            return len(loaders)

        return load

    readers = [asyncio.create_task(bench.cache.value(BALANCE, 1, load_as(str(number)))) for number in range(5)]
    await asyncio.sleep(0.01)
    for leader in (0, 1):
        readers[leader].cancel()
        await asyncio.sleep(0.01)
    readers[4].cancel()
    go_on.set()
    results = await asyncio.wait_for(asyncio.gather(*readers, return_exceptions=True), 2)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 2 + [int] * 2 + [asyncio.CancelledError]
    assert loaders == ["0", "1", "2"]
    assert results[2:4] == [3, 3]
    assert await bench.cache.value(BALANCE, 1, load_as("later")) == 3


async def test_the_error_of_a_load_goes_to_all_who_wait_and_is_not_kept():
    bench = Bench()
    go_on = asyncio.Event()

    async def broken() -> int:
        await go_on.wait()
        await bench.count()
        raise LookupError

    readers = [asyncio.create_task(bench.cache.read(BALANCE, 1, broken)) for _ in range(10)]
    await asyncio.sleep(0.01)
    go_on.set()
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert all(isinstance(result, LookupError) for result in results)
    assert bench.loads == 1
    assert await bench.cache.value(BALANCE, 1, bench.count) == 2


async def test_an_unavailable_source_leaves_the_last_valid_answer_marked_stale():
    bench = Bench()

    async def down() -> bytes:
        raise SourceDown

    async def number() -> int:
        raise SourceDown

    await bench.cache.read(BOARD, 1, bench.board)
    await bench.cache.read(BALANCE, 1, bench.count)
    bench.clock.advance(timedelta(seconds=250))
    assert await bench.cache.read(BOARD, 1, down) == Answer(b"board 1", age=250, stale=True)
    assert bench.last() is Outcome.STALE
    with pytest.raises(SourceDown):
        await bench.cache.read(BALANCE, 1, number)
    with pytest.raises(SourceDown):
        await bench.cache.read(BOARD, 2, down)
    await bench.cache.invalidate(["board:1"])
    with pytest.raises(SourceDown):
        await bench.cache.read(BOARD, 1, down)


async def test_other_refusals_are_not_covered_by_old_answers():
    bench = Bench()

    class Gone(DomainError):
        refusal = Refusal.MISSING
        title = "Gone."

    async def gone() -> bytes:
        raise Gone

    await bench.cache.read(BOARD, 1, bench.board)
    bench.clock.advance(timedelta(seconds=61))
    with pytest.raises(Gone):
        await bench.cache.read(BOARD, 1, gone)


async def test_memory_is_bounded():
    bench = Bench(size=100)
    for item in range(1000):
        await bench.cache.read(BALANCE, item, bench.count)
    assert len(bench.cache._store._backend.store) == 100
    assert await bench.cache.value(BALANCE, 999, bench.count) == 1000


async def test_a_memory_too_small_for_the_tags_only_means_misses():
    bench = Bench(size=1)
    assert [await bench.cache.value(BALANCE, 1, bench.count) for _ in range(3)] == [1, 2, 3]


async def test_an_answer_that_is_too_large_is_not_kept():
    bench = Bench()

    async def large() -> bytes:
        await bench.count()
        return b"x" * 1_000_001

    for _ in range(2):
        assert len((await bench.cache.read(BOARD, 1, large)).body) == 1_000_001
    assert bench.loads == 2


async def test_what_was_damaged_in_the_store_is_a_miss():
    bench = Bench()
    await bench.cache.read(BALANCE, 1, bench.count)
    for rubbish in (b"\xc1", b"", b"bytes:", b"123", b"\x80\x04."):
        await bench.cache._store.put({BALANCE.key(1): rubbish}, 60)
        await bench.cache.read(BALANCE, 1, bench.count)
        assert bench.last() is Outcome.MISS


async def test_an_entry_of_another_key_is_never_an_answer():
    bench = Bench()
    everyone = CachedRead("test_cache", "shared_tag", int, tags=("all",))
    await bench.cache.read(everyone, 1, bench.count)
    (raw,) = await bench.cache._store.get(everyone.key(1))
    assert raw is not None
    await bench.cache._store.put({everyone.key(2): raw}, 60)
    assert await bench.cache.value(everyone, 2, bench.count) == 2


def test_keys_have_one_form_and_declarations_are_found_by_name():
    assert PROFILE.key(7) == cache_key("test_cache", "profile", 7) == "agon:test_cache:profile:7"
    assert PROFILE.tags_of("x") == ("profile:x", "profiles")
    assert CACHED_READS["test_cache.profile"] is PROFILE
    with pytest.raises(TypeError, match="twice"):
        CachedRead("test_cache", "profile", int, tags=())


async def test_hits_cost_no_load_over_many_reads():
    bench = Bench()
    for _, item in itertools.product(range(20), range(50)):
        await bench.cache.read(PROFILE, item, lambda: asyncio.sleep(0, Profile("ada", 1)))
    counts = Counter(outcome for _, outcome in bench.outcomes)
    assert counts == {Outcome.MISS: 50, Outcome.HIT: 950}
