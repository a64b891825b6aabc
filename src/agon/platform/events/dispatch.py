"""Hands facts to their subscribers: each handler runs once in effect, in a transaction of its own."""

from datetime import datetime
from uuid import UUID

import msgspec

from agon.kernel.constraints import refuses
from agon.kernel.events import EVENTS, Event
from agon.kernel.tx import Query, Tx
from agon.platform.database.database import Database
from agon.platform.events.outbox import Delivery
from agon.platform.events.subscribers import Subscriber, Subscriptions

STATEMENT_TIMEOUT = 30.0
"""Seconds for each statement of a handler: longer than a request's, since nobody is waiting."""
MOST_AT_ONCE = 100
"""Earlier events of a subject that are handled in one transaction with a later one."""


refuses(
    event_pkey="identifiers are made here, from time and chance",
    processed_event_pkey="a second row is left out",
    subscriber_pkey="a second row is left out",
)


class EventMissing(Exception):
    """A delivery names an event that is not stored (any more)."""


class EventUnknown(Exception):
    """A stored event is of a type that this version does not know."""


class Stored(msgspec.Struct, frozen=True):
    """An event as it is stored; `data` is JSON."""

    id: UUID
    occurred_at: datetime
    type: str
    subject: str
    seq: int
    data: str

    def decode(self) -> Event:
        """The event.

        Raises:
            EventUnknown: its type is not declared here.
            msgspec.DecodeError: its data are not of that type.
        """
        kind = EVENTS.get(self.type)
        if kind is None:
            message = f"event {self.id} is of type {self.type}, which is not declared"
            raise EventUnknown(message)
        return msgspec.json.decode(self.data, type=kind)


class Taken(msgspec.Struct, frozen=True):
    """The answer to taking an event: whether it was still to be taken, and the event."""

    first: bool
    id: UUID
    occurred_at: datetime
    type: str
    subject: str
    seq: int
    data: str

    @property
    def stored(self) -> Stored:
        return Stored(self.id, self.occurred_at, self.type, self.subject, self.seq, self.data)


_TAKE = Query(
    "events.take",
    """with taken as (
           insert into processed_event (subscriber, event_id, occurred_at, processed_at) values ($1, $2, $3, $4)
           on conflict do nothing
           returning event_id
       )
       select exists (select from taken) as first, id, occurred_at, type, subject, seq, data::text
       from event where id = $2 and occurred_at = $3""",
    Taken,
)
_LOAD = Query(
    "events.load",
    """select id, occurred_at, type, subject, seq, data::text from event where id = $1 and occurred_at = $2""",
    Stored,
)
_EARLIER = Query(
    # Handled events of a subject are its first ones, so that looking back ends at the first that was handled.
    "events.earlier",
    """select id, occurred_at, type, subject, seq, data::text
       from event
       where subject = $2 and type = any($3::text[]) and seq < $4
         and seq >= (select since_seq from subscriber where name = $1)
         and seq > coalesce((
             select handled.seq from event as handled
             where handled.subject = $2 and handled.type = any($3::text[]) and handled.seq < $4
               and exists (select from processed_event as processed
                           where processed.subscriber = $1 and processed.event_id = handled.id
                             and processed.occurred_at = handled.occurred_at)
             order by handled.seq desc limit 1), 0)
       order by seq limit $5""",
    Stored,
)
_REGISTER = Query(
    # Events that wait for the subscriber already (the program that stores them was started first) count as its own.
    "events.register_subscribers",
    """insert into subscriber (name, since_seq, registered_at)
       select subscriber_name, least(
           (select case when is_called then last_value + 1 else last_value end from event_seq),
           (select min(event.seq) from pgqueuer job
            join event on event.id = substring(encode(job.payload, 'escape') from
                '"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"')::uuid
            where job.entrypoint = 'event:' || subscriber_name)
       ), $2
       from unnest($1::text[]) as subscriber_name
       where not exists (select from subscriber where name = subscriber_name)
       on conflict do nothing""",
    type(None),
    seq_scan="a worker that starts looks once for its new subscribers in the queue",
)


async def register(database: Database, subscriptions: Subscriptions) -> None:
    """Note from which event on each new subscriber takes part; known ones keep their beginning."""
    names = sorted(subscriptions.by_name)

    async def verb(tx: Tx) -> None:
        await tx.execute(_REGISTER, names, tx.now)

    if names:
        await database.transact(verb)


class Dispatcher:
    """Carries out deliveries."""

    def __init__(self, database: Database, subscriptions: Subscriptions) -> None:
        self._database = database
        self._subscriptions = subscriptions

    async def deliver(self, subscriber_name: str, payload: bytes) -> None:
        """Run a subscriber on an event, unless it has dealt with it.

        Args:
            subscriber_name: of a known subscriber.
            payload: a `Delivery`, as JSON.

        Raises:
            EventMissing, EventUnknown, msgspec.DecodeError: the event cannot be read.
            Exception: whatever the handler raised; nothing is stored then.
        """
        subscriber = self._subscriptions.by_name[subscriber_name]
        delivery = msgspec.json.decode(payload, type=Delivery)
        step = _in_order if subscriber.ordered else _alone

        async def verb(tx: Tx) -> bool:
            return await step(tx, subscriber, UUID(delivery.event_id), delivery.occurred_at)

        while not await self._database.transact(verb, statement_timeout=STATEMENT_TIMEOUT):
            continue


async def _alone(tx: Tx, subscriber: Subscriber, event_id: UUID, occurred_at: datetime) -> bool:
    """Handle an event; a delivery of the same that runs meanwhile waits here for what becomes of this one."""
    taken = await tx.one(_TAKE, subscriber.name, event_id, occurred_at, tx.now)
    if taken is None:
        raise EventMissing(str(event_id))
    if taken.first:
        await subscriber.handle(tx, taken.stored.decode())
    return True


async def _in_order(tx: Tx, subscriber: Subscriber, event_id: UUID, occurred_at: datetime) -> bool:
    """Handle an event after the earlier ones of its subject; False when those were too many for one transaction.

    Whoever handles several goes through them in order, and waits at the first one that another transaction is handling
    (the key of `processed_event` makes it). So no lock is needed to keep others from overtaking.
    """
    event = await tx.one(_LOAD, event_id, occurred_at)
    if event is None:
        raise EventMissing(str(event_id))
    earlier = await tx.all(_EARLIER, subscriber.name, event.subject, subscriber.types, event.seq, MOST_AT_ONCE)
    for each in earlier:
        await _alone(tx, subscriber, each.id, each.occurred_at)
    return len(earlier) < MOST_AT_ONCE and await _alone(tx, subscriber, event_id, occurred_at)
