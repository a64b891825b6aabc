"""The worker: what it runs, what it does with what fails, and how it stops."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from agon.kernel.errors import DomainError, Refusal
from agon.kernel.events import Job
from agon.kernel.tx import Tx
from agon.platform.context import RequestContext, current, enter
from agon.platform.database.database import Database
from agon.platform.events.subscribers import subscriber
from agon.platform.jobs.handlers import job_handler
from agon.platform.jobs.observing import Outcome, SilentJobs
from agon.platform.jobs.worker import WorkerOptions
from tests.integration.jobs.workshop import (
    COUNT,
    STORE,
    PartMade,
    Polish,
    Watcher,
    make,
    name_part,
    note,
    opened,
    put,
    tampering,
    until,
    watching,
    working,
)


class Paint(Job, frozen=True, kw_only=True):
    name = "part.paint"
    number: int = 0


class Record(SilentJobs):
    """Remembers what the worker says about its jobs."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Outcome]] = []
        self.lags: list[float] = []

    def finished(self, name: str, outcome: Outcome, seconds: float, lag: float) -> None:
        self.outcomes.append((name, outcome))
        self.lags.append(lag)


@pytest_asyncio.fixture
async def watcher(dsn: str) -> AsyncGenerator[Watcher, None]:
    async with watching(dsn) as watching_it:
        yield watching_it


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
    assert "test_worker.py" in job["last_error"]
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
        await until(lambda: _counted(watcher, ["good:1", "good:2"]))
    assert sorted(job["name"] for job in dead) == ["event:workshop.count", "event:workshop.store"]
    assert "EventUnknown" in dead[0]["last_error"]


async def _counted(watcher: Watcher, expected: list[str]) -> bool:
    return await watcher.items("counted") == expected


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
        await until(lambda: _counted(watcher, ["b:1"]))
        await until(lambda: _is(lambda: painted == [7]))
        assert running == 4
        release.set()
        await watcher.until_empty()
    assert most == 4


async def _is(condition) -> bool:
    return condition()


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
