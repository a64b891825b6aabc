"""Work that is due by a timetable: each due run happens once, whichever worker comes first."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import croniter
import msgspec
import structlog

from agon.kernel.constraints import refuses
from agon.kernel.errors import DomainError
from agon.kernel.tx import Query, Tx
from agon.platform.database.database import Database
from agon.platform.database.unit import UnitOfWork
from agon.platform.jobs.queue import QueuedJob, enqueue

PERIODIC_PREFIX = "periodic:"
_LONGEST_SLEEP = 30.0
_AFTER_FAILURE = 1.0
_log = structlog.get_logger(__name__)
_cron: Any = croniter.croniter  # it carries no types

refuses(periodic_run_pkey="a second row becomes an update")

_CLAIM = Query(
    "periodic.claim",
    """insert into periodic_run (name, slot) select * from unnest($1::text[], $2::timestamptz[])
       on conflict (name) do update set slot = excluded.slot where periodic_run.slot < excluded.slot
       returning name""",
    str,
)


class Periodic(msgspec.Struct, frozen=True):
    """Work that is done again and again.

    `cron` has five fields (minute, hour, day, month, weekday), or six with the second as the last one; times are UTC.
    A run that was missed, because no worker was there, is made up for once. A run that goes on while the next is due
    makes that one be left out. A run that fails is not repeated: the next one is due anyway.
    """

    name: str
    cron: str
    run: Callable[[], Awaitable[None]]
    timeout: float = 300.0

    @property
    def job_name(self) -> str:
        return f"{PERIODIC_PREFIX}{self.name}"

    def last_due(self, now: datetime) -> datetime:
        """The latest due moment that is not after `now`."""
        return cast("datetime", _cron(self.cron, now + timedelta(microseconds=1)).get_prev(datetime)).astimezone(UTC)

    def next_due(self, now: datetime) -> datetime:
        """The first due moment after `now`."""
        return cast("datetime", _cron(self.cron, now).get_next(datetime)).astimezone(UTC)


class Timetable:
    """Puts periodic work into the queue when it is due.

    The claim of a due moment and the job commit together, so that a crash loses neither and repeats neither. PgQueuer's
    scheduler does not give that: it computes the next moment by the worker's clock and adds it to the database's, so
    that a claim within the last milliseconds before a due moment leaves the schedule due again; and a run whose worker
    dies is not an attempt of anything.
    """

    def __init__(self, database: Database, periodics: Iterable[Periodic], on_claim: Callable[[], None]) -> None:
        self._database = database
        self._periodics = sorted(periodics, key=lambda each: each.name)
        self._on_claim = on_claim
        self._claimed: dict[str, datetime] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Claim what is due until told to stop."""
        while self._periodics and not stopping.is_set():
            try:
                await self.claim()
                seconds = self._until_next()
            except (DomainError, OSError, asyncpg.PostgresError) as error:
                _log.warning("timetable_delayed", reason=type(error).__name__)
                seconds = _AFTER_FAILURE
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), seconds)

    async def claim(self) -> list[str]:
        """Claim every due moment that nobody has claimed; returns the names of the work that was queued."""
        now = self._database.clock.now()
        due = {each.job_name: each.last_due(now) for each in self._periodics}
        new = {name: slot for name, slot in due.items() if self._claimed.get(name) != slot}
        if not new:
            return []

        async def verb(tx: Tx) -> list[str]:
            names = await tx.all(_CLAIM, list(new), list(new.values()))
            if names:
                jobs = [QueuedJob(name, b"", key=name) for name in names]
                await enqueue(cast("UnitOfWork", tx).connection, jobs)
            return names

        names = await self._database.transact(verb)
        self._claimed.update(new)
        if names:
            self._on_claim()
        return names

    def _until_next(self) -> float:
        now = self._database.clock.now()
        soonest = min(each.next_due(now) for each in self._periodics)
        return min(max((soonest - now).total_seconds(), 0.001), _LONGEST_SLEEP)
