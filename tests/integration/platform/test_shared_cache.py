"""Cached reads through a real Valkey: several processes, outages, frozen servers, cancelled requests."""

import asyncio
import os
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from agon.kernel.clock import SystemClock
from agon.platform import valkey
from agon.platform.breakers import Breaker, State
from agon.platform.cache.cache import Cache, Outcome
from agon.platform.cache.reads import CachedRead
from tests.integration.platform.valkey_servers import Valkey, running_valkey

ITEM = CachedRead("test_shared", "item", int, tags=("item:{id}", "all"))
BODY = CachedRead("test_shared", "body", bytes, tags=("body:{id}",))

OpenCache = Callable[..., Awaitable[Cache]]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest_asyncio.fixture
async def open_cache() -> AsyncGenerator[OpenCache, None]:
    opened: list[Cache] = []

    async def open_one(url: str, **options: Any) -> Cache:
        cache = Cache(url, clock=SystemClock(), **options)
        await cache.open()
        opened.append(cache)
        return cache

    yield open_one
    for cache in opened:
        await cache.close()


def number(value: int) -> Callable[[], Awaitable[int]]:
    async def load() -> int:
        return value

    return load


async def test_processes_share_answers_and_invalidations(shared_server: Valkey, open_cache: OpenCache):
    first = await open_cache(shared_server.url)
    second = await open_cache(shared_server.url.replace("redis", "valkey"))
    assert await first.value(ITEM, "a", number(1)) == 1
    assert await second.value(ITEM, "a", number(2)) == 1
    await second.invalidate(["item:a"])
    assert await first.value(ITEM, "a", number(3)) == 3
    assert await second.value(ITEM, "a", number(4)) == 3


async def test_bytes_come_back_unchanged_and_pickles_are_never_read(shared_server: Valkey, open_cache: OpenCache):
    cache = await open_cache(shared_server.url)
    bodies = [b"", b"123", b"bytes:1", bytes(range(256)), pickle.dumps({"a": 1})]

    async def load_number() -> bytes:
        return bodies[position]

    for position, body in enumerate(bodies):
        assert (await cache.read(BODY, position, load_number)).body == body
        assert (await cache.read(BODY, position, load_number)).body == body

    class Exploit:
        def __reduce__(self) -> Any:
            return (os.abort, ())

    client = redis.asyncio.Redis.from_url(shared_server.url)
    for payload in (pickle.dumps(Exploit()), b"bytes:" + pickle.dumps(Exploit())):
        await client.set(BODY.key("evil"), payload)
        await client.set("agon:cache-tag:body:evil", payload)
        position = 1
        assert (await cache.read(BODY, "evil", load_number)).body == b"123"
    await client.aclose()


async def test_no_read_is_older_than_the_last_invalidation_before_it(
    shared_server: Valkey, open_cache: OpenCache, monkeypatch: pytest.MonkeyPatch
):
    """Many readers and writers on three caches, with pauses everywhere; the model is two counters for each item."""
    monkeypatch.setattr(valkey, "BUDGET_SECONDS", 10)  # no invalidation is given up, however busy the machine is
    caches = [await open_cache(shared_server.url) for _ in range(3)]
    stored, announced, checked = Counter[str](), Counter[str](), Counter[str]()
    chance = random.Random(20300101)
    ends = time.monotonic() + 4

    async def load(item: str) -> int:
        await asyncio.sleep(chance.random() * 0.01)
        seen = stored[item]
        await asyncio.sleep(chance.random() * 0.01)
        return seen

    async def reader(cache: Cache) -> None:
        while time.monotonic() < ends:
            item = chance.choice("xyz")
            floor = announced[item]
            seen = await cache.value(ITEM, item, lambda wanted=item: load(wanted))
            assert floor <= seen <= stored[item]
            checked[item] += 1
            await asyncio.sleep(chance.random() * 0.003)

    async def writer() -> None:
        while time.monotonic() < ends:
            item = chance.choice("xyz")
            stored[item] += 1
            committed = stored[item]
            await asyncio.sleep(chance.random() * 0.005)
            await chance.choice(caches).invalidate([f"item:{item}"])
            announced[item] = max(announced[item], committed)
            await asyncio.sleep(chance.random() * 0.05)

    await asyncio.gather(*(reader(cache) for cache in caches for _ in range(6)), writer(), writer())
    assert min(checked.values()) > 100, checked
    assert min(stored.values()) > 10, stored


READER_PROCESS = """
import asyncio, sys
from agon.kernel.clock import SystemClock
from agon.platform import valkey
from agon.platform.cache.cache import Cache
from agon.platform.cache.reads import CachedRead
COLD = CachedRead("test_shared", "cold", int, tags=())
valkey.BUDGET_SECONDS = 10  # three processes start at once on a machine that may be busy
async def main():
    cache = Cache(sys.argv[1], clock=SystemClock())
    await cache.open()
    async def load():
        with open(sys.argv[2], "a") as log:
            log.write("loaded\\n")
        await asyncio.sleep(0.5)
        return 42
    print("ready", flush=True)
    sys.stdin.readline()
    values = await asyncio.gather(*(cache.value(COLD, 1, load) for _ in range(20)))
    print(set(values))
    await cache.close()
asyncio.run(main())
"""


async def test_processes_that_miss_at_once_load_once(shared_server: Valkey, tmp_path: Path):
    log = tmp_path / "loads"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            READER_PROCESS,
            shared_server.url,
            str(log),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [output for output, _ in outputs] == [b"{42}\n"] * 3
    assert log.read_text() == "loaded\n"


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


async def test_all_who_miss_on_new_tags_share_one_load(own_server: Valkey, open_cache: OpenCache):
    caches = [await open_cache(own_server.url) for _ in range(2)]
    loads = 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.2)
        return loads

    values = await asyncio.gather(*(cache.value(ITEM, "new", load) for cache in caches for _ in range(30)))
    assert values == [1] * 60


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
