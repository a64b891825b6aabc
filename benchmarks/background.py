"""What happens after the commit: how fast events and jobs are worked off, how soon, and what idleness costs.

Run with `make bench only=background`. The worker, its database and this program share the machine. Ratios are to plain
transactions with the same insert, over as many connections, in the same run.
"""

import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import structlog
import uvloop

from agon.kernel.audit import AuditEntry
from agon.kernel.clock import SystemClock
from agon.kernel.events import Event, Job
from agon.kernel.tx import Query, Tx
from agon.platform.audit.sealing import seal
from agon.platform.audit.verify import verify
from agon.platform.database.database import Database
from agon.platform.database.embedded import EmbeddedPostgres
from agon.platform.database.migrations import upgrade
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriptions, subscriber
from agon.platform.jobs.handlers import job_handler
from agon.platform.jobs.maintenance import maintenance
from agon.platform.jobs.worker import Worker
from benchmarks.support.processes import database_cpu_seconds
from benchmarks.support.table import show

BACKLOG = 10_000
PLACES = 8
AUDIT_ROWS = 20_000
IDLE_SECONDS = 20

NOTE = Query("bench.note", "insert into effect (number) values ($1)", type(None))
WAITING = Query("bench.waiting", "select count(*) from pgqueuer", int)
COMMITS = Query("bench.commits", "select xact_commit from pg_stat_database where datname = current_database()", int)


class PartMade(Event, frozen=True, kw_only=True):
    type: ClassVar[str] = "bench_part.made"
    about: ClassVar[str] = "batch"
    batch: str
    number: int


class Polish(Job, frozen=True, kw_only=True):
    name: ClassVar[str] = "bench.polish"
    number: int


handled: dict[int, "asyncio.Future[float]"] = {}


async def note(tx: Tx, event: PartMade) -> None:
    await tx.execute(NOTE, event.number)
    if event.number in handled:
        handled[event.number].set_result(time.perf_counter())


async def polish(_job: Polish) -> None:
    """Nothing: the queue is measured."""


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds that something took, and CPU seconds of this process."""
    began, own = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - began, time.process_time() - own


class Bench:
    def __init__(self, database: Database, dsn: str) -> None:
        self._database = database
        self._dsn = dsn
        self.rows: list[list[str]] = []

    def _row(self, what: str, figure: str) -> None:
        self.rows.append([what, figure, "", ""])

    def _rate(self, what: str, count: int, took: tuple[float, float], plain: float) -> None:
        rate = count / took[0]
        self.rows.append([what, f"{rate:,.0f}/s", f"{rate / plain:.2f}", f"{took[1] / count * 1e6:,.0f} µs"])

    def worker(self, *, periodic: bool = False) -> Worker:
        return Worker(
            self._database,
            self._dsn,
            self._database.subscriptions,
            handlers=[job_handler(Polish, polish)],
            periodic=maintenance(self._database) if periodic else [],
        )

    async def plain(self) -> float:
        numbers = iter(range(2_000))

        async def one_after_the_other() -> None:
            for number in numbers:
                await self._database.transact(lambda tx, number=number: tx.execute(NOTE, number))

        took = await timed(lambda: asyncio.gather(*(one_after_the_other() for _ in range(PLACES))))
        self._rate("plain transactions", 2_000, took, 2_000 / took[0])
        return 2_000 / took[0]

    async def backlog(self, what: str, record: Callable[[Tx, int], None], plain: float) -> None:
        async def verb(tx: Tx) -> None:
            for number in range(BACKLOG):
                record(tx, number)

        await self._database.transact(verb, statement_timeout=60)
        worker = self.worker()
        running = asyncio.create_task(worker.run())

        async def until_empty() -> None:
            while await self._database.fetch(lambda tx: tx.one(WAITING)):
                await asyncio.sleep(0.05)

        took = await timed(until_empty)
        await worker.stop()
        await running
        self._rate(f"{what}, backlog of {BACKLOG:,}", BACKLOG, took, plain)

    async def latency(self) -> None:
        worker = self.worker()
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(1)
        waits: list[float] = []
        for number in range(BACKLOG, BACKLOG + 200):
            event = PartMade(batch="latency", number=number)
            handled[number] = asyncio.get_running_loop().create_future()
            await self._database.transact(lambda tx, event=event: _record(tx, event))
            committed = time.perf_counter()
            waits.append(await handled[number] - committed)
        await worker.stop()
        await running
        ordered = sorted(waits)
        self._row("commit to handler, one event at a time, p50", f"{statistics.median(waits) * 1000:.1f} ms")
        self._row("commit to handler, one event at a time, p99", f"{ordered[-2] * 1000:.1f} ms")

    async def audit(self, plain: float) -> None:
        async def verb(tx: Tx) -> None:
            for number in range(AUDIT_ROWS):
                tx.audit(
                    AuditEntry(action="lamp.light", target_type="lamp", target_id=str(number), after={"lit": True})
                )

        await self._database.transact(verb, statement_timeout=60)
        self._rate("audit rows sealed", AUDIT_ROWS, await timed(lambda: seal(self._database)), plain)
        self._rate("audit rows verified", AUDIT_ROWS, await timed(lambda: verify(self._database)), plain)

    async def idle(self, data_dir: Path) -> None:
        worker = self.worker(periodic=True)
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(5)
        commits, own = await self._database.fetch(lambda tx: tx.one(COMMITS)), time.process_time()
        server = database_cpu_seconds(data_dir)
        await asyncio.sleep(IDLE_SECONDS)
        commits = (await self._database.fetch(lambda tx: tx.one(COMMITS)) or 0) - (commits or 0)
        own, server = time.process_time() - own, database_cpu_seconds(data_dir) - server
        await worker.stop()
        await running
        self._row("idle worker with periodic work, transactions", f"{commits / IDLE_SECONDS:.1f}/s")
        self._row("idle worker with periodic work, CPU", f"{own / IDLE_SECONDS:.1%} of a core")
        self._row("its database, CPU", f"{server / IDLE_SECONDS:.1%} of a core")


async def _record(tx: Tx, event: PartMade) -> None:
    tx.record(event)


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="agon-bench-") as folder:
        async with EmbeddedPostgres(Path(folder)) as server:
            endpoints = await server.start()
            await upgrade(endpoints.owner)
            dsn = endpoints.owner
            database = Database(
                Pool(dsn, PoolOptions(name="write", size=PLACES + 2)),
                Pool(dsn, PoolOptions(name="read", size=2, read_only=True)),
                SystemClock(),
                Subscriptions([subscriber("bench.note", PartMade, note)]),
            )
            await database.open()
            async with database.write.connection() as connection:
                await connection.execute("create table effect (number integer)")
            bench = Bench(database, dsn)
            plain = await bench.plain()
            await bench.backlog("events", lambda tx, n: tx.record(PartMade(batch="b", number=n)), plain)
            await bench.backlog("empty jobs", lambda tx, n: tx.enqueue(Polish(number=n)), plain)
            await bench.latency()
            await bench.audit(plain)
            await bench.idle(Path(folder))
            await database.close()
    show("After the commit", ["figure", "value", "ratio", "CPU of this process"], bench.rows)


if __name__ == "__main__":
    uvloop.run(main())
