"""Connections are lent to one at a time, come back clean or not at all, and nobody waits for ever."""

import asyncio
import contextlib
import random
import uuid

import asyncpg
import pytest

from agon.kernel.tx import Query
from agon.platform.database.database import Database
from agon.platform.database.errors import DatabaseUnavailable
from agon.platform.database.pool import Pool, PoolOptions
from tests.conftest import OpenDatabase, for_database

ECHO = Query("pool.echo", "select $1::text from pg_sleep($2)", str)
PID = Query("pool.pid", "select pg_backend_pid()", int)


@pytest.fixture
async def pool(dsn: str):
    lending = Pool(dsn, PoolOptions(name="test", size=2, idle=0.2, acquire_timeout=0.2))
    await lending.open()
    yield lending
    await lending.close()


async def test_a_connection_is_lent_again(pool: Pool):
    first = await pool.acquire()
    pool.release(first)
    assert await pool.acquire() is first
    assert pool.usage() == (1, 0)
    pool.release(first)
    assert pool.usage() == (0, 1)


async def test_no_more_than_its_size_are_lent_and_waiting_ends(pool: Pool):
    lent = [await pool.acquire() for _ in range(2)]
    with pytest.raises(DatabaseUnavailable):
        await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0.05)
    pool.release(lent[0])
    assert await waiting is lent[0]
    for each in lent:
        pool.release(each)


async def test_whoever_waits_gets_the_place_of_a_dropped_connection(pool: Pool):
    lent = [await pool.acquire() for _ in range(2)]
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0.05)
    pool.release(lent[0], usable=False)
    fresh = await waiting
    assert fresh not in lent
    for each in (lent[1], fresh):
        pool.release(each)
    assert pool.usage() == (0, 2)


async def test_a_connection_in_the_middle_of_a_transaction_is_not_lent_again(pool: Pool):
    connection = await pool.acquire()
    await connection.execute("begin")
    pool.release(connection)
    assert connection.is_closed()
    assert pool.usage() == (0, 0)


async def test_idle_connections_are_closed_after_a_while(pool: Pool):
    connection = await pool.acquire()
    pool.release(connection)
    await asyncio.sleep(0.5)
    assert connection.is_closed()
    assert pool.usage() == (0, 0)


async def test_a_connection_that_the_server_ended_is_replaced(dsn: str, pool: Pool):
    connection = await pool.acquire()
    pool.release(connection)
    admin = await asyncpg.connect(dsn)
    await admin.execute("select pg_terminate_backend($1)", connection.get_server_pid())
    await admin.close()
    await asyncio.sleep(0.05)
    fresh = await pool.acquire()
    assert await fresh.fetchval("select 1") == 1
    pool.release(fresh)


async def test_an_unreachable_database_is_a_refusal(dsn: str):
    lost = Pool("postgresql://agon@127.0.0.1:1/agon", PoolOptions(name="lost"))
    await lost.open()
    with pytest.raises(DatabaseUnavailable):
        await lost.acquire()
    unknown = Pool(for_database(dsn, "no_such_database"), PoolOptions(name="unknown", size=1))
    await unknown.open()
    for _ in range(3):  # a failed attempt gives its place back
        with pytest.raises((DatabaseUnavailable, asyncpg.InvalidCatalogNameError)):
            await unknown.acquire()
    await lost.close()
    await unknown.close()


async def test_a_waiter_that_gives_up_loses_no_connection(pool: Pool):
    lent = [await pool.acquire() for _ in range(2)]
    for _ in range(50):
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        waiting.cancel()
        pool.release(lent[0])
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        lent[0] = await pool.acquire()
    for each in lent:
        pool.release(each)
    assert pool.usage() == (0, 2)


async def cancelled_at_random(database: Database, seed: int) -> str:
    """Ask for one's own canary and perhaps go away meanwhile; an answer is always one's own."""
    chance = random.Random(seed)
    canary = uuid.uuid4().hex

    async def ask() -> str:
        query = database.fetch(lambda tx: tx.one(ECHO, canary, chance.choice([0, 0.001, 0.003])))
        change = database.transact(lambda tx: tx.one(ECHO, canary, chance.choice([0, 0.001])))
        first, second = await asyncio.gather(query, change)
        assert first == second == canary
        return "answered"

    task = asyncio.create_task(ask())
    if chance.random() < 0.7:
        await asyncio.sleep(chance.random() * 0.006)
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return "cancelled"
    except DatabaseUnavailable:
        return "refused"


async def test_cancelling_anywhere_never_shows_anyone_anothers_answer(dsn: str, open_database: OpenDatabase):
    database = await open_database(dsn, size=4)
    outcomes = {"answered": 0, "cancelled": 0, "refused": 0}
    for batch in range(40):
        for outcome in await asyncio.gather(*(cancelled_at_random(database, batch * 25 + n) for n in range(25))):
            outcomes[outcome] += 1
    assert outcomes["answered"] > 100
    assert outcomes["cancelled"] > 100
    assert database.write.usage()[0] == database.read.usage()[0] == 0
    stuck = await database.fetch(
        lambda tx: tx.one(
            Query(
                "pool.stuck",
                """select count(*) from pg_stat_activity
                   where datname = current_database() and state like 'idle in transaction%'""",
                int,
            )
        )
    )
    assert stuck == 0
