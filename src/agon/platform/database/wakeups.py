"""Wake-ups after a commit: one NOTIFY for a process and a few milliseconds, however many commits there were.

NOTIFY inside a transaction serialises all commits of the server; so it is sent after them, on its own. One that is
lost costs time only: workers and followers poll as well.
"""

import asyncio

import structlog

from agon.kernel.clock import Clock
from agon.kernel.errors import DomainError
from agon.platform.database.pool import Pool
from agon.platform.jobs import queue

INVALIDATION_CHANNEL = "agon_invalidation"
_COALESCE_SECONDS = 0.004
_log = structlog.get_logger(__name__)


class Wakeups:
    """Collects the news of commits and passes them on together."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._channels: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def wake(self, *, jobs: bool, invalidations: bool) -> None:
        """Tell workers, and followers of invalidations, that there is news; returns at once."""
        if jobs:
            self._channels.add(queue.CHANNEL)
        if invalidations:
            self._channels.add(INVALIDATION_CHANNEL)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send(), name="wakeups")

    async def _send(self) -> None:
        while self._channels:
            await asyncio.sleep(_COALESCE_SECONDS)
            channels, self._channels = sorted(self._channels), set()
            payload = queue.wake_up_payload(self._clock.now())
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(
                        "select pg_notify(channel, $2) from unnest($1::text[]) as channel", channels, payload
                    )
            except (DomainError, OSError) as error:
                _log.warning("wakeup_lost", reason=type(error).__name__)

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
