"""The queue of jobs: PgQueuer's table, written on the caller's own connection."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from agon.kernel.events import Job
from agon.platform.context import current

CHANNEL = "ch_pgqueuer"
"""Where workers listen for new jobs."""

SETTINGS = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel(CHANNEL),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=False,
)
"""Every name is given here, because PgQueuer would otherwise take it from the environment: a variable that happens
to be called CHANNEL or FUNCTION would be enough."""

BUILDERS: dict[str, Any] = {
    "qbe": QueryBuilderEnvironment(SETTINGS),
    "qbq": QueryQueueBuilder(SETTINGS),
    "qbs": QuerySchedulerBuilder(SETTINGS),
}
"""What makes PgQueuer's `Queries` use these settings."""


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
    """Store jobs in the connection's transaction; one whose key already waits is dropped.

    The request that causes them goes along, so that their log lines and audit entries can be found together.
    """
    request_id = current().request_id
    await Queries(AsyncpgDriver(connection), **BUILDERS).enqueue(
        [job.name for job in jobs],
        [job.payload for job in jobs],
        [0] * len(jobs),
        [job.delay for job in jobs],
        [job.key for job in jobs],
        [_headers(job, request_id) for job in jobs],
        on_conflict="skip",
    )


def _headers(job: QueuedJob, request_id: str) -> dict[str, str]:
    headers = {"request_id": request_id}
    if job.trace:
        headers["traceparent"] = job.trace
    return headers


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
