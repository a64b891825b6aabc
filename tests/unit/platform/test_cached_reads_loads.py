"""What cached reads load: once for all who ask, never into the past, and what happens when it fails."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from agon.kernel.errors import DomainError, Refusal
from agon.platform.cache.cache import Answer, Outcome
from tests.unit.platform.cache_bench import BALANCE, BOARD, Bench, SourceDown


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
