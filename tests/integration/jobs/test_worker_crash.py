"""Workers that are killed: what they had is taken up, has one effect, and does not kill workers for ever."""

import random
from collections.abc import Callable, Iterator

import pytest

from tests.integration.jobs.workshop import (
    COUNT,
    STORE,
    Polish,
    Watcher,
    WorkerProcess,
    make,
    opened,
    put,
    until,
    working,
)

Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(dsn: str) -> Iterator[Start]:
    started: list[WorkerProcess] = []

    def starting(**options: object) -> WorkerProcess:
        started.append(WorkerProcess(dsn, **options))
        return started[-1]

    yield starting
    for process in started:
        process.kill()


async def duplicate(watcher: Watcher, seed: int) -> None:
    """Deliver each event one to five times, in any order."""
    jobs = await watcher.connection.fetch("select entrypoint, payload from pgqueuer where entrypoint like 'event:%'")
    chance = random.Random(seed)
    again = [job for job in jobs for _ in range(chance.randint(0, 4))]
    chance.shuffle(again)
    await watcher.connection.executemany(
        "insert into pgqueuer (priority, status, entrypoint, payload, headers) values (0, 'queued', $1, $2, '{}')",
        [(job["entrypoint"], job["payload"]) for job in again],
    )
    await watcher.connection.execute("update pgqueuer set priority = (random() * 1000)::int")


async def stored(watcher: Watcher, at_least: int) -> bool:
    return len(await watcher.items("stored")) >= at_least


async def test_killed_workers_lose_nothing_and_repeat_nothing_in_effect(dsn: str, watcher: Watcher, start: Start):
    async with opened(dsn, STORE, COUNT) as database:
        await make(database, "killed", *range(150))
        await duplicate(watcher, 11)
        victim, _ = start(slowly=0.01), start(slowly=0.01)
        await until(lambda: stored(watcher, 20), 60)
        victim.kill()

        async def emptied() -> bool:
            await watcher.hurry()
            return await watcher.empty()

        async with working(database, dsn):
            await until(emptied, 60)
    assert sorted(map(int, await watcher.items("stored"))) == list(range(150))
    assert await watcher.items("counted") == [f"killed:{number}" for number in range(150)]


async def test_a_job_that_kills_its_worker_is_parked_and_its_neighbours_are_done(
    dsn: str, watcher: Watcher, start: Start
):
    async with opened(dsn) as database:
        await put(database, Polish(mode="deadly"), *(Polish(number=number) for number in range(1, 6)))

        async def parked() -> bool:
            nonlocal process
            if process.gone():
                process = start(attempts=2)
            await watcher.hurry()
            return [job["status"] for job in await watcher.jobs()] == ["failed"]

        process = start(attempts=2)
        await until(parked, 60)
    (dead,) = await watcher.jobs()
    assert dead["attempts"] == 2
    assert "died" in dead["last_error"]
    assert set(await watcher.items("polished")) == {"1", "2", "3", "4", "5"}
