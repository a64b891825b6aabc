"""Stored events as those see them who keep Agon running."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from agon.kernel.errors import DomainError, Refusal
from agon.kernel.paging import Page, PageRequest, page_of
from agon.kernel.tx import Query, ReadTx
from agon.platform.events.subscribers import Subscriptions


class EventNotFound(DomainError):
    code = "EVENT_NOT_FOUND"
    refusal = Refusal.MISSING
    title = "There is no such event (any more)."


class EventRow(msgspec.Struct, frozen=True):
    """A stored event; `data` is JSON, `trace` the W3C context of what caused it."""

    id: UUID
    seq: int
    type: str
    subject: str
    data: str
    trace: str | None
    occurred_at: datetime


class DeliveryState(StrEnum):
    """What became of an event at one subscriber."""

    HANDLED = "handled"
    WAITING = "waiting"
    RUNNING = "running"
    DEAD = "dead"
    NONE = "none"
    """Nothing is known: it was stored before the subscriber was there."""


class EventDelivery(msgspec.Struct, frozen=True):
    """An event's delivery to one subscriber, with the job in the queue where there still is one."""

    subscriber: str
    state: DeliveryState
    processed_at: datetime | None = None
    job_id: int | None = None
    attempts: int = 0
    last_error: str | None = None


class EventDetails(msgspec.Struct, frozen=True):
    event: EventRow
    deliveries: list[EventDelivery]


class _Processed(msgspec.Struct, frozen=True):
    subscriber: str
    processed_at: datetime


class _Queued(msgspec.Struct, frozen=True):
    subscriber: str
    status: str
    job_id: int
    attempts: int
    last_error: str | None


_COLUMNS = "id, seq, type, subject, data::text, trace, occurred_at"
_BY_SUBJECT = Query(
    "events.by_subject",
    f"""select {_COLUMNS} from event
        where subject = $1 and ($2::text is null or type = $2) and ($3::timestamptz is null or occurred_at >= $3)
          and ($4::bigint is null or seq < $4)
        order by seq desc limit $5""",  # noqa: S608 - constants
    EventRow,
)
_BY_TYPE = Query(
    "events.by_type",
    f"""select {_COLUMNS} from event
        where type = $1 and ($2::timestamptz is null or occurred_at >= $2) and ($3::bigint is null or seq < $3)
        order by seq desc limit $4""",  # noqa: S608 - constants
    EventRow,
)
_ALL = Query(
    "events.all",
    f"""select {_COLUMNS} from event
        where ($1::timestamptz is null or occurred_at >= $1) and ($2::uuid is null or id < $2)
        order by id desc limit $3""",  # noqa: S608 - constants
    EventRow,
)
_FIND = Query("events.find", f"select {_COLUMNS} from event where id = $1", EventRow)  # noqa: S608 - constants
_PROCESSED = Query(
    "events.processed_by",
    """select subscriber, processed_at from processed_event
       where subscriber = any($1::text[]) and event_id = $2 and occurred_at = $3""",
    _Processed,
)
_QUEUED = Query(
    "events.queued_for",
    """select regexp_replace(entrypoint, '^(suspect:)?event:', '') as subscriber, status::text as status, id as job_id,
              attempts, last_error
       from pgqueuer
       where entrypoint ~ '^(suspect:)?event:' and position($1 in encode(payload, 'escape')) > 0
       order by id""",
    _Queued,
    seq_scan="the queue holds what waits, which is little but in trouble, and nothing that is done",
)
_STATES = {"queued": DeliveryState.WAITING, "picked": DeliveryState.RUNNING, "failed": DeliveryState.DEAD}


async def list_events(
    tx: ReadTx,
    request: PageRequest,
    *,
    event_type: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
) -> Page[EventRow]:
    """Events, newest first."""
    most = request.limit + 1
    if subject is None and event_type is None:
        seen = request.after(tuple[UUID])
        rows = await tx.all(_ALL, since, seen and seen[0], most)
        return page_of(rows, request.limit, lambda row: (row.id,))
    after = request.after(tuple[int])
    before = after and after[0]
    if subject is None:
        rows = await tx.all(_BY_TYPE, event_type, since, before, most)
    else:
        rows = await tx.all(_BY_SUBJECT, subject, event_type, since, before, most)
    return page_of(rows, request.limit, lambda row: (row.seq,))


async def show_event(tx: ReadTx, event_id: UUID, subscriptions: Subscriptions) -> EventDetails:
    """An event, and what became of it at each of its subscribers.

    Raises:
        EventNotFound: it was never stored, or is no longer kept.
    """
    event = await tx.one(_FIND, event_id)
    if event is None:
        raise EventNotFound
    queued = {row.subscriber: row for row in await tx.all(_QUEUED, str(event_id))}
    names = sorted({*subscriptions.names_for(event.type), *queued})
    processed = {row.subscriber: row for row in await tx.all(_PROCESSED, names, event_id, event.occurred_at)}
    return EventDetails(event, [_delivery(name, processed.get(name), queued.get(name)) for name in names])


def _delivery(name: str, processed: _Processed | None, queued: _Queued | None) -> EventDelivery:
    if processed is not None:
        return EventDelivery(name, DeliveryState.HANDLED, processed.processed_at)
    if queued is None:
        return EventDelivery(name, DeliveryState.NONE)
    return EventDelivery(name, _STATES[queued.status], None, queued.job_id, queued.attempts, queued.last_error)
