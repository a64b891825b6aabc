"""Taking back the jobs of dead workers: who is blamed, who is parked, and whose turn merely comes again."""

import uuid
from collections.abc import AsyncGenerator
from typing import Any

import pytest_asyncio

from agon.platform.database.dedicated import DedicatedConnection, DedicatedOptions
from agon.platform.jobs.reaper import reap
from tests.integration.jobs.workshop import Watcher

TIMEOUT = 0.2
MOST = {"part.polish": 3}


@pytest_asyncio.fixture
async def connection(dsn: str) -> AsyncGenerator[DedicatedConnection, None]:
    made = DedicatedConnection(dsn, DedicatedOptions(name="reaper"))
    await made.fetch("select pg_sleep(0.25)")
    yield made
    await made.close()


async def picked(
    watcher: Watcher, worker: uuid.UUID, attempts: int, *, silent: float = 1.0, name: str = "part.polish"
) -> int:
    return await watcher.connection.fetchval(
        """insert into pgqueuer (priority, status, entrypoint, attempts, queue_manager_id, heartbeat)
           values (0, 'picked', $1, $2, $3, now() - $4 * interval '1 second') returning id""",
        name,
        attempts,
        worker,
        silent,
    )


async def state(watcher: Watcher) -> dict[int, tuple[Any, ...]]:
    return {job["id"]: (job["name"], job["status"], job["attempts"]) for job in await watcher.jobs()}


async def test_all_that_a_dead_worker_had_are_suspects_and_none_is_parked_on_suspicion(
    watcher: Watcher, connection: DedicatedConnection
):
    worker = uuid.uuid4()
    first, last = await picked(watcher, worker, 0), await picked(watcher, worker, 2)
    reaped = await reap(connection, TIMEOUT, MOST)
    assert {each.job_id: (each.name, each.dead) for each in reaped} == {
        first: ("part.polish", False),
        last: ("part.polish", False),
    }
    assert await state(watcher) == {
        first: ("suspect:part.polish", "queued", 1),
        last: ("suspect:part.polish", "queued", 3),
    }


async def test_a_suspect_is_to_blame_and_its_neighbours_are_not(watcher: Watcher, connection: DedicatedConnection):
    worker = uuid.uuid4()
    guilty = await picked(watcher, worker, 2, name="suspect:part.polish")
    neighbour = await picked(watcher, worker, 2)
    reaped = await reap(connection, TIMEOUT, MOST)
    assert [(each.job_id, each.name) for each in reaped if each.dead] == [(guilty, "part.polish")]
    assert await state(watcher) == {guilty: ("part.polish", "failed", 3), neighbour: ("part.polish", "queued", 2)}


async def test_a_suspect_with_attempts_left_stays_one(watcher: Watcher, connection: DedicatedConnection):
    guilty = await picked(watcher, uuid.uuid4(), 1, name="suspect:part.polish")
    await reap(connection, TIMEOUT, MOST)
    assert await state(watcher) == {guilty: ("suspect:part.polish", "queued", 2)}
    wait = await watcher.connection.fetchval(
        "select extract(epoch from execute_after - now()) from pgqueuer where id = $1", guilty
    )
    assert 0.9 < wait <= 2


async def test_a_job_that_was_alone_needs_no_second_proof(watcher: Watcher, connection: DedicatedConnection):
    alone = await picked(watcher, uuid.uuid4(), 2)
    await reap(connection, TIMEOUT, MOST)
    assert await state(watcher) == {alone: ("part.polish", "failed", 3)}


async def test_a_kind_that_this_worker_does_not_know_has_the_usual_attempts(
    watcher: Watcher, connection: DedicatedConnection
):
    few, many = [await picked(watcher, uuid.uuid4(), attempts, name="part.strange") for attempts in (6, 7)]
    await reap(connection, TIMEOUT, MOST)
    assert await state(watcher) == {few: ("suspect:part.strange", "queued", 7), many: ("part.strange", "failed", 8)}


async def test_a_living_worker_keeps_its_jobs_but_for_one_it_never_heard_of(dsn: str, watcher: Watcher):
    worker = uuid.uuid4()
    running, late, lost = [await picked(watcher, worker, 1, silent=seconds) for seconds in (0, 1.5, 3)]
    connection = DedicatedConnection(dsn, DedicatedOptions(name="reaper"))
    await connection.fetch("select pg_sleep(1)")
    await watcher.connection.execute("update pgqueuer set heartbeat = now() where id = $1", running)
    await watcher.connection.execute("update pgqueuer set heartbeat = now() - interval '1.5 s' where id = $1", late)
    assert [each.job_id for each in await reap(connection, 1, MOST)] == [lost]
    assert await state(watcher) == {
        running: ("part.polish", "picked", 1),
        late: ("part.polish", "picked", 1),
        lost: ("part.polish", "queued", 1),
    }
    await connection.close()


async def test_nobody_is_dead_just_after_the_database_came_back(dsn: str, watcher: Watcher):
    job = await picked(watcher, uuid.uuid4(), 0, silent=60)
    connection = DedicatedConnection(dsn, DedicatedOptions(name="reaper"))
    await connection.fetch("select 1")
    assert await reap(connection, 5, MOST) == []
    assert await state(watcher) == {job: ("part.polish", "picked", 0)}
    await connection.close()


async def test_who_was_heard_of_lately_lives(dsn: str, watcher: Watcher):
    job = await picked(watcher, uuid.uuid4(), 0, silent=0)
    connection = DedicatedConnection(dsn, DedicatedOptions(name="reaper"))
    await connection.fetch("select pg_sleep(1)")
    await watcher.connection.execute("update pgqueuer set heartbeat = now() - interval '0.5 s' where id = $1", job)
    assert await reap(connection, 1, MOST) == []
    assert await state(watcher) == {job: ("part.polish", "picked", 0)}
    await connection.close()
