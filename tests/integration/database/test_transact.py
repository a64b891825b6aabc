"""One verb, one transaction: what commits, what is taken back, what is tried again."""

import asyncio
import uuid

import asyncpg
import pytest

from agon.kernel.audit import AuditEntry
from agon.kernel.errors import DomainError
from agon.kernel.events import Event, Job
from agon.kernel.tx import Query, Tx
from agon.platform.database.database import Database, savepoint
from agon.platform.database.errors import DatabaseUnavailable, ValueInvalid
from agon.platform.events.subscribers import subscriber
from tests.conftest import OpenDatabase

COUNT_TAGS = Query("test.count_tags", "select count(*) from invalidation where tag = $1", int)
FAIL_ONCE = Query("test.fail", "select pg_sleep($1)::text", str)


class LampLit(Event, frozen=True, kw_only=True):
    type = "lamp.lit"
    about = "lamp_id"
    lamp_id: uuid.UUID


class Trim(Job, frozen=True, kw_only=True):
    name = "lamp.trim"
    lamp_id: uuid.UUID


async def stored(dsn: str, lamp: uuid.UUID) -> tuple[int, int, int, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return tuple(
            await connection.fetchrow(
                """select (select count(*) from event where subject = $1),
                          (select count(*) from pgqueuer where convert_from(payload, 'utf8') like '%' || $2 || '%'),
                          (select count(*) from invalidation where tag = $1),
                          (select count(*) from audit_log where target_id = $2)""",
                f"lamp:{lamp}",
                str(lamp),
            )
        )
    finally:
        await connection.close()


def light(lamp: uuid.UUID, error: Exception | None = None):
    async def verb(tx: Tx) -> str:
        tx.record(LampLit(lamp_id=lamp))
        tx.enqueue(Trim(lamp_id=lamp))
        tx.invalidate(f"lamp:{lamp}")
        tx.audit(AuditEntry(action="lamp.light", target_type="lamp", target_id=str(lamp), after={"lit": True}))
        if error:
            raise error
        return "lit"

    return verb


async def nothing(tx: Tx, event: LampLit) -> None:
    """A subscriber that is only counted."""


async def test_a_commit_stores_what_was_recorded(dsn: str, open_database: OpenDatabase):
    database = await open_database(dsn, subscriber("lamps.note", LampLit, nothing))
    lamp = uuid.uuid4()
    assert await database.transact(light(lamp)) == "lit"
    assert await stored(dsn, lamp) == (1, 1, 1, 1)
    connection = await asyncpg.connect(dsn)
    names = await connection.fetch("select entrypoint from pgqueuer order by id desc limit 2")
    await connection.close()
    assert {name[0] for name in names} == {"event:lamps.note", "lamp.trim"}


async def test_an_exception_takes_everything_back(dsn: str, database: Database):
    lamp = uuid.uuid4()
    with pytest.raises(ZeroDivisionError):
        await database.transact(light(lamp, ZeroDivisionError()))
    assert await stored(dsn, lamp) == (0, 0, 0, 0)


async def test_a_savepoint_takes_back_only_its_own(dsn: str, database: Database):
    kept, dropped = uuid.uuid4(), uuid.uuid4()

    async def verb(tx: Tx) -> None:
        await light(kept)(tx)
        with pytest.raises(ZeroDivisionError):
            async with savepoint(tx):
                await light(dropped, ZeroDivisionError())(tx)

    await database.transact(verb)
    assert await stored(dsn, kept) == (1, 1, 1, 1)
    assert await stored(dsn, dropped) == (0, 0, 0, 0)


async def test_a_key_keeps_the_same_work_from_waiting_twice(dsn: str, database: Database):
    lamp = uuid.uuid4()

    async def verb(tx: Tx) -> None:
        tx.enqueue(Trim(lamp_id=lamp), key=f"trim:{lamp}")

    await database.transact(verb)
    await database.transact(verb)
    assert (await stored(dsn, lamp))[1] == 1


async def test_a_deadlock_runs_the_verb_again(database: Database):
    lock = Query("test.lock", "select pg_advisory_xact_lock($1)::text", str)
    first, second = 911_001, 911_002
    runs = 0

    def grab(one: int, other: int):
        async def verb(tx: Tx) -> None:
            nonlocal runs
            runs += 1
            await tx.one(lock, one)
            await asyncio.sleep(0.2)
            await tx.one(lock, other)

        return verb

    await asyncio.gather(database.transact(grab(first, second)), database.transact(grab(second, first)))
    assert runs == 3


async def test_no_free_connection_is_refused_in_time(dsn: str, open_database: OpenDatabase):
    database = await open_database(dsn, size=1)
    database.write.options = type(database.write.options)(name="write", size=1, acquire_timeout=0.1)
    holding = asyncio.create_task(database.transact(lambda tx: tx.one(FAIL_ONCE, 0.5)))
    await asyncio.sleep(0.1)
    with pytest.raises(DatabaseUnavailable):
        await database.transact(light(uuid.uuid4()))
    await holding


async def test_nul_in_a_text_is_a_refusal_not_a_fault(database: Database):
    with pytest.raises(ValueInvalid):
        await database.fetch(lambda tx: tx.one(COUNT_TAGS, "nul\x00"))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
async def test_a_number_out_of_range_is_a_refusal_not_a_fault(database: Database, number: int):
    echo = Query("test.echo_number", "select $1::bigint", int)
    with pytest.raises(ValueInvalid):
        await database.fetch(lambda tx: tx.one(echo, number))


async def test_a_division_by_zero_stays_a_fault(database: Database):
    divide = Query("test.divide", "select 1 / $1::int", int)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.fetch(lambda tx: tx.one(divide, 0))


async def test_a_missing_argument_is_a_fault_and_costs_no_connection(database: Database):
    two = Query("test.two", "select $1::text || $2::text", str)
    with pytest.raises(asyncpg.InterfaceError):
        await database.fetch(lambda tx: tx.one(two, "one"))
    assert database.read.usage() == (0, 1)


async def test_the_read_pool_refuses_writes(database: Database):
    write = Query("test.write", "insert into invalidation (tag, at) values ('x', now()) returning tag", str)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await database.fetch(lambda tx: tx.one(write))


async def test_append_only_tables_refuse_change(dsn: str, database: Database):
    lamp = uuid.uuid4()
    await database.transact(light(lamp))
    connection = await asyncpg.connect(dsn)
    try:
        for sql in ("update event set type = 'x'", "delete from audit_log", "truncate audit_log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
    finally:
        await connection.close()


async def test_a_cancelled_verb_leaves_nothing_and_gives_the_connection_back(dsn: str, open_database: OpenDatabase):
    database = await open_database(dsn, size=1)
    lamp = uuid.uuid4()

    async def verb(tx: Tx) -> None:
        await light(lamp)(tx)
        await tx.one(FAIL_ONCE, 5)

    task = asyncio.create_task(database.transact(verb))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await database.transact(light(lamp)) == "lit"
    assert await stored(dsn, lamp) == (1, 1, 1, 1)


def test_a_domain_error_is_what_callers_see():
    assert issubclass(DatabaseUnavailable, DomainError)
