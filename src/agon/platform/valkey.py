"""How Agon speaks to a shared Valkey (or Redis): its address, and a budget that every call keeps."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from agon.platform.breakers import Breaker

T = TypeVar("T")

BUDGET_SECONDS = 0.5
"""How long a call may take before the caller goes on without it."""
_CONNECTIONS = 20
_abandoned: set[asyncio.Task[Any]] = set()


def address(url: str) -> str:
    """The URL as the clients know it: `valkey://` and `valkeys://` are `redis://` and `rediss://`."""
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url


def options() -> dict[str, Any]:
    """Options of a client's connection pool.

    The client's own timeouts stand behind the budget, to free connections. Its default retries would wait for seconds,
    where Agon goes on without the answer.
    """
    return {
        "max_connections": _CONNECTIONS,
        "socket_timeout": 2 * BUDGET_SECONDS,
        "socket_connect_timeout": 2 * BUDGET_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }


async def guarded(breaker: Breaker, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Make a call within the budget, or not at all while the breaker is open.

    Raises:
        BreakerOpen: not called.
        TimeoutError: the budget is used up; the call is cancelled.
    """
    async with breaker:
        # Not `asyncio.timeout`: on Python 3.11 the client swallows a cancellation that comes at the wrong moment
        # (in `asyncio.wait_for`) and would go on for as long as its own timeouts and retries allow.
        task = asyncio.create_task(call())
        try:
            done, _ = await asyncio.wait({task}, timeout=BUDGET_SECONDS)
        except asyncio.CancelledError:
            _abandon(task)
            raise
        if not done:
            _abandon(task)
            raise TimeoutError
        return task.result()


def _abandon(task: asyncio.Task[Any]) -> None:
    _abandoned.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # read, so that it is not reported as forgotten: the caller has its TimeoutError


ERRORS: tuple[type[Exception], ...] = (RedisError, OSError)
"""What a call raises when the server cannot be reached or does not answer; `TimeoutError` is an `OSError`."""
