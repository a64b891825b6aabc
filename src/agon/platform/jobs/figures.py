"""The queue in figures, for metrics, health and alarms."""

from datetime import datetime, timedelta

import msgspec

from agon.kernel.tx import Query, ReadTx
from agon.platform.events.outbox import DELIVERY_PREFIX


class QueueFigures(msgspec.Struct, frozen=True):
    """The state of the queue; ages in seconds, 0 where nothing waits."""

    depth: dict[str, int]
    """Jobs that are due and wait, by name."""
    oldest_seconds: float
    """How long the one that waits longest has been due."""
    running: int
    dead: int
    outbox_lag_seconds: float
    """How long the event has been stored whose delivery waits longest, runs included and dead letters not."""


class _Kind(msgspec.Struct, frozen=True):
    name: str
    due: int
    oldest_due: datetime | None
    running: int
    dead: int
    oldest: datetime | None


_KINDS = Query(
    "jobs.figures",
    """select regexp_replace(entrypoint, '^suspect:', '') as name,
              count(*) filter (where status = 'queued' and execute_after <= $1) as due,
              min(execute_after) filter (where status = 'queued' and execute_after <= $1) as oldest_due,
              count(*) filter (where status = 'picked') as running,
              count(*) filter (where status = 'failed') as dead,
              min(created) filter (where status <> 'failed') as oldest
       from pgqueuer group by 1""",
    _Kind,
    seq_scan="the queue holds what waits, which is little but in trouble, and nothing that is done",
)


async def queue_figures(tx: ReadTx) -> QueueFigures:
    """Count what is in the queue."""
    kinds = await tx.all(_KINDS, tx.now)
    due = [kind.oldest_due for kind in kinds if kind.oldest_due is not None]
    deliveries = [kind.oldest for kind in kinds if kind.name.startswith(DELIVERY_PREFIX) and kind.oldest is not None]
    return QueueFigures(
        depth={kind.name: kind.due for kind in kinds if kind.due},
        oldest_seconds=_age(tx.now, due),
        running=sum(kind.running for kind in kinds),
        dead=sum(kind.dead for kind in kinds),
        outbox_lag_seconds=_age(tx.now, deliveries),
    )


def _age(now: datetime, moments: list[datetime]) -> float:
    return max((now - min(moments, default=now)) / timedelta(seconds=1), 0.0)
