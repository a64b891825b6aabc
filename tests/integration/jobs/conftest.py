"""What the tests of jobs share."""

from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.integration.jobs.workshop import Watcher, watching


@pytest_asyncio.fixture
async def watcher(dsn: str) -> AsyncGenerator[Watcher, None]:
    """A look from outside at this process's database."""
    async with watching(dsn) as watching_it:
        yield watching_it
