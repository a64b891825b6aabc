"""Cached reads through a real Valkey, of several processes."""

import asyncio
import os
import pickle
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from agon.platform import valkey
from agon.platform.cache.cache import Cache
from tests.integration.platform.shared_reads import BODY, ITEM, OpenCache, number
from tests.integration.platform.valkey_servers import Valkey


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


async def test_all_who_miss_on_new_tags_share_one_load(own_server: Valkey, open_cache: OpenCache):
    caches = [await open_cache(own_server.url) for _ in range(2)]
    loads = 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.2)
        return loads

    values = await asyncio.gather(*(cache.value(ITEM, "new", load) for cache in caches for _ in range(30)))
    # A call of the store that takes longer than its budget, as on a starved machine, is a miss: then each loads once.
    assert loads <= len(caches)
    assert set(values) <= set(range(1, loads + 1))
