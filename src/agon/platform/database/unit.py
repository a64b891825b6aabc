"""The unit of work: what a service verb is given, and what is stored with it before it commits."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from agon.kernel.audit import AuditEntry
from agon.kernel.events import Event, Job
from agon.kernel.tx import Query
from agon.platform.database.errors import is_lost, refusal_of

R = TypeVar("R")


class Observer(Protocol):
    """Told of every query, for metrics, traces and slow-query warnings."""

    def query(self, name: str, seconds: float) -> None: ...

    def span(self, name: str) -> AbstractContextManager[Any]: ...


class Silent:
    """Observes nothing."""

    def query(self, name: str, seconds: float) -> None:
        """Forget it."""

    def span(self, name: str) -> AbstractContextManager[Any]:
        del name
        return nullcontext()


class Enqueued(msgspec.Struct, frozen=True):
    """A job that waits for its transaction to commit."""

    job: Job
    run_at: datetime | None
    key: str | None


class Reading:
    """Reads on one connection; see `kernel.tx.ReadTx`."""

    def __init__(self, connection: Any, now: datetime, observer: Observer) -> None:
        self._connection = connection
        self._now = now
        self._observer = observer

    @property
    def now(self) -> datetime:
        return self._now

    async def one(self, query: Query[R], *arguments: object) -> R | None:
        records = await self._fetch(query, arguments)
        if len(records) > 1:
            message = f"{query.name} gave {len(records)} rows where at most one was expected"
            raise RuntimeError(message)
        return query.build(records[0]) if records else None

    async def all(self, query: Query[R], *arguments: object) -> list[R]:
        return [query.build(record) for record in await self._fetch(query, arguments)]

    async def _fetch(self, query: Query[Any], arguments: tuple[object, ...]) -> list[Any]:
        return await self._timed(query, self._connection.fetch, arguments)

    async def _timed(self, query: Query[Any], call: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
        started = time.perf_counter()
        try:
            with self._observer.span(query.name):
                return await call(query.text, *arguments)
        except Exception as error:
            if is_lost(error, self._connection):
                self._connection.terminate()
            refusal = refusal_of(error, self._connection)
            if refusal is None:
                raise
            raise refusal from error
        finally:
            self._observer.query(query.name, time.perf_counter() - started)


class UnitOfWork(Reading):
    """One transaction; see `kernel.tx.Tx`. Only the edge commits it."""

    def __init__(self, connection: Any, now: datetime, observer: Observer) -> None:
        super().__init__(connection, now, observer)
        self.events: list[Event] = []
        self.jobs: list[Enqueued] = []
        self.tags: set[str] = set()
        self.audits: list[AuditEntry] = []

    @property
    def connection(self) -> Any:
        """The bare connection, for the platform's own writers (outbox, jobs)."""
        return self._connection

    async def execute(self, query: Query[None], *arguments: object) -> int:
        status = await self._timed(query, self._connection.execute, arguments)
        count = str(status).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    def record(self, event: Event) -> None:
        self.events.append(event)

    def enqueue(self, job: Job, *, run_at: datetime | None = None, key: str | None = None) -> None:
        self.jobs.append(Enqueued(job, run_at, key))

    def invalidate(self, *tags: str) -> None:
        self.tags.update(tags)

    def audit(self, entry: AuditEntry) -> None:
        self.audits.append(entry)

    def mark(self) -> tuple[int, int, frozenset[str], int]:
        """How much is waiting to be stored now, so that a savepoint can take back what came after."""
        return len(self.events), len(self.jobs), frozenset(self.tags), len(self.audits)

    def back_to(self, mark: tuple[int, int, frozenset[str], int]) -> None:
        """Forget what was recorded since the mark (its savepoint was rolled back)."""
        events, jobs, tags, audits = mark
        del self.events[events:]
        del self.jobs[jobs:]
        self.tags = set(tags)
        del self.audits[audits:]
