"""Connection pools: how connections are made, lent and given back."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from agon.platform.database.errors import UNREACHABLE, DatabaseUnavailable

driver: Any = asyncpg
"""asyncpg ships no complete types; this is the one place where it is taken as it is."""


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


async def _leave_as_it_is(_: Any) -> None:
    """Replace asyncpg's reset query, which costs a small request a fifth to a half of its time.

    asyncpg still rolls back an open transaction before this runs; nothing else is ever left on a connection
    (no SET, LISTEN, session lock or temporary table outside a transaction).
    """


class Pool:
    """Lends connections to one database; says 503 rather than letting callers wait."""

    def __init__(self, dsn: str, options: PoolOptions, on_wait: Callable[[str, float], None] | None = None) -> None:
        self._dsn = dsn
        self.options = options
        self._on_wait = on_wait
        self._pool: Any = None

    async def open(self) -> None:
        options = self.options
        settings = {"application_name": f"agon-{options.name}", "jit": "off", "timezone": "UTC"}
        settings["statement_timeout"] = str(int(options.statement_timeout * 1000))
        if options.read_only:
            settings["default_transaction_read_only"] = "on"
        self._pool = driver.create_pool(
            self._dsn,
            min_size=0,
            max_size=options.size,
            max_inactive_connection_lifetime=options.idle,
            timeout=options.connect_timeout,
            reset=_leave_as_it_is,
            statement_cache_size=0 if options.pgbouncer else 256,
            server_settings={} if options.pgbouncer else settings,
        )
        await self._pool

    async def close(self) -> None:
        """Close every connection, waiting at most a few seconds for lent ones."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any, None]:
        """Lend a connection.

        Raises:
            DatabaseUnavailable: none came free in time, or none could be made.
        """
        started = time.perf_counter()
        try:
            connection = await self._pool.acquire(timeout=self.options.acquire_timeout)
        except (TimeoutError, *UNREACHABLE) as error:
            raise DatabaseUnavailable(retry_after=1) from error
        if self._on_wait is not None:
            self._on_wait(self.options.name, time.perf_counter() - started)
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    def usage(self) -> tuple[int, int]:
        """How many connections are lent out, and how many are idle."""
        if self._pool is None:
            return 0, 0
        idle = self._pool.get_idle_size()
        return self._pool.get_size() - idle, idle
