"""News of what other processes committed: the tags of cached reads that became stale.

Every process reads the table `invalidation` on a connection of its own, woken by NOTIFY and by habit. It remembers
the database's snapshot of the last time, and reads the rows of exactly those transactions that became visible since:
one that began long before others and commits after them is not missed, and none is seen twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from agon.platform.database.dedicated import DedicatedConnection, DedicatedOptions
from agon.platform.database.wakeups import INVALIDATION_CHANNEL

Listener = Callable[[frozenset[str]], Awaitable[None]]

EVERYTHING: Final = frozenset({"*"})
"""What listeners are told when it cannot be known any more what became stale."""

_BEGINNING = "3:3:"
"""A snapshot from before the first transaction: whoever starts is told of everything that the table still holds."""
_BETWEEN_POLLS = 0.02
"""Seconds; a storm of wake-ups is answered together."""
_STATEMENT_TIMEOUT = 2.0
_SINCE = """
    select pg_current_snapshot()::text as snapshot, extract(epoch from clock_timestamp())::float8 as at,
           pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax($1::text::pg_snapshot) as went_back,
           array(select distinct tag from invalidation
                 where xid >= pg_snapshot_xmin($1::text::pg_snapshot)
                   and not pg_visible_in_snapshot(xid, $1::text::pg_snapshot)) as tags
"""
_log = structlog.get_logger(__name__)


class InvalidationFeed:
    """Tells listeners of stale tags: of this process's own commits at once, of others' as soon as they are heard of.

    A listener that fails is told again, and until it succeeds nothing counts as seen.

    Args:
        dsn: of the database.
        poll_seconds: between looks when no wake-up comes.
        pruned_after: seconds for which the rows are kept; a longer silence means that some were never seen.
        pgbouncer: whether the database is reached through PgBouncer, where wake-ups do not arrive.
    """

    def __init__(
        self, dsn: str, *, poll_seconds: float = 0.4, pruned_after: float = 600.0, pgbouncer: bool = False
    ) -> None:
        options = DedicatedOptions(
            name="invalidation", statement_timeout=_STATEMENT_TIMEOUT, connect_timeout=2, pgbouncer=pgbouncer
        )
        self._connection = DedicatedConnection(dsn, options)
        self._poll_seconds = poll_seconds
        self._longest_silence = pruned_after / 2
        self._listeners: list[Listener] = []
        self._news = asyncio.Event()
        self._snapshot = _BEGINNING
        self._last_at: float | None = None
        self._seen_at = float("-inf")

    def listen(self, *listeners: Listener) -> None:
        """Have these told from now on."""
        self._listeners.extend(listeners)

    async def tell(self, tags: frozenset[str]) -> None:
        """Tell every listener of a commit of this process; one that fails is told again by the feed."""
        for listener in self._listeners:
            try:
                await listener(tags)
            except Exception as error:  # noqa: BLE001 - the commit stands, and its caller must not hear of this
                _log.warning("invalidation_listener_failed", reason=type(error).__name__)

    def fresh(self, max_age: float) -> bool:
        """Whether everything that was committed more than `max_age` seconds ago is known to have been seen."""
        return time.monotonic() - self._seen_at <= max_age

    async def run(self) -> None:
        """Follow until cancelled; a database that is out of reach is waited for, and `fresh` says no meanwhile."""
        await self._connection.listen(INVALIDATION_CHANNEL, lambda _: self._news.set())
        try:
            while True:
                self._news.clear()
                try:
                    await self.poll()
                except Exception as error:  # noqa: BLE001 - a listener's, or the database's: nothing counts as seen
                    _log.warning("invalidation_feed_delayed", reason=type(error).__name__)
                await asyncio.sleep(_BETWEEN_POLLS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._poll_seconds)
        finally:
            await self._connection.close()

    async def poll(self) -> None:
        """Look once, and tell the listeners what is new."""
        started = time.monotonic()
        ((snapshot, at, went_back, found),) = await self._connection.fetch(_SINCE, self._snapshot)
        silent = self._last_at is not None and at - self._last_at > self._longest_silence
        tags = EVERYTHING if silent or went_back else frozenset(found)
        if tags is EVERYTHING:
            _log.warning("invalidations_unknown", silent=silent, went_back=went_back)
        if tags:
            for listener in self._listeners:
                await listener(tags)
        self._snapshot, self._last_at, self._seen_at = snapshot, at, started
