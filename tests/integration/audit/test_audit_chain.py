"""The audit log's chain of seals: complete, in order, and telling exactly where someone tampered."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from agon.kernel.audit import AuditEntry, Severity
from agon.kernel.clock import ManualClock
from agon.kernel.tx import Tx
from agon.platform.audit import sealing
from agon.platform.audit.sealing import Seal, seal
from agon.platform.audit.verify import Break, Finding, verify
from agon.platform.database.database import Database
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriptions
from tests.conftest import OpenDatabase
from tests.integration.jobs.workshop import tampering

START = datetime(2026, 5, 17, 12, tzinfo=UTC)
STRANGE = {"name": 'Zoë "অ" \\ \x7f', "amount": 9007199254740993, "ratio": 0.1, "nothing": None, "list": [1, [2]]}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest_asyncio.fixture
async def database(fresh_dsn: str, open_database: OpenDatabase, clock: ManualClock) -> Database:
    return await open_database(fresh_dsn, clock=clock)


@pytest_asyncio.fixture
async def owner(fresh_dsn: str) -> AsyncGenerator[asyncpg.Connection, None]:
    connection = await asyncpg.connect(fresh_dsn)
    yield connection
    await connection.close()


async def write(database: Database, *targets: object) -> None:
    async def verb(tx: Tx) -> None:
        for target in targets:
            tx.audit(
                AuditEntry(
                    action="lamp.light",
                    target_type="lamp",
                    target_id=str(target),
                    before=None,
                    after=STRANGE,
                    severity=Severity.HIGH,
                )
            )

    await database.transact(verb)


async def sealed_rows(owner: asyncpg.Connection) -> list[int]:
    return [row[0] for row in await owner.fetch("select audit_seq from audit_seal order by position")]


async def test_every_row_is_sealed_once_in_order(
    database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sealing, "BATCH", 4)
    await write(database, *range(10))
    assert await seal(database) == 10
    await write(database, *range(3))
    assert await seal(database) == 3
    assert await seal(database) == 0
    assert await sealed_rows(owner) == list(range(1, 14))
    found = await verify(database)
    assert (found.rows, found.broken) == (13, None)
    assert found.head == Seal(13, await owner.fetchval("select hash from audit_seal where position = 13"))


async def test_the_hash_is_what_anyone_can_compute(database: Database, owner: asyncpg.Connection):
    await write(database, "first", "second")
    await seal(database)
    before = bytes(32)
    for row in await owner.fetch("select *, extract(epoch from at) * 1000000 as micros from audit_log order by seq"):
        columns = (
            [1, row["seq"], str(row["id"]), int(row["micros"])]
            + [row[name] for name in ("actor", "action", "target_type", "target_id", "before", "after", "reason")]
            + [row[name] for name in ("severity", "ip_prefix", "user_agent", "request_id", "method", "route")]
        )
        text = json.dumps(columns, ensure_ascii=False, separators=(",", ":"))
        before = hashlib.sha256(before + text.encode()).digest()
        assert await owner.fetchval("select hash from audit_seal where audit_seq = $1", row["seq"]) == before


LATE = """
    insert into audit_log (id, at, actor, action, target_type, target_id, severity, ip_prefix, user_agent,
                           request_id, method, route)
    values (gen_random_uuid(), $1, '', '', '', 'late', 'low', '', '', '', '', '')
