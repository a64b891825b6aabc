"""Picks jobs from the queue: PgQueuer's `QueueManager`, with places by lane and no taking over of stale jobs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

import msgspec
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain import models
from pgqueuer.domain.models import Job as PickedJob
from pgqueuer.domain.types import JobId, QueueEntrypoint
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter

from agon.platform.database.dedicated import DedicatedConnection
from agon.platform.jobs.claims import SUSPECT_PREFIX, Claims
from agon.platform.jobs.execution import Execution, Shift, Work

_NEVER = timedelta(days=36_500)
"""PgQueuer would take over a stale job without counting an attempt, so that one which kills its workers would do so
for ever; the reaper does it instead."""
_NEWS = '"table_changed_event"'
_SHORTEST_WAIT = 0.01


class Lane(msgspec.Struct):
    """Kinds of jobs that share a number of places in a worker."""

    size: int
    kinds: dict[QueueEntrypoint, EntrypointExecutionParameter]
    waiting: bool = True
    """Whether there may be jobs for it: nothing else is known since it last gave as many as were asked for."""
    strict: bool = False
    """Whether a place is free only when the database, too, knows that the job before has ended; it is told of ends in
    batches, a tenth of a second later."""


def lanes_of(works: Iterable[Work], size: int) -> list[Lane]:
    """Sort kinds of jobs into their lanes, each with `size` places; suspects of any kind share one place."""
    unlimited = EntrypointExecutionParameter(concurrency_limit=0)
    lanes: dict[str, Lane] = {}
    suspects = Lane(1, {}, strict=True)
    for work in works:
        lanes.setdefault(work.lane, Lane(size, {})).kinds[QueueEntrypoint(work.name)] = unlimited
        suspects.kinds[QueueEntrypoint(f"{SUSPECT_PREFIX}{work.name}")] = unlimited
    return [*lanes.values(), suspects]


class News:
    """What the picker waits for: jobs that may have come, or a place that became free."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._jobs = False

    def jobs(self) -> None:
        """There may be new jobs."""
        self._jobs = True
        self._event.set()

    def place(self) -> None:
        """There is a free place."""
        self._event.set()

    def take(self) -> bool:
        """Whether there may be new jobs since this was last asked; what comes from now on is news again."""
        jobs, self._jobs = self._jobs, False
        self._event.clear()
        return jobs

    async def wait(self, seconds: float) -> None:
        """Wait for news, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)


class QueueDriver(Driver):
    """Lets PgQueuer use a connection that comes back by itself.

    News of jobs does not reach PgQueuer, which would remember each one until it had looked once for it: the picker
    looks once for all of them.
    """

    def __init__(self, connection: DedicatedConnection, news: News) -> None:
        self._connection = connection
        self._news = news
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self._connection.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> str:
        return await self._connection.execute(query, *args)

    async def notify(self, channel: str, payload: str) -> None:
        await self._connection.execute("select pg_notify($1, $2)", channel, payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        def heard(payload: str) -> None:
            if _NEWS in payload:
                self._news.jobs()
            else:
                callback(payload)

        await self._connection.listen(channel, heard)

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> "QueueDriver":
        return self

    async def __aexit__(self, *_: object) -> None:
        """The connection belongs to the worker, which closes it."""


class Picker(QueueManager):
    """Keeps the places of each lane filled while there are jobs, and waits for news while there are none."""

    def __init__(self, queries: Claims, lanes: list[Lane], *, news: News, poll: float) -> None:
        super().__init__(queries)
        self.queue_manager_id = queries.worker_id
        self._lanes = lanes
        self._lane_of: dict[JobId, Lane] = {}
        self._kinds = [kind for lane in lanes for kind in lane.kinds]
        self._news = news
        self._poll = poll
        self._look_at = 0.0
        self._next_due_known = False

    def register(self, works: Iterable[Work], shift: Shift) -> None:
        """Make the kinds of jobs known."""
        for work in works:
            self.register_executor(work.name, Execution(work, shift))
            self.register_executor(f"{SUSPECT_PREFIX}{work.name}", Execution(work, shift))

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[PickedJob, None]:
        """Yield jobs until shutdown; PgQueuer's own would look again for free places every tenth of a second."""
        del batch_size, global_concurrency_limit, heartbeat_timeout
        while not self.shutdown.is_set():
            self._look()
            found = False
            for lane in self._lanes:
                for job in await self._pick(lane):
                    found = True
                    self._lane_of[job.id] = lane
                    yield job
            if not found:
                await self._wait()

    def _look(self) -> None:
        """Look into every lane again when there are news, or it is time to."""
        now = time.monotonic()
        if self._news.take() or now >= self._look_at:
            self._look_at = now + self._poll
            self._next_due_known = False
            for lane in self._lanes:
                lane.waiting = True

    async def _pick(self, lane: Lane) -> list[PickedJob]:
        free = lane.size - sum(self._lane_of.get(running) is lane for running in self.job_context)
        if free <= 0 or not lane.waiting:
            return []
        most = lane.size if lane.strict else None
        jobs = await self.queries.dequeue(free, lane.kinds, self.queue_manager_id, most, _NEVER)
        lane.waiting = len(jobs) == free
        return [job for job in jobs if job.id not in self.job_context]

    async def _wait(self) -> None:
        """Wait for news, a free place, the next job that becomes due, or the next look by habit."""
        if not self._next_due_known:
            eta = await self.queries.next_deferred_eta(self._kinds)
            if eta is not None:
                self._look_at = min(self._look_at, time.monotonic() + eta.total_seconds())
            self._next_due_known = True
        await self._news.wait(max(self._look_at - time.monotonic(), _SHORTEST_WAIT))

    def forget_job(self, job_id: JobId, context: models.Context, task: asyncio.Task[None]) -> None:
        """A run has ended, and its place is free."""
        super().forget_job(job_id, context, task)
        if job_id not in self.job_context:
            self._lane_of.pop(job_id, None)
        self._news.place()

    def finish(self) -> None:
        """Pick no more jobs; those that run go on."""
        self.shutdown.set()
        self._news.place()
