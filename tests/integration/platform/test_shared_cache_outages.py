"""The shared cache when Valkey is killed or frozen, a process dies, or requests are cancelled."""

import asyncio
import random
import time

from agon.platform.breakers import Breaker, State
from agon.platform.cache.cache import Outcome
from tests.integration.platform.shared_reads import BODY, ITEM, OpenCache, number
from tests.integration.platform.valkey_servers import Valkey, running_valkey


async def test_a_process_that_dies_while_loading_holds_the_others_up_for_seconds_only(
    shared_server: Valkey, open_cache: OpenCache
):
    dying, other = await open_cache(shared_server.url), await open_cache(shared_server.url)
    stuck = asyncio.create_task(dying.value(ITEM, "stuck", lambda: asyncio.sleep(60, 1)))
    await asyncio.sleep(0.2)
    started = time.monotonic()
    assert await other.value(ITEM, "stuck", number(2)) == 2
    assert 1.5 < time.monotonic() - started < 10
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


async def test_a_cancelled_load_gives_its_lock_back(shared_server: Valkey, open_cache: OpenCache):
    cancelled, other = await open_cache(shared_server.url), await open_cache(shared_server.url)
    for item in ("first", "second"):
        task = asyncio.create_task(cancelled.value(ITEM, item, lambda: asyncio.sleep(60, 1)))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        started = time.monotonic()
        assert await other.value(ITEM, item, number(2)) == 2
        assert time.monotonic() - started < 1


async def test_killed_in_mid_use_everything_is_a_miss_and_comes_back(own_server: Valkey, open_cache: OpenCache):
    outcomes: list[Outcome] = []
    breaker = Breaker("cache", open_seconds=0.5)
    cache = await open_cache(own_server.url, breaker=breaker, on_result=lambda _, outcome: outcomes.append(outcome))
    assert await cache.value(ITEM, 1, number(1)) == 1
    assert await cache.value(ITEM, 1, number(2)) == 1

    own_server.kill()
    for value in range(10):
        assert await cache.value(ITEM, 1, number(value)) == value
        await cache.invalidate(["item:1"])
    assert outcomes[2:] == [Outcome.ERROR] * 10
    assert breaker.state is State.OPEN
    started = time.monotonic()
    for value in range(200):
        assert await cache.value(ITEM, 1, number(value)) == value
    assert time.monotonic() - started < 0.5, "while it is known to be down nobody waits for it"

    own_server.start_again()
    await asyncio.sleep(0.6)
    for _ in range(3):
        await cache.value(ITEM, 1, number(100))
    assert breaker.state is State.CLOSED
    assert await cache.value(ITEM, 1, number(101)) == 100
    assert outcomes[-1] is Outcome.HIT


async def test_an_invalidation_that_was_lost_is_made_good(own_server: Valkey, open_cache: OpenCache):
    breaker = Breaker("cache", open_seconds=0.3)
    cache = await open_cache(own_server.url, breaker=breaker)
    assert await cache.value(ITEM, 1, number(1)) == 1
    own_server.freeze()
    try:
        started = time.monotonic()
        values = await asyncio.gather(*(cache.value(ITEM, item, number(2)) for item in range(50)))
        assert values == [2] * 50
        assert time.monotonic() - started < 1.5
        assert breaker.state is State.OPEN
        await cache.invalidate(["item:1"])
        assert time.monotonic() - started < 1.5, "it is not even sent"
    finally:
        own_server.thaw()
    await asyncio.sleep(0.4)
    assert await cache.value(ITEM, 1, number(3)) == 3
    other = await open_cache(own_server.url)
    assert await other.value(ITEM, 1, number(4)) != 1, "for other processes too"


async def test_a_request_that_is_cancelled_after_its_commit_still_invalidates(
    own_server: Valkey, open_cache: OpenCache
):
    cache, other = await open_cache(own_server.url), await open_cache(own_server.url)
    for value in range(1, 30):
        await other.invalidate(["item:c"])
        assert await other.value(ITEM, "c", number(0)) == 0
        request = asyncio.create_task(cache.invalidate(["item:c"]))
        for _ in range(value % 6):
            await asyncio.sleep(0)
        request.cancel()
        results = await asyncio.gather(request, return_exceptions=True)
        if value % 6 == 0 and not cache._writing:
            continue  # cancelled before it began at all
        assert isinstance(results[0], asyncio.CancelledError)
        await asyncio.gather(*cache._writing)
        assert await other.value(ITEM, "c", number(value)) == value


async def test_cancelled_reads_never_show_one_reader_the_answer_of_another(
    shared_server: Valkey, open_cache: OpenCache
):
    cache = await open_cache(shared_server.url, breaker=Breaker("cache", failures=10_000))
    chance = random.Random(7)

    async def load(item: int) -> bytes:
        await asyncio.sleep(chance.random() * 0.002)
        return b"canary %d" % item

    async def reader(item: int) -> bytes:
        return (await cache.read(BODY, f"canary-{item}", lambda: load(item))).body

    async def one(item: int) -> None:
        task = asyncio.create_task(reader(item))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.004)
            task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(result, asyncio.CancelledError) or result == b"canary %d" % item

    for _ in range(15):
        await asyncio.gather(*(one(chance.randrange(20)) for _ in range(60)))
        await cache.invalidate([f"body:canary-{chance.randrange(20)}"])


async def test_it_opens_without_the_server(open_cache: OpenCache):
    with running_valkey() as server:
        url = server.url
    cache = await open_cache(url)
    assert await cache.value(ITEM, 1, number(5)) == 5
