"""Accounts on this process's own database."""

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from agon.kernel.clock import ManualClock
from tests.conftest import OpenDatabase
from tests.integration.accounts.world import Client, World

MakeWorld = Callable[..., Any]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest_asyncio.fixture
async def make_world(dsn: str, open_database: OpenDatabase, clock: ManualClock) -> AsyncGenerator[MakeWorld, None]:
    """Makes accounts with a policy or hooks of the test's own."""
    made: list[World] = []

    async def make(*subscribers: Any, dsn: str = dsn, size: int = 10, **options: Any) -> World:
        database = await open_database(dsn, *subscribers, clock=clock, size=size)
        made.append(World(database, clock, **options))
        return made[-1]

    yield make
    for world in made:
        world.accounts.close()


@pytest_asyncio.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()


@pytest_asyncio.fixture
async def client(world: World) -> AsyncGenerator[Client, None]:
    async with Client(world) as made:
        yield made
