"""The edge of the database: the one place that opens and commits transactions."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from agon.kernel.clock import Clock
from agon.kernel.tx import ReadTx, Tx
from agon.platform.audit import log
from agon.platform.database.errors import RETRYABLE, DatabaseUnavailable, is_lost, refusal_of
from agon.platform.database.pool import Pool
from agon.platform.database.unit import Observer, Reading, Silent, UnitOfWork
from agon.platform.database.wakeups import Wakeups
from agon.platform.events import outbox
from agon.platform.events.subscribers import Subscriptions
from agon.platform.observability import metrics

T = TypeVar("T")

_ATTEMPTS = 4
_BACKOFF_SECONDS = 0.02


class Database:
    """Runs service verbs, each in one transaction, and reads."""

    def __init__(
        self,
        write: Pool,
        read: Pool,
        clock: Clock,
        subscriptions: Subscriptions,
        *,
        observer: Observer | None = None,
        on_invalidate: Callable[[frozenset[str]], Awaitable[None]] | None = None,
    ) -> None:
        self.write = write
        self.read = read
        self.clock = clock
        self.subscriptions = subscriptions
        self._observer = observer or Silent()
        self._on_invalidate = on_invalidate
        self._wakeups = Wakeups(write, clock)

    async def open(self) -> None:
        await self.write.open()
        await self.read.open()

    async def close(self) -> None:
        await self._wakeups.close()
        await self.read.close()
        await self.write.close()

    async def transact(self, verb: Callable[[Tx], Awaitable[T]], *, statement_timeout: float | None = None) -> T:
        """Run a verb in one transaction and commit it with the facts and jobs that it recorded.

        The whole verb is run again, a bounded number of times, when the database reports a serialisation failure
        or a deadlock; so a verb has no effect outside its transaction.

        Args:
            verb: is given the `Tx`; an exception from it rolls everything back.
            statement_timeout: seconds for each statement, where the pool's own limit does not fit (jobs).

        Raises:
            DatabaseUnavailable: the database cannot be reached, or stayed contended.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return await self._once(verb, statement_timeout)
            except RETRYABLE as error:
                if attempt == _ATTEMPTS - 1:
                    raise DatabaseUnavailable("The request met others that kept changing the same.") from error
                await asyncio.sleep(_BACKOFF_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError

    async def _once(self, verb: Callable[[Tx], Awaitable[T]], statement_timeout: float | None) -> T:
        async with self.write.connection() as connection:
            unit = UnitOfWork(connection, self.clock.now(), self._observer)
            try:
                async with connection.transaction():
                    if statement_timeout is not None:
                        await connection.execute(f"set local statement_timeout = {int(statement_timeout * 1000)}")
                    result = await verb(unit)
                    stored_jobs = await self._store(unit)
            except Exception as error:
                if is_lost(error, connection):  # at begin or commit; statements see to it themselves
                    connection.terminate()
                refusal = None if isinstance(error, RETRYABLE) else refusal_of(error, connection)
                if refusal is None:
                    raise
                raise refusal from error
        await self._after_commit(unit, stored_jobs=stored_jobs)
        return result

    async def _store(self, unit: UnitOfWork) -> bool:
        stored_jobs = await outbox.store(unit, self.subscriptions)
        if unit.audits:
            await log.append(unit)
        return stored_jobs

    async def _after_commit(self, unit: UnitOfWork, *, stored_jobs: bool) -> None:
        for event in unit.events:
            metrics.EVENTS_RECORDED.add(event.type)
        if unit.tags and self._on_invalidate is not None:
            await self._on_invalidate(frozenset(unit.tags))
        if stored_jobs or unit.tags:
            self._wakeups.wake(jobs=stored_jobs, invalidations=bool(unit.tags))

    async def fetch(self, read: Callable[[ReadTx], Awaitable[T]]) -> T:
        """Run a read; each of its statements sees what is committed when it starts."""
        pool = self.read
        connection = await pool.acquire()
        usable = False
        try:
            result = await read(Reading(connection, self.clock.now(), self._observer))
            usable = True
        except Exception:
            usable = True
            raise
        finally:
            pool.release(connection, usable=usable)
        return result


@asynccontextmanager
async def savepoint(tx: Tx) -> AsyncGenerator[None, None]:
    """A part of a transaction that can fail alone: an exception takes back what it wrote and recorded."""
    unit: Any = tx
    mark = unit.mark()
    try:
        async with unit.connection.transaction():
            yield
    except BaseException:
        unit.back_to(mark)
        raise
