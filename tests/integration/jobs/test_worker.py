"""The worker: what it runs, when, in whose name, and how it stops."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from agon.kernel.events import Job
from agon.kernel.tx import Tx
from agon.platform.context import RequestContext, current, enter
from agon.platform.database.database import Database
from agon.platform.events.subscribers import subscriber
from agon.platform.jobs.handlers import job_handler
from agon.platform.jobs.observing import Outcome
from agon.platform.jobs.worker import WorkerOptions
from tests.integration.jobs.workshop import (
    COUNT,
    STORE,
    PartMade,
    Polish,
    Record,
    Watcher,
    make,
    name_part,
    note,
    opened,
    put,
    until,
    working,
)


class Paint(Job, frozen=True, kw_only=True):
    name = "part.paint"
    number: int = 0


@pytest_asyncio.fixture
async def database(dsn: str, watcher: Watcher) -> AsyncGenerator[Database, None]:
    async with opened(dsn, STORE, COUNT) as opened_database:
        yield opened_database


async def test_what_commits_is_delivered_and_what_is_rolled_back_is_not(database: Database, dsn: str, watcher: Watcher):
    async def taken_back(tx: Tx) -> None:
        tx.record(PartMade(batch="b", number=2))
        tx.enqueue(Polish(number=2))
        raise ZeroDivisionError

    polished: list[int] = []

    async def polish(job: Polish) -> None:
        polished.append(job.number)

    async with working(database, dsn, job_handler(Polish, polish)):
        await make(database, "b", 1)
        with pytest.raises(ZeroDivisionError):
            await database.transact(taken_back)
        await make(database, "b", 3)
        await put(database, Polish(number=3))
        await watcher.until_empty()
    assert sorted(await watcher.items("stored")) == ["1", "3"]
    assert await watcher.items("counted") == ["b:1", "b:3"]
    assert polished == [3]


async def test_a_commit_wakes_the_worker_long_before_it_would_look(database: Database, dsn: str, watcher: Watcher):
    async with working(database, dsn, options=WorkerOptions(poll=30)):
        await make(database, "b", 0)
        await watcher.until_empty()
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await make(database, "b", 1)
        await watcher.until_empty()
    assert time.monotonic() - began < 2


async def test_work_whose_wake_up_was_lost_is_found_all_the_same(
    database: Database, dsn: str, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
):
    async with working(database, dsn, options=WorkerOptions(poll=0.3)):
        await make(database, "b", 0)
        await watcher.until_empty()
        monkeypatch.setattr(database._wakeups, "wake", lambda **_: None)
        await make(database, "b", 1)
        await watcher.until_empty(5)
    assert await watcher.items("counted") == ["b:0", "b:1"]


async def test_a_job_waits_for_its_time(database: Database, dsn: str, watcher: Watcher):
    done: list[datetime] = []

    async def polish(job: Polish) -> None:
        done.append(datetime.now(UTC))

    due = datetime.now(UTC) + timedelta(seconds=0.8)
    await put(database, Polish(), run_at=due)
    async with working(database, dsn, job_handler(Polish, polish), options=WorkerOptions(poll=30)):
        await watcher.until_empty()
    assert timedelta(seconds=-0.05) < done[0] - due < timedelta(seconds=1)


async def test_slow_jobs_fill_their_own_lane_only(database: Database, dsn: str, watcher: Watcher):
    running = most = 0
    release = asyncio.Event()

    async def polish(job: Polish) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    painted: list[int] = []

    async def paint(job: Paint) -> None:
        painted.append(job.number)

    await put(database, *(Polish(number=number) for number in range(20)))
    handlers = job_handler(Polish, polish), job_handler(Paint, paint, lane="paint")
    async with working(database, dsn, *handlers, options=WorkerOptions(concurrency=4, poll=0.2)):
        await until(lambda: _is(lambda: running == 4))
        await make(database, "b", 1)
        await put(database, Paint(number=7))
        await until(lambda: watcher.counted("b:1"))
        await until(lambda: _is(lambda: painted == [7]))
        assert running == 4
        release.set()
        await watcher.until_empty()
    assert most == 4


async def _is(condition) -> bool:
    return condition()


async def test_a_place_that_becomes_free_is_filled_at_once(database: Database, dsn: str, watcher: Watcher):
    async def polish(job: Polish) -> None:
        await asyncio.sleep(0.01)

    await put(database, *(Polish(number=number) for number in range(5)))
    options = WorkerOptions(concurrency=1, poll=30)
    async with working(database, dsn, job_handler(Polish, polish), options=options):
        await watcher.until_empty(15)


async def test_a_handler_acts_in_the_name_and_trace_of_what_caused_it(dsn: str, watcher: Watcher):
    seen: list[str] = []

    async def polish(job: Polish) -> None:
        context = current()
        seen.append(f"{context.actor} {context.request_id} {context.trace_parent}")

    async def name_and_polish(tx: Tx, event: PartMade) -> None:
        await name_part(tx, event)
        tx.enqueue(Polish())

    async def request(database: Database) -> None:
        enter(RequestContext(request_id="r-1", trace_parent="00-aa-bb-01", actor="account:1"))
        await make(database, "b", 1)

    async with (
        opened(dsn, subscriber("workshop.name", PartMade, name_and_polish)) as database,
        working(database, dsn, job_handler(Polish, polish)),
    ):
        await asyncio.create_task(request(database))
        await watcher.until_empty()
    assert await watcher.items("context") == ["subscriber:workshop.name r-1 00-aa-bb-01"]
    assert seen == ["job:part.polish r-1 00-aa-bb-01"]


async def test_lag_counts_from_the_event(database: Database, dsn: str, watcher: Watcher):
    record = Record()
    await make(database, "b", 1)
    await asyncio.sleep(0.5)
    async with working(database, dsn, observer=record):
        await watcher.until_empty()
    assert len(record.lags) == 2
    assert all(0.4 < lag < 5 for lag in record.lags)


async def test_stopping_lets_running_jobs_finish_and_takes_no_others(database: Database, dsn: str, watcher: Watcher):
    begun = asyncio.Event()
    release = asyncio.Event()

    async def polish(job: Polish) -> None:
        begun.set()
        await release.wait()
        await database.transact(lambda tx: note(tx, "polished", job.number))

    await put(database, Polish(number=1), Polish(number=2))
    options = WorkerOptions(concurrency=1, poll=0.2)
    async with working(database, dsn, job_handler(Polish, polish), options=options) as worker:
        await begun.wait()
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0.1)
        release.set()
        await stopping
    assert await watcher.items("polished") == ["1"]
    assert [(job["status"], job["attempts"]) for job in await watcher.jobs()] == [("queued", 0)]


async def test_stopping_hands_back_what_does_not_finish_in_time(database: Database, dsn: str, watcher: Watcher):
    begun = asyncio.Event()
    record = Record()

    async def polish(job: Polish) -> None:
        begun.set()
        await asyncio.sleep(60)

    await put(database, Polish())
    before = asyncio.all_tasks()
    options = WorkerOptions(stop_timeout=0.2)
    async with working(database, dsn, job_handler(Polish, polish), options=options, observer=record) as worker:
        await begun.wait()
        began = time.monotonic()
        await worker.stop()
    assert time.monotonic() - began < 3
    assert [(job["status"], job["attempts"]) for job in await watcher.jobs()] == [("queued", 0)]
    assert record.outcomes == [("part.polish", Outcome.HANDED_BACK)]
    assert {task for task in asyncio.all_tasks() - before if "wakeups" not in task.get_name()} == set()
