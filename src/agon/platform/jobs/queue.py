"""The queue of jobs: PgQueuer's table, written on the caller's own connection."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from agon.kernel.events import Job
from agon.platform.context import current

CHANNEL = "ch_pgqueuer"
"""Where workers listen for new jobs."""


class QueuedJob(msgspec.Struct, frozen=True):
    """A job as the queue stores it."""

    name: str
    payload: bytes
    trace: str | None = None
    delay: timedelta | None = None
    key: str | None = None

    @classmethod
    def of(cls, job: Job, now: datetime, run_at: datetime | None, key: str | None) -> "QueuedJob":
        delay = None if run_at is None else max(run_at - now, timedelta())
        return cls(job.name, msgspec.json.encode(job), current().trace_parent, delay, key)


async def enqueue(connection: Any, jobs: Sequence[QueuedJob]) -> None:
    """Store jobs in the connection's transaction; one whose key already waits is dropped."""
    await Queries(AsyncpgDriver(connection)).enqueue(
        [job.name for job in jobs],
        [job.payload for job in jobs],
        [0] * len(jobs),
        [job.delay for job in jobs],
        [job.key for job in jobs],
        [{"traceparent": job.trace} if job.trace else None for job in jobs],
        on_conflict="skip",
    )


def wake_up_payload(now: datetime) -> str:
    """What workers take as the news that there are jobs."""
    event = {
        "channel": CHANNEL,
        "operation": "insert",
        "sent_at": now,
        "table": "pgqueuer",
        "type": "table_changed_event",
    }
    return msgspec.json.encode(event).decode()
