"""Cached reads in memory: freshness, tags and bounds."""

import asyncio
import itertools
from collections import Counter
from datetime import timedelta

import pytest

from agon.platform.cache.cache import Answer, Outcome
from agon.platform.cache.reads import CACHED_READS, CachedRead, cache_key
from tests.unit.platform.cache_bench import BALANCE, BOARD, PROFILE, Bench, Profile


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
