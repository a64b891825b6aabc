"""Periodic work: each due run happens once over all workers, missed ones are made up for, none pile up."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agon.kernel.clock import ManualClock
from agon.platform.database.database import Database
from agon.platform.jobs.observing import Outcome, SilentJobs
from agon.platform.jobs.periodic import Periodic, Timetable
from tests.conftest import OpenDatabase
from tests.integration.jobs.workshop import Watcher, opened, until, working


async def nothing() -> None:
    """Work that is only claimed."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 17, 12, 0, 7, tzinfo=UTC))


def timetable(database: Database, *periodics: Periodic) -> Timetable:
    return Timetable(database, periodics, lambda: None)


async def claim_at_once(tables: list[Timetable]) -> list[str]:
    claims = await asyncio.gather(*(table.claim() for table in tables))
    return [name for claim in claims for name in claim]


SWEEP = Periodic("workshop.sweep", "* * * * * */5", nothing)
LOCK_UP = Periodic("workshop.lock_up", "0 18 * * *", nothing)


async def finish(watcher: Watcher) -> None:
    await watcher.connection.execute("delete from pgqueuer where entrypoint like 'periodic:workshop.%'")


async def test_workers_that_come_at_once_claim_a_run_once(
    dsn: str, open_database: OpenDatabase, watcher: Watcher, clock: ManualClock
):
    tables = [timetable(await open_database(dsn, clock=clock), SWEEP, LOCK_UP) for _ in range(4)]
    claimed = await claim_at_once(tables)
    assert sorted(claimed) == [LOCK_UP.job_name, SWEEP.job_name]
    for _ in range(3):
        await finish(watcher)
        clock.advance(timedelta(seconds=5))
        claimed = await claim_at_once(tables)
        assert claimed == [SWEEP.job_name]
        assert [job["name"] for job in await watcher.jobs()] == [SWEEP.job_name]
        assert await claim_at_once(tables) == []


async def test_a_worker_whose_clock_is_behind_repeats_nothing(
    dsn: str, open_database: OpenDatabase, watcher: Watcher, clock: ManualClock
):
    behind = ManualClock(clock.now() - timedelta(seconds=30))
    ahead = timetable(await open_database(dsn, clock=clock), SWEEP)
    assert await ahead.claim() == [SWEEP.job_name]
    assert await timetable(await open_database(dsn, clock=behind), SWEEP).claim() == []


async def test_a_missed_run_is_made_up_for_once(
    dsn: str, open_database: OpenDatabase, watcher: Watcher, clock: ManualClock
):
    database = await open_database(dsn, clock=clock)
    assert await timetable(database, LOCK_UP).claim() == [LOCK_UP.job_name]
    await finish(watcher)
    clock.advance(timedelta(days=3))
    assert await timetable(database, LOCK_UP).claim() == [LOCK_UP.job_name]
    assert len(await watcher.jobs()) == 1


async def test_a_run_that_goes_on_makes_the_next_one_be_left_out(
    dsn: str, open_database: OpenDatabase, watcher: Watcher, clock: ManualClock
):
    table = timetable(await open_database(dsn, clock=clock), SWEEP)
    for _ in range(5):
        await table.claim()
        await watcher.connection.execute(
            "update pgqueuer set status = 'picked' where entrypoint like '%workshop.sweep'"
        )
        clock.advance(timedelta(seconds=5))
    assert len(await watcher.jobs()) == 1


async def test_a_claim_that_is_rolled_back_leaves_the_run_to_others(
    dsn: str, open_database: OpenDatabase, watcher: Watcher, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    database = await open_database(dsn, clock=clock)
    table = timetable(database, SWEEP)
    with monkeypatch.context() as patch:
        patch.setattr("agon.platform.jobs.periodic.enqueue", _fail)
        with pytest.raises(ZeroDivisionError):
            await table.claim()
    assert await table.claim() == [SWEEP.job_name]


async def _fail(*_: object) -> None:
    raise ZeroDivisionError


async def test_workers_run_what_is_due_once_and_go_on_after_a_failure(dsn: str, watcher: Watcher):
    runs: list[datetime] = []
    outcomes: list[Outcome] = []

    async def sweep() -> None:
        runs.append(datetime.now(UTC))
        if len(runs) == 1:
            raise ValueError

    class Record(SilentJobs):
        def finished(self, name: str, outcome: Outcome, seconds: float, lag: float) -> None:
            outcomes.append(outcome)

    every_second = Periodic("workshop.tick", "* * * * * *", sweep)
    async with (
        opened(dsn) as database,
        working(database, dsn, periodic=[every_second], observer=Record()),
        working(database, dsn, periodic=[every_second], observer=Record()),
    ):
        await until(lambda: _ran(runs, 4))
    seconds = [run.replace(microsecond=0) for run in runs]
    assert len(seconds) == len(set(seconds))
    assert outcomes[:2] == [Outcome.DROPPED, Outcome.DONE]
    assert await watcher.jobs() == []


async def _ran(runs: list[datetime], times: int) -> bool:
    return len(runs) >= times
