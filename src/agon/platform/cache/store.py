"""Where cached bytes are kept: this process's memory, or a shared Valkey; cashews as raw get and set."""

import warnings
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, cast

import structlog

from agon.platform import valkey
from agon.platform.breakers import Breaker, BreakerOpen, State
from agon.platform.lean_imports import without

with without("sqlalchemy.ext"):  # to pickle its rows, which are never cached here; a second of loading
    from cashews import Cache as Cashews
    from cashews.exceptions import CacheError

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class StoreFailed(Exception):
    """The store cannot be reached, or did not answer in time."""


class Store:
    """Bytes by key.

    Every method raises `StoreFailed` when the store fails; it has been logged then.

    Args:
        url: `mem://`, or `redis://`, `rediss://`, `valkey://`, `valkeys://`.
        size: how many keys memory keeps; those used longest ago go first.
        breaker: guards a shared store.
    """

    def __init__(self, url: str, *, size: int, breaker: Breaker) -> None:
        self.shared = not url.startswith("mem:")
        self._breaker = breaker
        # Pickles are never read, whatever stands in Valkey; expired keys go when they are read or pushed out, since
        # the search for them would go through all of them every second.
        options: dict[str, Any] = {"pickle_type": "null", "check_repr": False}
        if self.shared:
            options |= {"suppress": False, "wait_for_connection_timeout": valkey.BUDGET_SECONDS, **valkey.options()}
        else:
            options |= {"size": size, "check_interval": 0}
        self._backend = cast("Any", Cashews()).setup(valkey.address(url), **options)

    async def open(self) -> None:
        """Get ready; the server need not be there."""
        await self._backend.init()

    async def close(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # cashews closes its client by the old name
            await self._backend.close()

    async def get(self, *keys: str) -> tuple[bytes | None, ...]:
        return await self._run(lambda: self._backend.get_many(*keys))

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        await self._run(lambda: self._backend.set_many(values, expire=seconds))

    async def put_new(self, key: str, value: bytes, seconds: float) -> bool:
        """Put the value unless there is one; says whether it was put."""
        return await self._run(lambda: self._backend.set(key, value, expire=seconds, exist=False))

    async def lock(self, key: str, owner: str, seconds: float) -> bool:
        """Take a lock that nobody holds, for these seconds at the most; says whether it was taken."""
        return await self._run(lambda: self._backend.set_lock(key, owner, expire=seconds))

    async def unlock(self, key: str, owner: str) -> None:
        """Give back a lock that is still the owner's."""
        await self._run(lambda: self._backend.unlock(key, owner))

    async def _run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if not self.shared:
            return await call()
        try:
            return await valkey.guarded(self._breaker, call)
        except BreakerOpen as error:
            raise StoreFailed from error
        except (CacheError, *valkey.ERRORS) as error:
            if self._breaker.state is State.CLOSED:  # once it is open, that has been logged
                _log.warning("cache_failed", reason=type(error).__name__)
            raise StoreFailed from error
