"""What all tests share: a real PostgreSQL, migrated once, with a database of its own for each test process."""

import asyncio
import fcntl
import os
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from agon.kernel.clock import Clock, SystemClock
from agon.platform.database.database import Database
from agon.platform.database.migrations import upgrade
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriber, Subscriptions

TEMPLATE = "agon_template"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one test process at a time."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def for_database(dsn: str, name: str) -> str:
    """The same server and role, another database."""
    base, _, query = dsn.partition("?")
    return f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


@pytest_asyncio.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str, None]:
    """A running PostgreSQL, as the DSN of its owner; test processes share one. AGON_TEST_DATABASE_URL uses another."""
    if given := os.environ.get("AGON_TEST_DATABASE_URL"):
        yield given
        return
    from agon.platform.database.embedded import EmbeddedPostgres

    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(shared_folder(tmp_path_factory) / "postgres")
        endpoints = await postgres.start()
        stack.push_async_callback(postgres.stop)
        yield endpoints.owner


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run see."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest_asyncio.fixture(scope="session")
async def template(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated, empty database to copy from, made once for all test processes; returns its server's DSN."""
    folder = shared_folder(tmp_path_factory)
    with locked(folder / "template.lock"):
        done = folder / "template.done"
        if not done.exists():
            connection = await asyncpg.connect(server)
            await connection.execute(f"drop database if exists {TEMPLATE}")
            await connection.execute(f"create database {TEMPLATE}")
            await connection.close()
            await upgrade(for_database(server, TEMPLATE))
            done.touch()
    return server


async def copy_of(template: str) -> str:
    """Make a database from the template; returns its owner's DSN."""
    name = f"agon_test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(template)
    for attempt in range(50):
        try:
            await connection.execute(f"create database {name} template {TEMPLATE}")
            break
        except asyncpg.ObjectInUseError:  # another process is copying at this moment
            if attempt == 49:
                raise
            await asyncio.sleep(0.1)
    await connection.close()
    return for_database(template, name)


async def drop(dsn: str) -> None:
    connection = await asyncpg.connect(for_database(dsn, "postgres"))
    await connection.execute(f"drop database if exists {dsn.partition('?')[0].rpartition('/')[2]} with (force)")
    await connection.close()


@pytest_asyncio.fixture(scope="session")
async def dsn(template: str) -> AsyncGenerator[str, None]:
    """This process's own database; tests in it use names of their own instead of an empty table."""
    made = await copy_of(template)
    yield made
    await drop(made)


@pytest_asyncio.fixture
async def fresh_dsn(template: str) -> AsyncGenerator[str, None]:
    """A database for one test that needs to be alone."""
    made = await copy_of(template)
    yield made
    await drop(made)


OpenDatabase = Callable[..., Awaitable[Database]]


@pytest_asyncio.fixture
async def open_database() -> AsyncGenerator[OpenDatabase, None]:
    """Opens a `Database` on a DSN with given subscribers and clock; closed after the test."""
    async with AsyncExitStack() as stack:

        async def opened(
            dsn: str, *subscribers: Subscriber, clock: Clock | None = None, size: int = 5, **options: Any
        ) -> Database:
            database = Database(
                Pool(dsn, PoolOptions(name="write", size=size)),
                Pool(dsn, PoolOptions(name="read", size=size, read_only=True)),
                clock or SystemClock(),
                Subscriptions(subscribers),
                **options,
            )
            await database.open()
            stack.push_async_callback(database.close)
            return database

        yield opened


@pytest_asyncio.fixture
async def database(dsn: str, open_database: OpenDatabase) -> Database:
    """A `Database` without subscribers on this process's own database."""
    return await open_database(dsn)
