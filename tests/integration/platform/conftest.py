"""Real Valkey servers, and caches on them."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from agon.kernel.clock import SystemClock
from agon.platform.cache.cache import Cache
from tests.integration.platform.shared_reads import OpenCache
from tests.integration.platform.valkey_servers import Valkey, running_valkey


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Valkey]:
    """One for the tests of a module, who use keys of their own."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[Valkey]:
    """One to be killed or frozen."""
    with running_valkey() as server:
        yield server


@pytest_asyncio.fixture
async def open_cache() -> AsyncGenerator[OpenCache, None]:
    """Opens caches; closed after the test."""
    opened: list[Cache] = []

    async def open_one(url: str, **options: Any) -> Cache:
        cache = Cache(url, clock=SystemClock(), **options)
        await cache.open()
        opened.append(cache)
        return cache

    yield open_one
    for cache in opened:
        await cache.close()