"""


async def test_a_row_that_commits_late_is_sealed_after_its_followers(
    database: Database, owner: asyncpg.Connection, clock: ManualClock
):
    late = owner.transaction()
    await late.start()
    await owner.execute(LATE, START)
    await write(database, "early")
    assert await seal(database) == 1
    await late.commit()
    clock.advance(timedelta(hours=5))  # the job that seals was down for long
    await write(database, "last")
    assert await seal(database) == 2
    assert await sealed_rows(owner) == [2, 1, 3]
    assert (await verify(database)).broken is None


async def test_a_row_that_commits_very_late_is_sealed_within_a_minute(
    database: Database, owner: asyncpg.Connection, clock: ManualClock
):
    late = owner.transaction()
    await late.start()
    await owner.execute(LATE, START)
    for _ in range(5):
        await write(database, "meanwhile")
        await seal(database)
        clock.advance(timedelta(minutes=9))
    await late.commit()
    await seal(database)
    clock.advance(timedelta(minutes=1))
    await seal(database)
    assert sorted(await sealed_rows(owner)) == list(range(1, 7))


async def test_old_seals_are_not_looked_through_again(
    database: Database, owner: asyncpg.Connection, clock: ManualClock
):
    await write(database, "old", "old")
    await seal(database)
    clock.advance(timedelta(hours=2))
    await write(database, "new")
    await seal(database)
    async with tampering(owner, "audit_seal"):
        await owner.execute("delete from audit_seal where position = 1")
    assert await seal(database) == 0


async def test_several_sealers_make_one_chain(database: Database, owner: asyncpg.Connection):
    for number in range(5):
        await write(database, *range(20))
        counts = await asyncio.gather(*(seal(database) for _ in range(4)))
        assert sum(counts) == 20, number
    assert (await verify(database)).rows == 100


async def test_rows_without_a_seal_are_reported_after_a_minute(database: Database, clock: ManualClock):
    await write(database, "one")
    await seal(database)
    await write(database, "two")
    clock.advance(timedelta(seconds=50))
    assert (await verify(database)).broken is None
    clock.advance(timedelta(seconds=20))
    assert (await verify(database)).broken == Finding(Break.UNSEALED, None, 2)


INSERT = """
    insert into audit_log (seq, id, at, actor, action, target_type, target_id, severity, ip_prefix, user_agent,
                           request_id, method, route)
    overriding system value
    values ({seq}, gen_random_uuid(), now(), 'nobody', 'x', 'x', 'x', 'low', '', '', '', '', '')
