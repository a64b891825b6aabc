"""The worker while its database is away: it waits, comes back, loses nothing and repeats nothing in effect."""

import asyncio
import time
from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio

from agon.kernel.tx import Tx
from agon.platform.database.dedicated import ConnectionClosed, DedicatedConnection, DedicatedOptions
from agon.platform.events.subscribers import subscriber
from agon.platform.jobs.handlers import job_handler
from agon.platform.jobs.worker import WorkerOptions
from tests.integration.jobs.cable import Cable, cable_to
from tests.integration.jobs.workshop import (
    COUNT,
    CRASH_TIMEOUT,
    SLEEP,
    PartMade,
    Polish,
    Watcher,
    make,
    note,
    opened,
    put,
    until,
    working,
)


@pytest_asyncio.fixture
async def cable(dsn: str) -> AsyncGenerator[Cable, None]:
    async with cable_to(dsn) as joined:
        yield joined


async def _counted(watcher: Watcher, count: int) -> bool:
    return len(await watcher.items("counted")) == count


async def test_terminated_connections_are_made_again(dsn: str, watcher: Watcher):
    async with opened(dsn, COUNT) as database, working(database, dsn):
        for number in range(3):
            await make(database, "again", number)
            await until(lambda: _counted(watcher, number + 1))  # noqa: B023 - awaited in the same round
            ended = await watcher.connection.fetchval(
                """select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where application_name = 'agon-worker' and datname = current_database()"""
            )
            assert ended >= 1
    assert await watcher.items("counted") == ["again:0", "again:1", "again:2"]


async def test_an_outage_loses_no_event_and_repeats_none(dsn: str, watcher: Watcher, cable: Cable):
    async def store_slowly(tx: Tx, event: PartMade) -> None:
        await note(tx, "stored", event.number)
        await tx.one(SLEEP, 0.02)

    slow = subscriber("workshop.store", PartMade, store_slowly)
    before = asyncio.all_tasks()
    async with opened(dsn, slow, COUNT) as maker, opened(cable.dsn, slow, COUNT) as database:
        await make(maker, "outage", *range(150))
        async with working(database, cable.dsn):
            for _ in range(3):
                await asyncio.sleep(0.3)
                cable.cut()
                await asyncio.sleep(0.3)
                await cable.join()
            await until(lambda: _emptied(watcher), 60)
    assert sorted(map(int, await watcher.items("stored"))) == list(range(150))
    assert await watcher.items("counted") == [f"outage:{number}" for number in range(150)]
    await asyncio.sleep(0.1)
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not {name for name in left if not name.startswith(("wakeups", "Task-"))}
    assert len(left) < 5


async def _emptied(watcher: Watcher) -> bool:
    await watcher.hurry()
    return await watcher.empty()


async def test_a_job_that_runs_through_an_outage_is_not_run_again(dsn: str, watcher: Watcher, cable: Cable):
    runs = 0

    async def polish(job: Polish) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(1.8 * CRASH_TIMEOUT)

    options = WorkerOptions(poll=0.1, crash_timeout=CRASH_TIMEOUT)
    async with opened(dsn) as database, working(database, dsn, options=options):
        await put(database, Polish())
        async with working(database, cable.dsn, job_handler(Polish, polish), options=options):
            await until(lambda: _is(lambda: runs == 1))
            cable.cut()
            await asyncio.sleep(CRASH_TIMEOUT / 2)
            await cable.join()
            await watcher.until_empty()
    assert runs == 1


async def _is(condition) -> bool:
    return condition()


async def test_everyone_is_given_time_after_an_outage(dsn: str, watcher: Watcher, cable: Cable):
    runs = 0

    async def polish(job: Polish) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(2.2 * CRASH_TIMEOUT)

    async with opened(dsn) as database:
        await put(database, Polish())
        async with working(database, cable.dsn, job_handler(Polish, polish)):
            await until(lambda: _is(lambda: runs == 1))
            cable.cut()
            await asyncio.sleep(1.5 * CRASH_TIMEOUT)
            await cable.join()
            await watcher.until_empty()
    assert runs == 1


async def test_a_worker_that_starts_before_its_database_waits_for_it(dsn: str, watcher: Watcher, cable: Cable):
    async with opened(dsn, COUNT) as maker, opened(cable.dsn, COUNT) as database:
        await make(maker, "early", 1)
        cable.cut()
        async with working(database, cable.dsn):
            await asyncio.sleep(0.3)
            await cable.join()
            await until(lambda: _emptied(watcher))


async def test_a_worker_can_stop_while_its_database_is_away(dsn: str, watcher: Watcher, cable: Cable):
    begun = asyncio.Event()

    async def polish(job: Polish) -> None:
        begun.set()
        await asyncio.sleep(60)

    async with opened(dsn) as database:
        await put(database, Polish())
        options = WorkerOptions(poll=0.1, crash_timeout=CRASH_TIMEOUT, stop_timeout=0.3)
        async with working(database, cable.dsn, job_handler(Polish, polish), options=options) as worker:
            await begun.wait()
            cable.cut()
            began = time.monotonic()
            await worker.stop()
        assert time.monotonic() - began < 4
        assert [job["status"] for job in await watcher.jobs()] == ["picked"]
        done: list[int] = []

        async def finish(job: Polish) -> None:
            done.append(job.number)

        async with working(database, dsn, job_handler(Polish, finish)):
            await until(lambda: _emptied(watcher))
        assert done == [0]


async def test_a_dead_line_is_noticed_and_listening_begins_anew(dsn: str, cable: Cable):
    options = DedicatedOptions(name="listener", statement_timeout=0.3, connect_timeout=1)
    connection = DedicatedConnection(cable.dsn, options)
    heard: list[str] = []
    await connection.listen("workshop", heard.append)
    assert (await connection.fetch("select 1"))[0][0] == 1
    cable.hold()
    asking = asyncio.create_task(connection.fetch("select 2"))
    await asyncio.sleep(0.6)
    assert connection.connected_for() == 0
    cable.release()
    assert (await asking)[0][0] == 2
    await connection.execute("select pg_notify('workshop', 'hello')")
    await until(lambda: _is(lambda: heard == ["hello"]))
    await connection.close()


async def test_our_own_mistakes_are_raised_and_a_closed_connection_lets_go(dsn: str, cable: Cable):
    connection = DedicatedConnection(cable.dsn, DedicatedOptions(name="mistaken"))
    with pytest.raises(asyncpg.InterfaceError):
        await connection.fetch("select $1::text")
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetch("select * from nowhere")
    cable.cut()
    asking = asyncio.create_task(connection.fetch("select 1"))
    await asyncio.sleep(0.2)
    await connection.close()
    with pytest.raises(ConnectionClosed):
        await asking
