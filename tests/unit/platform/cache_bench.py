"""A cache whose clock is moved by hand, and reads to try it with."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from agon.kernel.clock import ManualClock
from agon.kernel.errors import DomainError, Refusal
from agon.platform.cache.cache import Cache, Outcome
from agon.platform.cache.reads import CachedRead


class Profile(msgspec.Struct, frozen=True):
    name: str
    rating: int


PROFILE = CachedRead("test_cache", "profile", Profile, tags=("profile:{id}", "profiles"))
BOARD = CachedRead("test_cache", "board", bytes, ttl=60, tags=("board:{id}",), stale_tolerant=True)
BALANCE = CachedRead("test_cache", "balance", int, ttl=60, tags=("balance:{id}",))


class SourceDown(DomainError):
    refusal = Refusal.UNAVAILABLE
    title = "The source is down."


class Bench:
    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
        self.outcomes: list[tuple[str, Outcome]] = []
        self.multiplier = 1
        self.cache = Cache(
            clock=self.clock,
            load_multiplier=lambda: self.multiplier,
            on_result=lambda name, outcome: self.outcomes.append((name, outcome)),
            **options,
        )
        self.loads = 0

    async def count(self) -> int:
        """A load that gives how often it was asked."""
        self.loads += 1
        return self.loads

    async def board(self) -> bytes:
        return b"board %d" % await self.count()

    def last(self) -> Outcome:
        return self.outcomes[-1][1]
