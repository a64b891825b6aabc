"""A connection of its own, outside the pools, for whoever listens: it comes back by itself when the database does."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec
import structlog

from agon.platform.database.errors import UNREACHABLE
from agon.platform.database.pool import driver

_LOST = (*UNREACHABLE, asyncpg.InternalClientError, asyncpg.ReadOnlySQLTransactionError)
"""The connection is of no use any more. InternalClientError is what asyncpg makes of one that was cut between two
messages; a server that became read-only is no longer the primary."""
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 1.0
"""Seconds between attempts to connect again; shorter than any time after which someone is taken for dead."""
_log = structlog.get_logger(__name__)


class ConnectionClosed(Exception):
    """The connection was closed by its owner; there will be no other."""


class DedicatedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the connection behaves; times in seconds."""

    name: str
    connect_timeout: float = 5
    statement_timeout: float = 10
    """A statement without an answer for this long means that the connection is dead."""
    durable: bool = True
    """Whether a write is on disk when its statement returns; otherwise the last ones may be lost in a crash."""
    pgbouncer: bool = False
    """Behind PgBouncer in transaction mode nothing can be listened to: those who would, poll."""


class DedicatedConnection:
    """Runs one statement after the other, and hears notifications.

    Whoever runs a statement while the database is out of reach waits until it is back. A statement whose answer was
    lost is run again, so it must be one that does no harm when it runs twice.
    """

    def __init__(self, dsn: str, options: DedicatedOptions) -> None:
        self._dsn = dsn
        self._options = options
        self._connection: Any = None
        self._connected_at = 0.0
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._lock = asyncio.Lock()
        self._closing = asyncio.Event()

    async def fetch(self, query: str, *arguments: object) -> list[Any]:
        """Run a query.

        Raises:
            ConnectionClosed: `close` was called.
        """
        return await self._run("fetch", query, arguments)

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a statement; returns its command tag. Raises as `fetch` does."""
        return await self._run("execute", query, arguments)

    async def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Call `heard` with each notification on the channel, over this connection and those that follow it."""
        self._listeners[channel] = heard
        async with self._lock:
            if self._connection is not None and not self._options.pgbouncer:
                await self._connection.add_listener(channel, self._heard)

    def connected_for(self) -> float:
        """Seconds since this connection was made; 0 while there is none."""
        usable = self._connection is not None and not self._connection.is_closed()
        return time.monotonic() - self._connected_at if usable else 0.0

    async def close(self) -> None:
        """Let go of the connection, and of everyone who waits for it."""
        self._closing.set()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=1)
        except (*_LOST, asyncpg.PostgresError) as error:
            _log.debug("dedicated_connection_closed_badly", connection=self._options.name, reason=type(error).__name__)

    async def _run(self, method: str, query: str, arguments: tuple[object, ...]) -> Any:
        async with self._lock:
            while True:
                connection = await self._usable()
                try:
                    return await getattr(connection, method)(query, *arguments)
                except _LOST as error:
                    if isinstance(error, asyncpg.InterfaceError) and not connection.is_closed():
                        raise  # our own mistake, such as a missing argument
                    self._drop(connection, error)

    def _drop(self, connection: Any, error: Exception) -> None:
        connection.terminate()
        self._connection = None
        if not self._closing.is_set():
            _log.warning("dedicated_connection_lost", connection=self._options.name, reason=type(error).__name__)

    async def _usable(self) -> Any:
        wait = _FIRST_WAIT
        while not self._closing.is_set():
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            try:
                await self._connect()
            except _LOST as error:
                _log.debug("dedicated_connection_refused", connection=self._options.name, reason=type(error).__name__)
                await self._pause(wait * random.uniform(0.5, 1))  # noqa: S311 - jitter
                wait = min(wait * 2, _LONGEST_WAIT)
        raise ConnectionClosed

    async def _connect(self) -> None:
        options = self._options
        settings = {"application_name": f"agon-{options.name}", "jit": "off", "timezone": "UTC"}
        settings["synchronous_commit"] = "on" if options.durable else "off"
        connection = await driver.connect(
            self._dsn,
            timeout=options.connect_timeout,
            command_timeout=options.statement_timeout,
            statement_cache_size=0 if options.pgbouncer else 100,
            server_settings={} if options.pgbouncer else settings,
        )
        try:
            for channel in () if options.pgbouncer else self._listeners:
                await connection.add_listener(channel, self._heard)
        except BaseException:
            connection.terminate()
            raise
        self._connection, self._connected_at = connection, time.monotonic()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _heard(self, _connection: object, _process: int, channel: str, payload: str) -> None:
        self._listeners[channel](payload)
