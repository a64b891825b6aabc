"""A program's use of the embedded server."""

import asyncio
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import structlog

from agon.platform.database.embedded.credentials import DATABASE, Endpoints, endpoints, read_credentials
from agon.platform.database.embedded.errors import EmbeddedPostgresError
from agon.platform.database.embedded.layout import Layout
from agon.platform.database.embedded.lease import (
    EXCLUSIVE,
    SHARED,
    is_free,
    lock_if_free,
    open_lock,
    release,
    try_lock,
)
from agon.platform.database.embedded.postmaster import read_pid_file
from agon.platform.database.embedded.starter import current_token, keeper_words, start_keeper
from agon.platform.database.embedded.status import State, Status, read_status

START_SECONDS = 30.0
# Longer than the keeper takes to stop a server that does not want to.
STOP_SECONDS = 30.0
KEEPER_STARTS = 3
KEEPER_LOOK_SECONDS = 1.0
LONGEST_KEEPER_PAUSE_SECONDS = 60.0
_LITTLE_SPACE = 64 * 1024 * 1024
_POLL_SECONDS = 0.01

logger = structlog.get_logger(__name__)
# asyncpg ships no complete types.
_driver: Any = asyncpg
# The last one is what asyncpg makes of a connection lost between two messages.
_NO_ANSWER = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class EmbeddedPostgres:
    """A PostgreSQL server kept for one data directory, shared by every process that uses the directory.

    The server starts with its first user and stops with its last, however they end; it is restarted when it
    dies in between. Use as `async with EmbeddedPostgres(path) as server`, or start() and stop().
    """

    def __init__(self, data_dir: Path, *, database: str = DATABASE) -> None:
        self._layout = Layout(data_dir.expanduser().resolve())
        self._database = database
        self._lease: int | None = None
        self._endpoints: Endpoints | None = None
        self._keeper_watch: asyncio.Task[None] | None = None
        self._last_answer = ""

    async def start(self) -> Endpoints:
        """Returns where the server of this directory answers, having seen it answer.

        Starts it, adopts it or joins its users, whatever is called for, within 30 s; raises
        EmbeddedPostgresError.
        """
        if self._endpoints is not None:
            return self._endpoints
        began = time.monotonic()
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.to_thread(self._layout.prepare)
                await self._acquire_lease()
                found = await self._await_server()
        except TimeoutError as error:
            self._release_lease()
            raise EmbeddedPostgresError(self._trouble(f"it did not answer within {START_SECONDS:.0f} s")) from error
        except OSError as error:
            self._release_lease()
            raise EmbeddedPostgresError(f"{self._layout.root} cannot be used: {error}{self._space()}") from error
        except BaseException:
            self._release_lease()
            raise
        self._endpoints = found
        self._keeper_watch = asyncio.create_task(self._replace_lost_keepers())
        seconds = round(time.monotonic() - began, 3)
        logger.info("embedded_postgres_ready", data_dir=str(self._layout.root), seconds=seconds)
        return found

    async def stop(self) -> None:
        """Gives up the server; where nobody else uses it, returns when it has stopped (at most 30 s)."""
        self._endpoints = None
        if self._keeper_watch is not None:
            self._keeper_watch.cancel()
            await asyncio.wait([self._keeper_watch])
            self._keeper_watch = None
        if self._lease is None:
            return
        # Changing to the exclusive mode succeeds for the last user, and fails for the others and when the
        # keeper, already waiting for it, was quicker; in that case the lease can no longer be shared.
        was_last = try_lock(self._lease, EXCLUSIVE)
        self._release_lease()
        if was_last or not is_free(self._layout.lease, SHARED):
            await self._await_stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def owner_dsn(self) -> str:
        """DSN of the role that owns the database; raises EmbeddedPostgresError before start()."""
        return self._started().owner

    @property
    def app_dsn(self) -> str:
        """DSN of the role for the application's pool; raises EmbeddedPostgresError before start()."""
        return self._started().app

    def _started(self) -> Endpoints:
        if self._endpoints is None:
            raise EmbeddedPostgresError("the embedded server is not in use: call start() first")
        return self._endpoints

    async def _acquire_lease(self) -> None:
        self._lease = open_lock(self._layout.lease)
        while True:
            if try_lock(self._lease, SHARED):
                return
            # The keeper holds it while it stops the server for want of users.
            await asyncio.sleep(_POLL_SECONDS)

    def _release_lease(self) -> None:
        if self._lease is not None:
            release(self._lease)
            self._lease = None

    async def _await_server(self) -> Endpoints:
        own_token, starts = "", 0
        while True:
            lock = lock_if_free(self._layout.keeper_lock)
            status = self._current_status()
            if lock is not None:
                try:
                    self._require_hope(status, own_token, starts)
                except EmbeddedPostgresError:
                    os.close(lock)
                    raise
                own_token = await asyncio.to_thread(start_keeper, self._layout, lock)
                starts += 1
            elif status is not None and status.state is State.READY:
                found = await self._probe(status)
                if found is not None:
                    return found
            await asyncio.sleep(_POLL_SECONDS)

    def _require_hope(self, status: Status | None, own_token: str, starts: int) -> None:
        """Raises EmbeddedPostgresError when the keeper that was started here has given up, or died too often."""
        if status is not None and status.state is State.FAILED and status.token == own_token:
            raise EmbeddedPostgresError(f"{status.message}{self._space()}")
        if starts == KEEPER_STARTS:
            raise EmbeddedPostgresError(self._trouble("its keeper ends without a word"))

    def _current_status(self) -> Status | None:
        """Returns the word of the present keeper, never that of one before it."""
        status = read_status(self._layout.status)
        return status if status is not None and status.token == current_token(self._layout) else None

    async def _probe(self, status: Status) -> Endpoints | None:
        """Returns the endpoints if the server behind them is the one the keeper means; None to try again."""
        credentials = read_credentials(self._layout.credentials)
        written = read_pid_file(self._layout.cluster)
        if credentials is None or written is None or written.pid != status.postmaster_pid:
            return None
        found = endpoints(credentials, status.host, status.port, self._database)
        try:
            cluster_name = await _ask(found.owner, "SELECT current_setting('cluster_name')")
        except asyncpg.InvalidCatalogNameError:
            await self._create_database(endpoints(credentials, status.host, status.port, "postgres"))
            return None
        except asyncpg.InvalidPasswordError as error:
            raise EmbeddedPostgresError(
                f"the server refuses the password in {self._layout.credentials}. Stop all programs that use "
                f"{self._layout.root} and remove that file: the next start sets new passwords"
            ) from error
        except _NO_ANSWER as error:
            self._last_answer = str(error)
            return None
        return found if cluster_name == status.cluster_name else None

    async def _create_database(self, maintenance: Endpoints) -> None:
        name = self._database.replace('"', '""')
        try:
            await _ask(maintenance.owner, f'CREATE DATABASE "{name}"')
        except _NO_ANSWER as error:
            # Another user of the directory was quicker, or the server is just going: the next probe will tell.
            self._last_answer = str(error)

    async def _replace_lost_keepers(self) -> None:
        pause = KEEPER_LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            lost = await self._start_keeper_if_lost()
            pause = min(pause * 2, LONGEST_KEEPER_PAUSE_SECONDS) if lost else KEEPER_LOOK_SECONDS

    async def _start_keeper_if_lost(self) -> bool:
        try:
            lock = lock_if_free(self._layout.keeper_lock)
            if lock is None:
                return False
            logger.warning("embedded_postgres_keeper_lost", data_dir=str(self._layout.root))
            await asyncio.to_thread(start_keeper, self._layout, lock)
        except (EmbeddedPostgresError, OSError) as error:
            logger.warning("embedded_postgres_keeper_not_started", error=str(error))
        return True

    async def _await_stop(self) -> None:
        began = time.monotonic()
        while time.monotonic() < began + STOP_SECONDS:
            if is_free(self._layout.keeper_lock, EXCLUSIVE):
                status = self._current_status()
                if status is not None and status.state in {State.STOPPED, State.FAILED}:
                    return
                # It was killed: a new one must stop the server that it left running.
                await self._start_keeper_if_lost()
            await asyncio.sleep(_POLL_SECONDS)
            if time.monotonic() > began + 1.0 and is_free(self._layout.lease, SHARED):
                # Somebody came to use the server before the keeper could stop it.
                return
        logger.warning("embedded_postgres_stops_slowly", data_dir=str(self._layout.root))

    def _trouble(self, what: str) -> str:
        answer = f" (it said: {self._last_answer})" if self._last_answer else ""
        return (
            f"the server of {self._layout.root} cannot be used: {what}{answer}{self._space()}. See "
            f"{self._layout.log}; the keeper's last words:\n{keeper_words(self._layout)}"
        )

    def _space(self) -> str:
        try:
            free = shutil.disk_usage(self._layout.root).free
        except OSError:
            return ""
        return f" (only {free // 2**20} MB are free on its disk)" if free < _LITTLE_SPACE else ""


async def _ask(dsn: str, statement: str) -> object:
    connection = await _driver.connect(dsn, timeout=5, command_timeout=20)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close(timeout=5)
