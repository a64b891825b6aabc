"""Cached reads that the tests of the shared cache use."""

from collections.abc import Awaitable, Callable

from agon.platform.cache.cache import Cache
from agon.platform.cache.reads import CachedRead

ITEM = CachedRead("test_shared", "item", int, tags=("item:{id}", "all"))
BODY = CachedRead("test_shared", "body", bytes, tags=("body:{id}",))

OpenCache = Callable[..., Awaitable[Cache]]


def number(value: int) -> Callable[[], Awaitable[int]]:
    """A load that gives this value."""

    async def load() -> int:
        return value

    return load
