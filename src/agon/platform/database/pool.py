"""Connection pools: how connections are made, lent and given back.

asyncpg's own pool spends more on lending a connection (a reset query, a task and two timers each time) than a small
query costs. This one keeps to what Agon needs: nothing is ever left on a connection (no SET, LISTEN, session lock or
temporary table outside a transaction), and a connection that was lent when something other than a plain error
happened is closed, never lent again.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from agon.platform.database.errors import UNREACHABLE, DatabaseUnavailable

driver: Any = asyncpg
"""asyncpg ships no complete types; this is the one place where it is taken as it is."""

_CLOSE_SECONDS = 5.0


class PoolOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool behaves; times in seconds."""

    name: str
    size: int = 10
    idle: float = 30
    connect_timeout: float = 5
    acquire_timeout: float = 2
    statement_timeout: float = 5
    read_only: bool = False
    pgbouncer: bool = False
    """Behind PgBouncer in transaction mode: no start-up parameters, no named prepared statements."""


class Pool:
    """Lends connections to one database; says 503 rather than letting callers wait long."""

    def __init__(self, dsn: str, options: PoolOptions, on_wait: Callable[[str, float], None] | None = None) -> None:
        self._dsn = dsn
        self.options = options
        self._on_wait = on_wait
        self._idle: deque[tuple[Any, float]] = deque()
        self._waiters: deque[asyncio.Future[Any]] = deque()
        self._size = 0
        self._closed = True
        self._all_back = asyncio.Event()
        self._tidying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start lending; connections are made when they are needed."""
        self._closed = False
        self._tidying = asyncio.create_task(self._tidy(), name=f"pool-{self.options.name}")

    async def close(self) -> None:
        """Close every connection, waiting a few seconds for lent ones to be given back (they are closed then)."""
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        while self._idle:
            await self._discard(self._idle.pop()[0])
        if self._size:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_back.wait(), _CLOSE_SECONDS)

    def usage(self) -> tuple[int, int]:
        """How many connections are lent out, and how many are idle."""
        return self._size - len(self._idle), len(self._idle)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any, None]:
        """Lend a connection for a block."""
        connection = await self.acquire()
        try:
            yield connection
        except Exception:
            self.release(connection)
            raise
        except BaseException:  # cancelled: an answer may still be on its way to whoever has it next
            self.release(connection, usable=False)
            raise
        self.release(connection)

    async def acquire(self) -> Any:
        """Take a connection; every one taken is given back with `release`.

        Raises:
            DatabaseUnavailable: none came free in time, or none could be made.
        """
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                if self._on_wait is not None:
                    self._on_wait(self.options.name, 0.0)
                return connection
            self._size -= 1
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.options.acquire_timeout + self.options.connect_timeout):
                connection = await self._make_or_wait()
        except (TimeoutError, *UNREACHABLE) as error:
            raise DatabaseUnavailable(retry_after=1) from error
        if self._on_wait is not None:
            self._on_wait(self.options.name, time.perf_counter() - started)
        return connection

    def release(self, connection: Any, *, usable: bool = True) -> None:
        """Give a connection back; one that is in the middle of something is closed instead."""
        if not usable or self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self._size -= 1
            self._pass_on(None)
            if self._closed and not self._size:
                self._all_back.set()
        elif not self._pass_on(connection):
            self._idle.append((connection, time.monotonic()))

    async def _make_or_wait(self) -> Any:
        while True:
            if self._closed:
                raise DatabaseUnavailable(retry_after=1)
            if self._size < self.options.size:
                return await self._make()
            connection = await self._wait()
            if connection is not None and not connection.is_closed():
                return connection
            self._size -= connection is not None

    async def _make(self) -> Any:
        self._size += 1
        try:
            return await self._connect()
        except BaseException:
            self._size -= 1
            self._pass_on(None)
            raise

    async def _wait(self) -> Any:
        """Wait for a connection, or for None: room to make one."""
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self.options.acquire_timeout):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it was served in the very moment of giving up
                connection = waiter.result()
                if connection is None:
                    self._pass_on(None)
                else:
                    self.release(connection)
            raise

    def _pass_on(self, connection: Any) -> bool:
        """Serve the one that has waited longest; whether there was one."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def _connect(self) -> Any:
        options = self.options
        settings = {"application_name": f"agon-{options.name}", "jit": "off", "timezone": "UTC"}
        settings["statement_timeout"] = str(int(options.statement_timeout * 1000))
        if options.read_only:
            settings["default_transaction_read_only"] = "on"
        return await driver.connect(
            self._dsn,
            timeout=options.connect_timeout,
            statement_cache_size=0 if options.pgbouncer else 256,
            server_settings={} if options.pgbouncer else settings,
        )

    async def _tidy(self) -> None:
        """Close connections that nobody has needed for a while; the longest idle ones are at the left."""
        while True:
            await asyncio.sleep(self.options.idle / 2)
            oldest = time.monotonic() - self.options.idle
            while self._idle and self._idle[0][1] < oldest:
                await self._discard(self._idle.popleft()[0])

    async def _discard(self, connection: Any) -> None:
        self._size -= 1
        with contextlib.suppress(TimeoutError, *UNREACHABLE):
            await connection.close(timeout=_CLOSE_SECONDS)
