"""Rate limits by category and key, exact within a process or, with Valkey, over all of them."""

import math
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, cast

import msgspec
import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import BlockingConnectionPool

from agon.platform import valkey
from agon.platform.breakers import Breaker, BreakerOpen, State
from agon.platform.limits.memory import BoundedMemory

MAX_KEYS = 1_000_000
_PREFIX = "agon:limit"
_STRICTER = 2
_log = structlog.get_logger(__name__)


class Strategy(StrEnum):
    """How hits are counted.

    Both are exact. `FIXED` starts a window with the first hit and opens again when it ends, so up to twice the amount
    can pass around its end: for limits that say so. `MOVING` never lets more than the amount pass in any window. A
    sliding-window counter would need less memory for large amounts, but lets nearly twice the amount pass in its first
    window's length and costs the same time; the figures are in `docs/platform/rate-limits.md`.
    """

    FIXED = "fixed"
    MOVING = "moving"


class Rule(msgspec.Struct, frozen=True):
    """A category's limit: `amount` hits in `seconds` for each key; an amount of 0 refuses all."""

    category: str
    amount: int
    seconds: int = 60
    strategy: Strategy = Strategy.MOVING


class Allowance(msgspec.Struct, frozen=True):
    """The answer to a hit.

    `reset_seconds`: after these the whole amount is there again, if nothing is used until then (for a refused hit in a
    moving window: at the latest). `retry_after`: seconds until a hit can be allowed; 0 when this one was.
    """

    limit: int
    remaining: int
    reset_seconds: int
    allowed: bool
    retry_after: int = 0


class RateLimits:
    """Counts hits.

    Args:
        storage_url: Valkey or Redis (`redis://`, `rediss://`, `valkey://`, `valkeys://`), shared by all processes; None
            counts in this process alone. When it does not answer, the process counts by itself with half the amounts
            (at least 1), and goes back to the shared counters when these answer again.
        rules: one for each category.
        max_keys: how many keys are counted in this process, over all categories. Each category has its share, so
            that a flood in one cannot push the counters of another out.
        breaker: guards the shared storage.
        on_fallback: is told the category of each hit that was counted by the process because the storage was down.
        now: seconds since 1970.
    """

    def __init__(
        self,
        storage_url: str | None,
        rules: Iterable[Rule],
        *,
        max_keys: int = MAX_KEYS,
        breaker: Breaker | None = None,
        on_fallback: Callable[[str], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        known = list(rules)
        self._rules = {rule.category: rule for rule in known}
        if len(self._rules) != len(known):
            message = "a category has two rules"
            raise ValueError(message)
        self._breaker = breaker or Breaker("limits")
        self._on_fallback = on_fallback
        self._connections = None if storage_url is None else _connections(storage_url)
        stricter = 1 if storage_url is None else _STRICTER
        share = max(1, max_keys // max(1, len(known)))
        self._own = {
            rule.category: _Counter(rule, max(1, rule.amount // stricter), BoundedMemory(share, now), now)
            for rule in known
        }
        self._shared: dict[str, _Counter] = {}
        if self._connections is not None:
            storage = _storage(self._connections)
            self._shared = {rule.category: _Counter(rule, rule.amount, storage, now) for rule in known}

    async def hit(self, category: str, key: str) -> Allowance:
        """Count one hit and say whether it is allowed; a refused one uses nothing up.

        Args:
            category: of one of the rules.
            key: who is counted: an account id, or `client_key(address)`.
        """
        rule = self._rules[category]
        if rule.amount <= 0:
            return Allowance(0, 0, rule.seconds, allowed=False, retry_after=rule.seconds)
        if self._connections is None:
            return await self._own[category].hit(key)
        try:
            return await valkey.guarded(self._breaker, lambda: self._shared[category].hit(key))
        except (BreakerOpen, StorageError, *valkey.ERRORS) as error:
            if self._breaker.state is State.CLOSED:  # once it is open, that has been logged
                _log.warning("limits_storage_failed", reason=type(error).__name__)
        if self._on_fallback is not None:
            self._on_fallback(category)
        return await self._own[category].hit(key)

    async def close(self) -> None:
        """Close the connections to the shared storage."""
        if self._connections is not None:
            await self._connections.aclose()


class _Counter:
    """One rule on one storage."""

    def __init__(self, rule: Rule, amount: int, storage: Storage, now: Callable[[], float]) -> None:
        limiter = FixedWindowRateLimiter if rule.strategy is Strategy.FIXED else MovingWindowRateLimiter
        self._limiter = limiter(storage)
        self._item = RateLimitItemPerSecond(amount, rule.seconds, namespace=rule.category)
        self._fixed = rule.strategy is Strategy.FIXED
        # Valkey tells the end of a fixed window in whole seconds, rounded: one more, so that whoever waits as long as
        # told is let in.
        self._rounding = 1 if self._fixed and isinstance(storage, RedisStorage) else 0
        self._now = now

    async def hit(self, key: str) -> Allowance:
        item = self._item
        allowed = await self._limiter.hit(item, key)
        stats = await self._limiter.get_window_stats(item, key)
        until = math.ceil(stats.reset_time - self._now()) + self._rounding
        until = min(max(until, 1), item.multiples)
        return Allowance(
            limit=item.amount,
            remaining=max(0, stats.remaining) if allowed else 0,
            reset_seconds=until if self._fixed else item.multiples,
            allowed=allowed,
            retry_after=0 if allowed else until,
        )


def _connections(url: str) -> BlockingConnectionPool:
    return cast("Any", BlockingConnectionPool).from_url(
        valkey.address(url), timeout=valkey.BUDGET_SECONDS, **valkey.options()
    )


def _storage(connections: BlockingConnectionPool) -> RedisStorage:
    pool = cast("Any", connections)  # the library's options are typed as plain values
    return RedisStorage(
        "async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=_PREFIX, connection_pool=pool
    )
