"""The worker: delivers events, runs jobs and periodic work, until it is told to stop."""

import asyncio
import contextlib
import functools
import uuid
from collections.abc import Iterable
from datetime import timedelta

import asyncpg
import msgspec
import structlog
from pgqueuer.domain.types import QueueManagerId

from agon.platform.database.database import Database
from agon.platform.database.dedicated import ConnectionClosed, DedicatedConnection, DedicatedOptions
from agon.platform.database.errors import DatabaseUnavailable
from agon.platform.events.dispatch import Dispatcher, register
from agon.platform.events.outbox import DELIVERY_PREFIX
from agon.platform.events.subscribers import Subscriptions
from agon.platform.jobs import queue, reaper
from agon.platform.jobs.claims import Claims
from agon.platform.jobs.execution import Shift, Work, delay_after
from agon.platform.jobs.handlers import DEFAULT_ATTEMPTS, JobHandler
from agon.platform.jobs.observing import JobObserver, Outcome, SilentJobs
from agon.platform.jobs.periodic import Periodic, Timetable
from agon.platform.jobs.picking import News, Picker, QueueDriver, lanes_of

_NO_AGGREGATION = timedelta(0)
_CLOSING_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker behaves; times in seconds."""

    concurrency: int = 8
    """Jobs at once in each lane (deliveries, jobs, periodic work, and lanes that handlers name)."""
    max_attempts: int = DEFAULT_ATTEMPTS
    """Of deliveries; a handler of jobs says its own."""
    delivery_timeout: float = 60.0
    poll: float = 2.0
    """Between looks at the queue when no news comes."""
    crash_timeout: float = 6.0
    """A worker without a sign of life for this long is dead, and its jobs are taken back."""
    stop_timeout: float = 20.0
    """What running jobs are given to finish when the worker stops."""
    pgbouncer: bool = False


class Worker:
    """Runs what is in the queue, on a connection of its own; handlers use the database's pools.

    Args:
        database: for deliveries and periodic work; its write pool should have a place for each delivery at once.
        dsn: of the same database.
        subscriptions: who is told of which event.
        handlers: of jobs.
        periodic: what is due by a timetable.
        options: see there.
        observer: is told of every job.
    """

    def __init__(
        self,
        database: Database,
        dsn: str,
        subscriptions: Subscriptions,
        *,
        handlers: Iterable[JobHandler] = (),
        periodic: Iterable[Periodic] = (),
        options: WorkerOptions | None = None,
        observer: JobObserver | None = None,
    ) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self._periodic = list(periodic)
        self._options = options or WorkerOptions()
        self._works = [*self._deliveries(), *map(_of_handler, handlers), *map(_of_periodic, self._periodic)]
        self._shift = Shift(database.clock, observer or SilentJobs())
        self._id = QueueManagerId(uuid.uuid4())
        self._news = News()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._picker: Picker | None = None
        # What is written here says only who runs what; when the database crashes, a job may be run once more.
        connection = DedicatedOptions(name="worker", durable=False, pgbouncer=self._options.pgbouncer)
        self._connection = DedicatedConnection(dsn, connection)

    async def run(self) -> None:
        """Work until `stop`; a database that is out of reach is waited for."""
        self._ended.clear()
        try:
            await self._register()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reap(), name="reaper")
                group.create_task(self._keep_time(), name="timetable")
                await self._pick()
                self._stopping.set()
            await Claims(self._driver(), worker_id=self._id, **queue.BUILDERS).hand_back()
        except* ConnectionClosed:
            _log.warning("worker_stopped_without_database")
        finally:
            self._stopping.set()
            await self._connection.close()
            self._ended.set()

    async def stop(self) -> None:
        """Pick nothing more, let running jobs finish for a while, and hand the others back."""
        self._stopping.set()
        self._shift.stopping = True
        if self._picker is not None:
            self._picker.finish()
        if not self._shift.running and not self._connection.connected_for():
            await self._connection.close()  # it waits for a database that may not come back in time
        if await self._ended_within(self._options.stop_timeout):
            return
        _log.warning("jobs_handed_back", jobs=sorted(self._shift.running.values()))
        for task in list(self._shift.running):
            task.cancel()
        if not self._connection.connected_for() or not await self._ended_within(_CLOSING_SECONDS):
            await self._connection.close()
            await self._ended.wait()

    async def _ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self._ended.is_set()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _register(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await register(self._database, self._subscriptions)
            except DatabaseUnavailable:
                _log.warning("worker_waits_for_database")
                await self._pause(min(delay_after(failures).total_seconds(), 5))
                failures += 1
            else:
                return

    async def _pick(self) -> None:
        """Run PgQueuer's loop; what the database refuses for a while (a full disk) does not end the worker."""
        failures = 0
        while not self._stopping.is_set():
            lanes = lanes_of(self._works, self._options.concurrency)
            claims = Claims(self._driver(), worker_id=self._id, **queue.BUILDERS)
            self._picker = Picker(claims, lanes, news=self._news, poll=self._options.poll)
            self._picker.register(self._works, self._shift)
            try:
                await self._picker.run(
                    batch_size=self._options.concurrency,
                    heartbeat_timeout=timedelta(seconds=self._options.crash_timeout / 3),
                    log_aggregation_interval=_NO_AGGREGATION,
                )
            except asyncpg.PostgresError as error:
                _log.exception("worker_interrupted", reason=type(error).__name__)
                await self._pause(delay_after(failures).total_seconds())
                failures += 1

    async def _reap(self) -> None:
        most = {work.name: work.max_attempts for work in self._works}
        while not self._stopping.is_set():
            await self._pause(self._options.crash_timeout / 3)
            if self._stopping.is_set():
                return
            try:
                reaped = await reaper.reap(self._connection, self._options.crash_timeout, most)
            except asyncpg.PostgresError as error:
                _log.warning("reaper_delayed", reason=type(error).__name__)
                continue
            for job in reaped:
                _log.error("job_dead" if job.dead else "job_crashed", job=job.name, job_id=job.job_id)
                outcome = Outcome.DEAD if job.dead else Outcome.CRASHED
                self._shift.observer.finished(job.name, outcome, 0.0, 0.0)

    async def _keep_time(self) -> None:
        await Timetable(self._database, self._periodic, self._news.jobs).run(self._stopping)

    def _driver(self) -> QueueDriver:
        return QueueDriver(self._connection, self._news)

    def _deliveries(self) -> list[Work]:
        dispatcher = Dispatcher(self._database, self._subscriptions)
        return [
            Work(
                name=f"{DELIVERY_PREFIX}{name}",
                actor=f"subscriber:{name}",
                run=functools.partial(dispatcher.deliver, name),
                lane="events",
                max_attempts=self._options.max_attempts,
                timeout=self._options.delivery_timeout,
                since_created=True,
            )
            for name in self._subscriptions.by_name
        ]


def _of_handler(handler: JobHandler) -> Work:
    async def run(payload: bytes) -> None:
        await handler.run(msgspec.json.decode(payload, type=handler.job))

    return Work(
        name=handler.job.name,
        actor=f"job:{handler.job.name}",
        run=run,
        lane=handler.lane,
        max_attempts=handler.max_attempts,
        timeout=handler.timeout,
    )


def _of_periodic(periodic: Periodic) -> Work:
    async def run(_payload: bytes) -> None:
        await periodic.run()

    return Work(
        name=periodic.job_name,
        actor=periodic.job_name,
        run=run,
        lane="periodic",
        max_attempts=1,
        timeout=periodic.timeout,
        kept_when_failed=False,
    )
