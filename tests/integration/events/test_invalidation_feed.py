"""The invalidation feed: everything that commits is heard of, late commits too, and it knows when it is behind."""

import asyncio
import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from agon.kernel.tx import Tx
from agon.platform.database.database import Database
from agon.platform.invalidation import EVERYTHING, InvalidationFeed
from tests.conftest import OpenDatabase
from tests.integration.jobs.cable import cable_to
from tests.integration.jobs.workshop import until


class Heard:
    """A listener that remembers each tag, and how often it was told of it."""

    def __init__(self) -> None:
        self.tags: dict[str, int] = {}
        self.fail = False

    async def __call__(self, tags: frozenset[str]) -> None:
        if self.fail:
            raise ConnectionError
        for tag in tags:
            self.tags[tag] = self.tags.get(tag, 0) + 1

    async def all(self, *tags: str) -> bool:
        return set(tags) <= self.tags.keys()


@asynccontextmanager
async def following(dsn: str, **options: float) -> AsyncGenerator[tuple[InvalidationFeed, Heard], None]:
    feed = InvalidationFeed(dsn, **{"poll_seconds": 0.1, **options})
    heard = Heard()
    feed.listen(heard)
    task = asyncio.create_task(feed.run())
    try:
        await until(lambda: _fresh(feed))
        heard.tags.clear()
        yield feed, heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _fresh(feed: InvalidationFeed, expected: bool = True) -> bool:
    return feed.fresh(1) is expected


def stale(*tags: str):
    async def verb(tx: Tx) -> None:
        tx.invalidate(*tags)

    return verb


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex


INSERT = "insert into invalidation (tag, at) values ($1, now())"


async def test_a_transaction_that_began_first_and_commits_last_is_seen_once(dsn: str, tag: str):
    slow, quick = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with following(dsn) as (_, heard):
        late = slow.transaction()
        await late.start()
        await slow.execute(INSERT, f"{tag}:late")
        for number in range(3):
            await quick.execute(INSERT, f"{tag}:{number}")
        await until(lambda: heard.all(f"{tag}:2"))
        await asyncio.sleep(0.3)
        assert f"{tag}:late" not in heard.tags
        await late.commit()
        await until(lambda: heard.all(f"{tag}:late"))
        await asyncio.sleep(0.3)
        assert {each: times for each, times in heard.tags.items() if each.startswith(tag)} == {
            f"{tag}:0": 1,
            f"{tag}:1": 1,
            f"{tag}:2": 1,
            f"{tag}:late": 1,
        }
    await slow.close()
    await quick.close()


async def test_nothing_is_missed_however_transactions_overlap(dsn: str, tag: str):
    connections = [await asyncpg.connect(dsn) for _ in range(6)]

    async def commit_some(connection: asyncpg.Connection, worker: int) -> None:
        for number in range(20):
            async with connection.transaction():
                await connection.execute(INSERT, f"{tag}:{worker}:{number}")
                await asyncio.sleep(0.002 * ((worker * 7 + number * 3) % 11))

    async with following(dsn, poll_seconds=0.01) as (_, heard):
        await asyncio.gather(*(commit_some(each, worker) for worker, each in enumerate(connections)))
        await asyncio.sleep(0.3)
        counts = [times for each, times in heard.tags.items() if each.startswith(tag)]
    assert counts == [1] * 120
    for each in connections:
        await each.close()


async def test_a_rolled_back_invalidation_is_not_heard_of(dsn: str, database: Database, tag: str):
    async def taken_back(tx: Tx) -> None:
        tx.invalidate(f"{tag}:never")
        raise ZeroDivisionError

    async with following(dsn) as (_, heard):
        with pytest.raises(ZeroDivisionError):
            await database.transact(taken_back)
        await database.transact(stale(f"{tag}:then"))
        await until(lambda: heard.all(f"{tag}:then"))
        assert f"{tag}:never" not in heard.tags


OTHER = """
import asyncio, sys
import asyncpg

async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute("insert into invalidation (tag, at) values ($1, now())", sys.argv[2])
    await connection.close()

asyncio.run(main())
"""


async def test_the_commit_of_another_process_is_heard_of(dsn: str, tag: str):
    async with following(dsn) as (_, heard):
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", OTHER, dsn, tag], check=True)
        await until(lambda: heard.all(tag), 2)


async def test_a_wake_up_is_quicker_than_the_habit(dsn: str, database: Database, tag: str):
    async with following(dsn, poll_seconds=30) as (_, heard):
        began = time.monotonic()
        await database.transact(stale(tag))
        await until(lambda: heard.all(tag), 5)
        assert time.monotonic() - began < 1


async def test_own_commits_are_told_before_the_call_returns(dsn: str, open_database: OpenDatabase, tag: str):
    feed = InvalidationFeed(dsn)
    broken, heard = Heard(), Heard()
    broken.fail = True
    feed.listen(broken, heard)
    database = await open_database(dsn, on_invalidate=feed.tell)
    await database.transact(stale(tag))
    assert heard.tags == {tag: 1}


async def test_a_listener_that_fails_is_told_again_and_nothing_counts_as_seen(dsn: str, database: Database, tag: str):
    async with following(dsn) as (feed, heard):
        heard.fail = True
        await database.transact(stale(tag))
        await until(lambda: _fresh(feed, False))
        heard.fail = False
        await until(lambda: heard.all(tag))
        await until(lambda: _fresh(feed), 2)


async def test_an_outage_is_known_within_a_second_and_made_good(dsn: str, database: Database, tag: str):
    async with cable_to(dsn) as cable, following(cable.dsn) as (feed, heard):
        assert feed.fresh(1)
        cable.cut()
        await database.transact(stale(tag))
        await asyncio.sleep(1.1)
        assert not feed.fresh(1)
        await cable.join()
        await until(lambda: heard.all(tag), 5)
        await until(lambda: _fresh(feed), 2)
        cable.hold()
        await asyncio.sleep(1.1)
        assert not feed.fresh(1)
        cable.release()
        await until(lambda: _fresh(feed), 5)


async def test_after_a_long_silence_everything_is_stale(dsn: str, tag: str):
    async with cable_to(dsn) as cable, following(cable.dsn, pruned_after=1) as (_, heard):
        cable.cut()
        await asyncio.sleep(0.8)
        await cable.join()
        await until(lambda: heard.all(*EVERYTHING), 5)


async def test_a_database_that_went_back_in_time_makes_everything_stale(dsn: str):
    feed, heard = InvalidationFeed(dsn), Heard()
    feed.listen(heard)
    await feed.poll()
    heard.tags.clear()
    feed._snapshot = "900000000:900000000:"
    await feed.poll()
    assert heard.tags == {"*": 1}
    heard.tags.clear()
    await feed.poll()
    assert heard.tags == {}
    await feed._connection.close()


async def test_who_starts_hears_of_what_is_still_there(dsn: str, database: Database, tag: str):
    await database.transact(stale(tag))
    feed, heard = InvalidationFeed(dsn), Heard()
    feed.listen(heard)
    assert not feed.fresh(3600)
    await feed.poll()
    assert heard.tags[tag] == 1
    await feed._connection.close()
