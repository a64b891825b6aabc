"""What fails: run again later, parked in the end, and never in the way of the rest."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest_asyncio

from agon.kernel.errors import DomainError, Refusal
from agon.platform.database.database import Database
from agon.platform.jobs.handlers import job_handler
from agon.platform.jobs.observing import Outcome
from agon.platform.jobs.worker import WorkerOptions
from tests.integration.jobs.workshop import (
    COUNT,
    STORE,
    Polish,
    Record,
    Watcher,
    make,
    opened,
    put,
    tampering,
    until,
    working,
)


@pytest_asyncio.fixture
async def database(dsn: str, watcher: Watcher) -> AsyncGenerator[Database, None]:
    async with opened(dsn, STORE, COUNT) as opened_database:
        yield opened_database


async def test_a_job_that_fails_is_run_again_later(database: Database, dsn: str, watcher: Watcher):
    began: list[float] = []
    record = Record()

    async def polish(job: Polish) -> None:
        began.append(time.monotonic())
        if len(began) < 3:
            raise ValueError("not yet \x00 \ud800")

    await put(database, Polish())
    async with working(database, dsn, job_handler(Polish, polish), observer=record):
        await until(lambda: _attempts(watcher, 1))
        (job,) = await watcher.jobs()
        await watcher.until_empty()
    assert "ValueError: not yet" in job["last_error"]
    assert "test_worker_failures.py" in job["last_error"]
    assert 0.4 < began[1] - began[0] < 3
    assert began[2] - began[1] > 0.9
    assert [outcome for _, outcome in record.outcomes] == [Outcome.RETRIED, Outcome.RETRIED, Outcome.DONE]


async def _attempts(watcher: Watcher, attempts: int) -> bool:
    return [job["attempts"] for job in await watcher.jobs()] == [attempts]


async def test_what_fails_for_the_last_time_is_parked_and_the_rest_goes_on(
    database: Database, dsn: str, watcher: Watcher
):
    record = Record()

    async def polish(job: Polish) -> None:
        if job.mode == "bad":
            raise ValueError(job.mode)

    await put(database, Polish(mode="bad"), *(Polish(number=number) for number in range(20)))
    await watcher.connection.execute("update pgqueuer set payload = '{' where id = (select max(id) from pgqueuer)")
    options = WorkerOptions(poll=0.1)
    async with working(database, dsn, job_handler(Polish, polish, max_attempts=3), options=options, observer=record):
        dead = await watcher.until_status("failed")
    assert [job["attempts"] for job in dead] == [3, 3]
    assert "ValueError: bad" in dead[0]["last_error"]
    assert "DecodeError" in dead[1]["last_error"]
    assert record.outcomes.count(("part.polish", Outcome.DONE)) == 19
    assert record.outcomes.count(("part.polish", Outcome.RETRIED)) == 4
    assert record.outcomes.count(("part.polish", Outcome.DEAD)) == 2


async def test_a_poisoned_event_is_parked_and_later_ones_arrive(database: Database, dsn: str, watcher: Watcher):
    await make(database, "bad", 1)
    await make(database, "good", 1)
    async with tampering(watcher.connection, "event"):
        await watcher.connection.execute("update event set type = 'part.unheard_of' where subject = 'part:bad'")
    async with working(database, dsn, options=WorkerOptions(poll=0.1, max_attempts=2)):
        dead = await watcher.until_status("failed")
        await make(database, "good", 2)
        await until(lambda: watcher.counted("good:1", "good:2"))
    assert sorted(job["name"] for job in dead) == ["event:workshop.count", "event:workshop.store"]
    assert "EventUnknown" in dead[0]["last_error"]


async def test_a_refusal_that_knows_when_to_come_back_is_believed(database: Database, dsn: str, watcher: Watcher):
    class Busy(DomainError):
        code = "WORKSHOP_BUSY"
        refusal = Refusal.UNAVAILABLE
        title = "The workshop is busy."

    async def polish(job: Polish) -> None:
        raise Busy(retry_after=120)

    await put(database, Polish())
    async with working(database, dsn, job_handler(Polish, polish)):
        await until(lambda: _attempts(watcher, 1))
        wait = await watcher.connection.fetchval(
            "select execute_after - now() from pgqueuer where entrypoint = 'part.polish'"
        )
    assert timedelta(seconds=110) < wait < timedelta(seconds=121)


async def test_a_job_that_takes_too_long_is_cut_short(database: Database, dsn: str, watcher: Watcher):
    async def polish(job: Polish) -> None:
        await asyncio.sleep(30)

    await put(database, Polish())
    async with working(database, dsn, job_handler(Polish, polish, timeout=0.2, max_attempts=1)):
        (dead,) = await watcher.until_status("failed")
    assert "JobTimedOut: part.polish took longer than 0.2 s" in dead["last_error"]


async def test_a_handler_that_cancels_itself_has_failed(database: Database, dsn: str, watcher: Watcher):
    async def polish(job: Polish) -> None:
        raise asyncio.CancelledError

    await put(database, Polish())
    async with working(database, dsn, job_handler(Polish, polish, max_attempts=1)):
        (dead,) = await watcher.until_status("failed")
    assert "JobCancelled" in dead["last_error"]
