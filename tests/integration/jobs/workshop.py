"""Events, jobs and handlers for the tests of the worker, and a worker as a process of its own.

Every effect is a row without any constraint, so that a second one shows.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from agon.kernel.clock import SystemClock
from agon.kernel.events import Event, Job
from agon.kernel.tx import Query, Tx
from agon.platform.context import current
from agon.platform.database.database import Database
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriber, Subscriptions, subscriber
from agon.platform.jobs.handlers import JobHandler, job_handler
from agon.platform.jobs.observing import Outcome, SilentJobs
from agon.platform.jobs.worker import Worker, WorkerOptions

EFFECTS = "create table if not exists effect (id serial, what text not null, item text not null, process integer)"
OURS = "entrypoint similar to '(suspect:|)(event:workshop|part|periodic:workshop).%'"
NOTE = Query("workshop.note", "insert into effect (what, item, process) values ($1, $2, $3)", type(None))
SLEEP = Query("workshop.sleep", "select pg_sleep($1)::text", str)
CRASH_TIMEOUT = 1.0


class PartMade(Event, frozen=True, kw_only=True):
    type = "part.made"
    about = "batch"
    batch: str
    number: int


class Polish(Job, frozen=True, kw_only=True):
    name = "part.polish"
    number: int = 0
    mode: str = ""


async def note(tx: Tx, what: str, item: object) -> None:
    await tx.execute(NOTE, what, str(item), os.getpid())


async def store_part(tx: Tx, event: PartMade) -> None:
    await note(tx, "stored", event.number)


async def count_part(tx: Tx, event: PartMade) -> None:
    await note(tx, "counted", f"{event.batch}:{event.number}")


async def name_part(tx: Tx, event: PartMade) -> None:
    """Tells in whose name a handler acts."""
    await note(tx, "context", f"{current().actor} {current().request_id} {current().trace_parent}")


STORE = subscriber("workshop.store", PartMade, store_part)
COUNT = subscriber("workshop.count", PartMade, count_part, ordered=True)


@asynccontextmanager
async def opened(dsn: str, *subscribers: Subscriber, size: int = 12) -> AsyncGenerator[Database, None]:
    database = Database(
        Pool(dsn, PoolOptions(name="write", size=size)),
        Pool(dsn, PoolOptions(name="read", size=2, read_only=True)),
        SystemClock(),
        Subscriptions(subscribers),
    )
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def working(
    database: Database, dsn: str, *handlers: JobHandler, options: WorkerOptions | None = None, **more: Any
) -> AsyncGenerator[Worker, None]:
    """A worker that runs during the block."""
    quick = options or WorkerOptions(poll=0.2, crash_timeout=CRASH_TIMEOUT, stop_timeout=5)
    worker = Worker(database, dsn, database.subscriptions, handlers=handlers, options=quick, **more)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop()
        await task


async def make(database: Database, batch: str, *numbers: int) -> None:
    async def verb(tx: Tx) -> None:
        for number in numbers:
            tx.record(PartMade(batch=batch, number=number))

    await database.transact(verb)


async def put(database: Database, *jobs: Job, **how: Any) -> None:
    async def verb(tx: Tx) -> None:
        for job in jobs:
            tx.enqueue(job, **how)

    await database.transact(verb)


@asynccontextmanager
async def tampering(connection: asyncpg.Connection, *tables: str) -> AsyncGenerator[None, None]:
    """Switch off what protects append-only tables, as only their owner can."""
    for table in tables:
        await connection.execute(f"alter table {table} disable trigger user")
    try:
        yield
    finally:
        for table in tables:
            await connection.execute(f"alter table {table} enable trigger user")


@asynccontextmanager
async def watching(dsn: str) -> AsyncGenerator["Watcher", None]:
    """A look from outside at a database that nothing of the workshop is left in, but for events long past."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(EFFECTS)
    await connection.execute("truncate effect")
    await connection.execute(f"delete from pgqueuer where {OURS}")
    await connection.execute("delete from subscriber where name like 'workshop.%'")
    await connection.execute("delete from periodic_run where name like 'periodic:workshop.%'")
    try:
        yield Watcher(connection)
    finally:
        await connection.close()


class Watcher:
    """Looks at the database from outside."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def items(self, what: str) -> list[str]:
        rows = await self.connection.fetch("select item from effect where what = $1 order by id", what)
        return [row[0] for row in rows]

    async def counted(self, *expected: str) -> bool:
        return await self.items("counted") == list(expected)

    async def jobs(self) -> list[asyncpg.Record]:
        return await self.connection.fetch(
            f"select id, entrypoint as name, status::text, attempts, last_error from pgqueuer where {OURS} order by id"
        )

    async def hurry(self) -> None:
        """Make everything that waits due now."""
        await self.connection.execute(f"update pgqueuer set execute_after = now() where status = 'queued' and {OURS}")

    async def empty(self) -> bool:
        return await self.connection.fetchval(f"select count(*) = 0 from pgqueuer where {OURS}")

    async def until_empty(self, seconds: float = 30) -> None:
        await until(self.empty, seconds)

    async def until_status(self, status: str, seconds: float = 30) -> list[asyncpg.Record]:
        """Wait until every job has this status, hurrying those that wait to be run again."""

        async def reached() -> bool:
            await self.hurry()
            jobs = await self.jobs()
            return bool(jobs) and all(job["status"] == status for job in jobs)

        await until(reached, seconds)
        return await self.jobs()


async def until(reached: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


class Record(SilentJobs):
    """Remembers what the worker says about its jobs."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Outcome]] = []
        self.lags: list[float] = []

    def finished(self, name: str, outcome: Outcome, seconds: float, lag: float) -> None:
        self.outcomes.append((name, outcome))
        self.lags.append(lag)


class WorkerProcess:
    """A worker in a process of its own, killed by the test through its recorded id."""

    def __init__(self, dsn: str, **options: object) -> None:
        command = [sys.executable, "-m", "tests.integration.jobs.workshop", dsn, msgspec.json.encode(options).decode()]
        self._process = subprocess.Popen(command)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def gone(self) -> bool:
        return self._process.poll() is not None


async def polish(job: Polish) -> None:
    if job.mode == "deadly":
        os._exit(1)
    await asyncio.sleep(0.001)


async def main(dsn: str, given: str) -> None:
    options: dict[str, Any] = msgspec.json.decode(given)
    attempts = options.pop("attempts", 8)
    slowly = options.pop("slowly", 0.0)

    async def store_slowly(tx: Tx, event: PartMade) -> None:
        await note(tx, "stored", event.number)
        await tx.one(SLEEP, slowly)

    async with opened(dsn, subscriber("workshop.store", PartMade, store_slowly), COUNT) as database:

        async def polish_and_tell(job: Polish) -> None:
            await polish(job)
            await database.transact(lambda tx: note(tx, "polished", job.number))

        handlers = [job_handler(Polish, polish_and_tell, max_attempts=attempts)]
        quick = WorkerOptions(**{"poll": 0.2, "crash_timeout": CRASH_TIMEOUT, **options})
        await Worker(database, dsn, database.subscriptions, handlers=handlers, options=quick).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
