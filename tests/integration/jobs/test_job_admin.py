"""Looking at jobs and events, and deciding about what failed."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from agon.kernel.errors import DomainError
from agon.kernel.ids import new_id
from agon.kernel.paging import PageRequest
from agon.platform.database.database import Database
from agon.platform.events.history import DeliveryState, EventNotFound, list_events, show_event
from agon.platform.events.subscribers import subscriber
from agon.platform.jobs import admin
from agon.platform.jobs.admin import JobNotDead, JobNotFound, JobState, JobWaitsAlready
from agon.platform.jobs.figures import queue_figures
from agon.platform.jobs.handlers import job_handler
from agon.platform.jobs.worker import WorkerOptions
from tests.integration.jobs.workshop import PartMade, Polish, Watcher, make, note, opened, put, until, working

broken = True


async def count_or_fail(tx, event: PartMade) -> None:
    if broken and event.number == 2:
        raise ValueError("this part is broken")
    await note(tx, "counted", event.number)


PICKY = subscriber("workshop.picky_count", PartMade, count_or_fail, ordered=True)


@pytest_asyncio.fixture
async def dsn(fresh_dsn: str) -> str:
    """These tests count what is there: they need a database of their own."""
    return fresh_dsn


@pytest_asyncio.fixture
async def database(dsn: str, watcher: Watcher) -> AsyncGenerator[Database, None]:
    async with opened(dsn, PICKY) as opened_database:
        yield opened_database


@pytest.fixture
def batch() -> str:
    return new_id().hex


async def polish(job: Polish) -> None:
    if broken:
        raise ValueError(f"no polish for {job.number}")


async def run_until_dead(database: Database, dsn: str, watcher: Watcher, dead: int) -> list[int]:
    options = WorkerOptions(poll=0.1, max_attempts=2)

    async def reached() -> bool:
        await watcher.hurry()
        statuses = [job["status"] for job in await watcher.jobs()]
        return statuses == ["failed"] * dead

    async with working(database, dsn, job_handler(Polish, polish, max_attempts=2), options=options):
        await until(reached)
    return [job["id"] for job in await watcher.jobs()]


async def work_off(database: Database, dsn: str, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.broken", False)
    async with working(database, dsn, job_handler(Polish, polish)):
        await watcher.until_empty()


async def test_jobs_are_counted_and_listed_by_state(database: Database, dsn: str, watcher: Watcher):
    await put(database, Polish(number=1))
    (dead,) = await run_until_dead(database, dsn, watcher, 1)
    await put(database, *(Polish(number=number) for number in range(5)))
    await put(database, Polish(number=9), run_at=datetime.now(UTC) + timedelta(hours=1))
    await watcher.connection.execute(
        """update pgqueuer set status = 'picked', entrypoint = 'suspect:part.polish'
           where id = (select min(id) from pgqueuer where status = 'queued')"""
    )
    counts = {each.state: each.count for each in await database.fetch(admin.count_jobs) if each.name == "part.polish"}
    assert counts == {"dead": 1, "waiting": 4, "scheduled": 1, "running": 1}
    figures = await database.fetch(queue_figures)
    assert figures.depth["part.polish"] == 4
    assert figures.dead >= 1
    assert figures.running >= 1
    assert 0 < figures.oldest_seconds < 60

    request = PageRequest(limit=3)
    seen = []
    while True:
        page = await database.fetch(
            lambda tx, request=request: admin.list_jobs(tx, request, state=JobState.WAITING, name="part.polish")
        )
        seen += [job.id for job in page.items]
        if page.next_cursor is None:
            break
        request = PageRequest(limit=3, cursor=page.next_cursor)
    assert len(seen) == 4
    assert seen == sorted(seen, reverse=True)
    running = await database.fetch(lambda tx: admin.list_jobs(tx, PageRequest(), state=JobState.RUNNING))
    assert [(job.name, job.suspect) for job in running.items] == [("part.polish", True)]
    assert dead not in seen


async def test_a_dead_job_tells_why_and_can_be_run_again(
    database: Database, dsn: str, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
):
    await put(database, Polish(number=7))
    (job_id,) = await run_until_dead(database, dsn, watcher, 1)
    details = await database.fetch(lambda tx: admin.show_job(tx, job_id))
    assert details.job.state == JobState.DEAD
    assert details.job.attempts == 2
    assert "ValueError: no polish for 7" in (details.job.last_error or "")
    assert len(details.failures) == 2
    assert all("no polish for 7" in failure.traceback for failure in details.failures)

    await database.transact(lambda tx: admin.requeue_job(tx, job_id))
    assert [(job["status"], job["attempts"]) for job in await watcher.jobs()] == [("queued", 0)]
    await work_off(database, dsn, watcher, monkeypatch)
    audited = await watcher.connection.fetchrow("select * from audit_log where target_id = $1", str(job_id))
    assert (audited["action"], audited["target_type"]) == ("job.requeue", "job")
    with pytest.raises(JobNotFound):
        await database.fetch(lambda tx: admin.show_job(tx, job_id))


async def test_all_dead_jobs_of_a_name_are_run_again_but_those_that_were_replaced(
    database: Database, dsn: str, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
):
    await put(database, Polish(number=1), Polish(number=2))
    for dead in (4, 6):
        await put(database, Polish(number=3), key="part:3")
        await put(database, Polish(number=4), key="part:4")
        ids = await run_until_dead(database, dsn, watcher, dead)
    await put(database, Polish(number=4), key="part:4")
    with pytest.raises(JobWaitsAlready):
        await database.transact(lambda tx: admin.requeue_job(tx, ids[-1]))
    assert await database.transact(lambda tx: admin.requeue_jobs(tx, "part.polish")) == 3
    assert [job["status"] for job in await watcher.jobs()].count("failed") == 3
    monkeypatch.setattr(f"{__name__}.broken", False)
    async with working(database, dsn, job_handler(Polish, polish)):
        await until(lambda: _only_dead(watcher))


async def _only_dead(watcher: Watcher) -> bool:
    return {job["status"] for job in await watcher.jobs()} == {"failed"}


async def test_an_event_shows_what_became_of_it(
    database: Database, dsn: str, watcher: Watcher, batch: str, monkeypatch: pytest.MonkeyPatch
):
    await make(database, batch, 1, 2, 3)
    await run_until_dead(database, dsn, watcher, 2)
    page = await database.fetch(lambda tx: list_events(tx, PageRequest(), subject=f"part:{batch}"))
    third, second, first = page.items
    assert '"number": 2' in second.data

    async def delivery(event_id):
        details = await database.fetch(lambda tx: show_event(tx, event_id, database.subscriptions))
        (found,) = details.deliveries
        assert found.subscriber == PICKY.name
        return found

    assert (await delivery(first.id)).state is DeliveryState.HANDLED
    failed = await delivery(second.id)
    assert failed.state is DeliveryState.DEAD
    assert "this part is broken" in (failed.last_error or "")
    assert (await delivery(third.id)).state is DeliveryState.DEAD
    with pytest.raises(EventNotFound):
        await database.fetch(lambda tx: show_event(tx, new_id(), database.subscriptions))


async def test_an_event_that_is_given_up_lets_later_ones_of_its_subject_pass(
    database: Database, dsn: str, watcher: Watcher, batch: str
):
    await make(database, batch, 1, 2, 3)
    second, third = await run_until_dead(database, dsn, watcher, 2)
    await database.transact(lambda tx: admin.discard_job(tx, second, "it was made of wood"))
    await database.transact(lambda tx: admin.requeue_job(tx, third))
    async with working(database, dsn):
        await watcher.until_empty()
    assert await watcher.items("counted") == ["1", "3"]
    audited = await watcher.connection.fetchrow("select * from audit_log where target_id = $1", str(second))
    assert (audited["action"], audited["reason"]) == ("job.discard", "it was made of wood")


async def test_a_dead_job_without_a_readable_payload_can_be_discarded(database: Database, watcher: Watcher):
    job_id = await watcher.connection.fetchval(
        """insert into pgqueuer (priority, status, entrypoint, payload)
           values (0, 'failed', 'event:workshop.picky_count', '{') returning id"""
    )
    await database.transact(lambda tx: admin.discard_job(tx, job_id))
    assert await watcher.jobs() == []


@pytest.mark.parametrize("decide", [admin.requeue_job, admin.discard_job])
async def test_only_dead_jobs_can_be_decided_about(database: Database, watcher: Watcher, decide):
    await put(database, Polish())
    (job,) = await watcher.jobs()
    for job_id, error in ((job["id"], JobNotDead), (-1, JobNotFound)):
        expected: type[DomainError] = error
        with pytest.raises(expected):
            await database.transact(lambda tx, job_id=job_id: decide(tx, job_id))


@pytest.mark.parametrize("by", ["nothing", "type", "subject"])
async def test_events_are_listed_newest_first_page_by_page(database: Database, batch: str, by: str):
    before = datetime.now(UTC)
    for number in range(7):
        await make(database, batch, number)
    filters = {"nothing": {"since": before}, "type": {"event_type": "part.made", "since": before}}
    chosen = filters.get(by, {"subject": f"part:{batch}", "event_type": "part.made", "since": before})
    numbers, cursor = [], None
    while True:
        request = PageRequest(limit=3, cursor=cursor)
        page = await database.fetch(lambda tx, request=request: list_events(tx, request, **chosen))
        numbers += [event.seq for event in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(numbers) == 7
    assert numbers == sorted(numbers, reverse=True)
    unknown = await database.fetch(lambda tx: list_events(tx, PageRequest(), subject="part:nowhere"))
    assert unknown.items == []