"""
TAMPERINGS = {
    "an actor": ("update audit_log set actor = 'someone else' where seq = 4", Finding(Break.ALTERED, 4, 4)),
    "a time": ("update audit_log set at = at + interval '1 microsecond' where seq = 2", Finding(Break.ALTERED, 2, 2)),
    "a value": ("update audit_log set after = '{}' where seq = 6", Finding(Break.ALTERED, 6, 6)),
    "nothing for null": ("update audit_log set reason = '' where seq = 1", Finding(Break.ALTERED, 1, 1)),
    "a shifted text": (
        "update audit_log set action = 'lamp.ligh', target_type = 'tlamp' where seq = 3",
        Finding(Break.ALTERED, 3, 3),
    ),
    "a deleted row": ("delete from audit_log where seq = 5", Finding(Break.DELETED, 5, 5)),
    "a deleted row and its seal": (
        "delete from audit_log where seq = 5; delete from audit_seal where position = 5",
        Finding(Break.SEAL_MISSING, 5, None),
    ),
    "a gap that was closed": (
        """delete from audit_log where seq = 5; delete from audit_seal where position = 5;
           update audit_seal set position = 5 where position = 6;
           update audit_seal set position = 6 where position = 7""",
        Finding(Break.ALTERED, 5, 6),
    ),
    "the first one gone": (
        "delete from audit_log where seq = 1; delete from audit_seal where position = 1",
        Finding(Break.SEAL_MISSING, 1, None),
    ),
    "a forged seal at the end": (
        INSERT.format(seq=100) + "; insert into audit_seal values (8, 100, sha256('forged'), now())",
        Finding(Break.ALTERED, 8, 100),
    ),
    "a forged seal in the middle": (
        INSERT.format(seq=100) + "; update audit_seal set audit_seq = 100 where position = 4",
        Finding(Break.ALTERED, 4, 100),
    ),
    "a changed hash": ("update audit_seal set hash = sha256('x') where position = 3", Finding(Break.ALTERED, 3, 3)),
    "another order": (
        """update audit_seal set position = 100 where position = 3;
           update audit_seal set position = 3 where position = 4;
           update audit_seal set position = 4 where position = 100""",
        Finding(Break.ALTERED, 3, 4),
    ),
    "swapped rows": (
        """update audit_log set seq = 100 where seq = 3; update audit_log set seq = 3 where seq = 4;
           update audit_log set seq = 4 where seq = 100""",
        Finding(Break.ALTERED, 3, 3),
    ),
    "a row slipped in": (
        INSERT.format(seq=-5) + "; update audit_log set at = '2020-01-01' where seq = -5",
        Finding(Break.UNSEALED, None, -5),
    ),
    "a row slipped in, said to be of the future": (
        INSERT.format(seq=-5) + "; update audit_log set at = '2030-01-01' where seq = -5",
        Finding(Break.UNSEALED, None, -5),
    ),
}


async def test_tampering_is_found_at_the_exact_row(
    database: Database, owner: asyncpg.Connection, clock: ManualClock, subtests: pytest.Subtests
):
    await write(database, *range(1, 8))
    await seal(database)
    await owner.execute("alter table audit_log alter column seq set generated by default")
    async with tampering(owner, "audit_log", "audit_seal"):
        for what, (sql, expected) in TAMPERINGS.items():
            with subtests.test(what):
                await owner.execute("create table log_before as table audit_log")
                await owner.execute("create table seal_before as table audit_seal")
                await owner.execute(sql)
                assert (await verify(database)).broken == expected
                await owner.execute(
                    "delete from audit_log; insert into audit_log table log_before; drop table log_before;"
                    "delete from audit_seal; insert into audit_seal table seal_before; drop table seal_before"
                )
    assert (await verify(database)).broken is None


async def test_a_chain_written_anew_or_cut_short_is_known_by_a_seal_noted_before(
    database: Database, owner: asyncpg.Connection
):
    await write(database, *range(6))
    await seal(database)
    noted = (await verify(database)).head
    await write(database, "more")
    await seal(database)
    assert (await verify(database, noted)).broken is None
    async with tampering(owner, "audit_log", "audit_seal"):
        await owner.execute("update audit_log set actor = 'innocent' where seq = 2; truncate audit_seal")
        await seal(database)
        assert (await verify(database)).broken is None
        assert (await verify(database, noted)).broken == Finding(Break.ANCHOR, 6, None)
        await owner.execute("delete from audit_log where seq > 5; delete from audit_seal where position > 5")
        assert (await verify(database)).broken is None
        assert (await verify(database, noted)).broken == Finding(Break.ANCHOR, 6, None)


async def test_no_setting_of_a_session_shows_in_the_hashes(
    database: Database, owner: asyncpg.Connection, fresh_dsn: str, clock: ManualClock
):
    await write(database, *range(3))
    await seal(database)
    name = await owner.fetchval("select current_database()")
    for setting in ("timezone to 'Asia/Dhaka'", "datestyle to 'SQL, DMY'", "bytea_output to 'escape'"):
        await owner.execute(f'alter database "{name}" set {setting}')
    pools = [Pool(fresh_dsn, PoolOptions(name="strange", size=2, pgbouncer=True)) for _ in range(2)]
    strange = Database(pools[0], pools[1], clock, Subscriptions())
    await strange.open()
    async with strange.read.connection() as connection:
        assert await connection.fetchval("show timezone") == "Asia/Dhaka"
    await write(strange, "there")
    await seal(strange)
    assert (await verify(strange)).broken is None
    assert (await verify(database)).broken is None
    await strange.close()


async def test_what_is_taken_back_leaves_no_row_to_seal(database: Database):
    async def verb(tx: Tx) -> None:
        tx.audit(AuditEntry(action="lamp.light", target_type="lamp", target_id="1"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.transact(verb)
    await write(database, "after")
    assert await seal(database) == 1
