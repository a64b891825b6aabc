"""The outbox: facts and work stored in the transaction that causes them."""

from datetime import datetime

import msgspec

from agon.kernel.ids import new_id
from agon.kernel.tx import Query
from agon.platform.context import current
from agon.platform.database.unit import UnitOfWork
from agon.platform.events.subscribers import Subscriptions
from agon.platform.jobs.queue import QueuedJob, enqueue

DELIVERY_PREFIX = "event:"
"""Jobs that deliver an event are named `event:{subscriber}`; all others by their own name."""

_INSERT_EVENTS = Query(
    "events.insert",
    """insert into event (id, type, subject, data, trace, occurred_at)
       select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::timestamptz[])""",
    type(None),
)
_INSERT_INVALIDATIONS = Query(
    "cache.invalidate",
    "insert into invalidation (tag, at) select tag, $2::timestamptz from unnest($1::text[]) as tag",
    type(None),
)


class Delivery(msgspec.Struct, frozen=True):
    """The payload of a delivery: which event; the time tells its partition."""

    event_id: str
    occurred_at: datetime


async def store(unit: UnitOfWork, subscriptions: Subscriptions) -> bool:
    """Store the unit's events, with one job for each of their subscribers, its jobs and its invalidations.

    Returns:
        Whether any job was stored, so that workers are worth waking after the commit.
    """
    jobs = [QueuedJob.of(each.job, unit.now, each.run_at, each.key) for each in unit.jobs]
    if unit.events:
        jobs += await _store_events(unit, subscriptions)
    if unit.tags:
        await unit.execute(_INSERT_INVALIDATIONS, sorted(unit.tags), unit.now)
    if jobs:
        await enqueue(unit.connection, jobs)
    return bool(jobs)


async def _store_events(unit: UnitOfWork, subscriptions: Subscriptions) -> list[QueuedJob]:
    trace = current().trace_parent
    ids = [new_id() for _ in unit.events]
    await unit.execute(
        _INSERT_EVENTS,
        ids,
        [event.type for event in unit.events],
        [event.subject for event in unit.events],
        [msgspec.json.encode(event).decode() for event in unit.events],
        [trace] * len(ids),
        [unit.now] * len(ids),
    )
    return [
        QueuedJob(f"{DELIVERY_PREFIX}{name}", msgspec.json.encode(Delivery(str(event_id), unit.now)), trace)
        for event, event_id in zip(unit.events, ids, strict=True)
        for name in subscriptions.names_for(event.type)
    ]
