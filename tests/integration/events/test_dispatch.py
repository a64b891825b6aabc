"""Deliveries: each event handled once in effect by each subscriber, in order where that is asked for."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator

import msgspec
import pytest
import pytest_asyncio

from agon.kernel.tx import Query, Tx
from agon.platform.database.database import Database
from agon.platform.events import dispatch
from agon.platform.events.dispatch import Dispatcher, EventMissing, EventUnknown, register
from agon.platform.events.outbox import Delivery
from agon.platform.events.subscribers import subscriber
from tests.integration.jobs.workshop import COUNT, EFFECTS, SLEEP, STORE, PartMade, make, note, opened, tampering

DELIVERIES = Query(
    "test.deliveries",
    """select convert_from(payload, 'utf8') from pgqueuer
       where entrypoint = 'event:' || $1 and convert_from(payload, 'utf8')::jsonb ->> 'event_id' in
             (select id::text from event where subject = 'part:' || $2)
       order by id""",
    str,
)
ITEMS = Query("test.items", "select item from effect where what = $1 and item like $2 || ':%' order by id", str)


async def take_slowly(tx: Tx, event: PartMade) -> None:
    await note(tx, "slow", f"{event.batch}:{event.number}")
    await tx.one(SLEEP, 0.2)


SLOW = subscriber("workshop.slow", PartMade, take_slowly)


async def fail_on_two(tx: Tx, event: PartMade) -> None:
    await note(tx, "picky", f"{event.batch}:{event.number}")
    if event.number == 2:
        raise ZeroDivisionError


PICKY = subscriber("workshop.picky", PartMade, fail_on_two, ordered=True)


@pytest_asyncio.fixture
async def database(dsn: str) -> AsyncGenerator[Database, None]:
    async with opened(dsn, STORE, COUNT, SLOW, PICKY) as opened_database:
        async with opened_database.write.connection() as connection:
            await connection.execute(EFFECTS)
        await register(opened_database, opened_database.subscriptions)
        yield opened_database


@pytest.fixture
def batch() -> str:
    return uuid.uuid4().hex


async def deliveries(database: Database, name: str, batch: str) -> list[bytes]:
    return [text.encode() for text in await database.fetch(lambda tx: tx.all(DELIVERIES, name, batch))]


async def handled(database: Database, what: str, batch: str) -> list[int]:
    items = await database.fetch(lambda tx: tx.all(ITEMS, what, batch))
    return [int(item.partition(":")[2]) for item in items]


async def test_deliveries_that_run_at_once_have_one_effect(database: Database, batch: str):
    await make(database, batch, 1)
    (payload,) = await deliveries(database, "workshop.slow", batch)
    dispatcher = Dispatcher(database, database.subscriptions)
    await asyncio.gather(*(dispatcher.deliver("workshop.slow", payload) for _ in range(5)))
    await dispatcher.deliver("workshop.slow", payload)
    assert await handled(database, "slow", batch) == [1]


async def test_a_delivery_that_waited_for_one_that_failed_takes_its_place(database: Database, batch: str):
    await make(database, batch, 1)
    (payload,) = await deliveries(database, "workshop.slow", batch)
    failing = subscriber("workshop.slow", PartMade, _fail_slowly)
    broken = Dispatcher(database, type(database.subscriptions)([failing]))
    first = asyncio.create_task(broken.deliver("workshop.slow", payload))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(Dispatcher(database, database.subscriptions).deliver("workshop.slow", payload))
    with pytest.raises(ZeroDivisionError):
        await first
    await second
    assert await handled(database, "slow", batch) == [1]


async def _fail_slowly(tx: Tx, event: PartMade) -> None:
    await take_slowly(tx, event)
    raise ZeroDivisionError


async def test_a_handler_that_fails_leaves_nothing(database: Database, batch: str):
    await make(database, batch, 2)
    (payload,) = await deliveries(database, "workshop.picky", batch)
    with pytest.raises(ZeroDivisionError):
        await Dispatcher(database, database.subscriptions).deliver("workshop.picky", payload)
    assert await handled(database, "picky", batch) == []


async def test_an_ordered_subscriber_meets_events_in_order_however_they_arrive(database: Database, batch: str):
    numbers = list(range(12))
    for number in numbers:
        await make(database, batch, number)
    payloads = await deliveries(database, "workshop.count", batch) * 3
    random.Random(7).shuffle(payloads)
    dispatcher = Dispatcher(database, database.subscriptions)
    await asyncio.gather(*(dispatcher.deliver("workshop.count", payload) for payload in payloads))
    assert await handled(database, "counted", batch) == numbers


async def test_a_failing_event_holds_back_its_own_subject_only(database: Database, batch: str):
    await make(database, batch, 1, 2, 3)
    other = uuid.uuid4().hex
    await make(database, other, 3)
    dispatcher = Dispatcher(database, database.subscriptions)
    first, _, third = await deliveries(database, "workshop.picky", batch)
    await dispatcher.deliver("workshop.picky", first)
    with pytest.raises(ZeroDivisionError):
        await dispatcher.deliver("workshop.picky", third)
    assert await handled(database, "picky", batch) == [1]
    await dispatcher.deliver("workshop.picky", (await deliveries(database, "workshop.picky", other))[0])
    assert await handled(database, "picky", other) == [3]


async def test_a_long_backlog_is_handled_in_several_transactions(
    database: Database, batch: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dispatch, "MOST_AT_ONCE", 5)
    await make(database, batch, *range(12))
    transactions = 0
    transact = database.transact

    async def counting(*arguments, **options):
        nonlocal transactions
        transactions += 1
        return await transact(*arguments, **options)

    monkeypatch.setattr(database, "transact", counting)
    last = (await deliveries(database, "workshop.count", batch))[-1]
    await Dispatcher(database, database.subscriptions).deliver("workshop.count", last)
    assert await handled(database, "counted", batch) == list(range(12))
    assert transactions == 3


async def test_a_new_ordered_subscriber_begins_where_it_was_registered(database: Database, batch: str):
    await make(database, batch, 1, 2)
    late = subscriber(f"workshop.late_{batch}", PartMade, COUNT.handle, ordered=True)
    subscriptions = type(database.subscriptions)([late])
    await register(database, subscriptions)
    await register(database, subscriptions)
    await make(database, batch, 3, 4)
    last = (await deliveries(database, "workshop.count", batch))[-1]
    await Dispatcher(database, subscriptions).deliver(late.name, last)
    assert await handled(database, "counted", batch) == [3, 4]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("type = 'part.unheard_of'", EventUnknown),
        ('data = \'{"number": "many"}\'', msgspec.DecodeError),
        ("occurred_at = occurred_at - interval '1 second'", EventMissing),
    ],
)
@pytest.mark.parametrize("name", ["workshop.store", "workshop.count"])
async def test_an_event_that_cannot_be_read_is_a_failure(
    database: Database, batch: str, change: str, error: type[Exception], name: str
):
    await make(database, batch, 1)
    async with database.write.connection() as connection, tampering(connection, "event"):
        await connection.execute(f"update event set {change} where subject = 'part:{batch}'")
    (payload,) = await deliveries(database, name, batch)
    with pytest.raises(error):
        await Dispatcher(database, database.subscriptions).deliver(name, payload)


async def test_a_payload_that_is_no_delivery_is_a_failure(database: Database):
    with pytest.raises(msgspec.DecodeError):
        await Dispatcher(database, database.subscriptions).deliver("workshop.store", b"{")
    missing = msgspec.json.encode(Delivery(str(uuid.uuid4()), database.clock.now()))
    with pytest.raises(EventMissing):
        await Dispatcher(database, database.subscriptions).deliver("workshop.store", missing)


async def test_events_that_already_wait_for_a_new_subscriber_are_its_own(database: Database, dsn: str, batch: str):
    name = f"workshop.awaited_{batch}"
    await make(database, batch, 1)
    awaited = subscriber(name, PartMade, COUNT.handle, ordered=True)
    subscriptions = type(database.subscriptions)([awaited])
    async with opened(dsn, awaited) as other:
        await make(other, batch, 2, 3)
        await register(other, subscriptions)
        last = (await deliveries(other, name, batch))[-1]
        await Dispatcher(other, subscriptions).deliver(name, last)
    assert await handled(database, "counted", batch) == [2, 3]
