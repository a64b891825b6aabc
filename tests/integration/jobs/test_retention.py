"""Every table has a retention policy, and the policies are applied."""

import importlib
import pkgutil
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

import agon
from agon.kernel.audit import AuditEntry
from agon.kernel.clock import ManualClock
from agon.kernel.tx import Tx
from agon.platform.database.database import Database
from agon.platform.jobs.maintenance import AuditLogBroken, maintenance
from agon.platform.retention import POLICIES, DropPartitions, Keep, Prune, Retention, declare
from tests.conftest import OpenDatabase
from tests.integration.jobs.workshop import tampering


def import_everything() -> None:
    """Domains declare the policies of their tables where their queries are."""
    for module in pkgutil.walk_packages(agon.__path__, "agon."):
        importlib.import_module(module.name)


@pytest_asyncio.fixture
async def owner(dsn: str) -> AsyncGenerator[asyncpg.Connection, None]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def test_every_table_has_a_policy_that_fits_it(owner: asyncpg.Connection):
    import_everything()
    tables = {
        row["name"]: row["partitioned"]
        for row in await owner.fetch(
            """select relname as name, relkind = 'p' as partitioned from pg_class
               where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
                 and relname <> 'effect'"""
        )
    }
    assert set(tables) - set(POLICIES) == set(), "tables that nothing is said about"
    assert set(POLICIES) - set(tables) - {"workshop"} == set(), "policies of tables that do not exist"
    wrong = []
    for table, policy in POLICIES.items():
        if tables.get(table) and not isinstance(policy, DropPartitions | Keep):
            wrong.append(f"{table} is partitioned, and pruned row by row")
        if isinstance(policy, Prune) and not await _indexed(owner, table, policy.column):
            wrong.append(f"{table}.{policy.column} has no index that begins with it")
    assert not wrong


async def _indexed(owner: asyncpg.Connection, table: str, column: str) -> bool:
    return await owner.fetchval(
        """select exists (select from pg_index i
                          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
                          where i.indrelid = $1::text::regclass and a.attname = $2)""",
        table,
        column,
    )


def test_a_table_has_one_policy():
    declare(workshop=Keep("for the test"))
    declare(workshop=Keep("for the test"))
    with pytest.raises(TypeError):
        declare(workshop=Keep("for another reason"))
    del POLICIES["workshop"]


async def test_old_rows_go_and_young_ones_stay(owner: asyncpg.Connection, database: Database):
    await owner.execute("delete from invalidation")
    await owner.execute(
        """insert into invalidation (tag, at)
           select 'n' || i, now() - i * interval '1 minute' from generate_series(1, 20) i"""
    )
    await owner.execute(
        "insert into invalidation (tag, at) select 'old', now() - interval '1 day' from generate_series(1, 6000)"
    )
    deleted = await Retention(database).prune()
    assert deleted["invalidation"] == 6011
    assert await owner.fetchval("select count(*) from invalidation") == 9
    assert (await Retention(database, {"invalidation": timedelta(minutes=5)}).prune())["invalidation"] == 5


async def test_months_are_made_ahead_and_dropped_together(fresh_dsn: str, open_database: OpenDatabase):
    clock = ManualClock(datetime.now(UTC))
    database = await open_database(fresh_dsn, clock=clock)
    retention = Retention(database, {"event": timedelta(days=1), "processed_event": timedelta(days=60)})
    assert await retention.make_partitions() == 0
    clock.advance(timedelta(days=62))
    assert await retention.make_partitions() == 4
    assert await retention.make_partitions() == 0
    with pytest.raises(asyncpg.RaiseError, match="30 days"):  # the database does not believe a wrong clock
        await retention.drop_partitions()
    owner = await asyncpg.connect(fresh_dsn)
    await owner.execute(
        """create table event_2020_01 partition of event for values from ('2020-01-01Z') to ('2020-02-01Z');
           create table processed_event_2020_01 partition of processed_event
               for values from ('2020-01-01Z') to ('2020-02-01Z')"""
    )
    clock.advance(timedelta(days=-62))
    assert await retention.drop_partitions() == 2
    assert await owner.fetchval("select count(*) from pg_class where relname like '%event_2020_01'") == 0
    await owner.close()


def test_partitions_live_for_a_month_at_least(database: Database):
    retention = Retention(database, {"event": timedelta(days=1), "pgqueuer_log": timedelta(days=2)})
    assert retention.period("event") == timedelta(days=31)
    assert retention.period("pgqueuer_log") == timedelta(days=2)
    assert retention.period("idempotency_record") == timedelta(hours=24)
    assert retention.period("audit_log") is None


async def test_all_of_the_platforms_periodic_work_runs(database: Database):
    periodics = maintenance(database, {"event": timedelta(days=400)})
    names = ["audit.seal", "audit.verify", "retention.partitions", "retention.prune"]
    assert [each.name for each in periodics] == names
    for each in periodics:
        await each.run()


async def test_a_broken_audit_log_makes_its_nightly_verification_fail(fresh_dsn: str, open_database: OpenDatabase):
    database = await open_database(fresh_dsn)
    await database.transact(_audit)
    jobs = {each.name: each for each in maintenance(database)}
    await jobs["audit.seal"].run()
    await jobs["audit.verify"].run()
    owner = await asyncpg.connect(fresh_dsn)
    async with tampering(owner, "audit_log"):
        await owner.execute("update audit_log set actor = 'nobody'")
    await owner.close()
    with pytest.raises(AuditLogBroken, match="altered at position 1, row 1"):
        await jobs["audit.verify"].run()


async def _audit(tx: Tx) -> None:
    tx.audit(AuditEntry(action="lamp.light", target_type="lamp", target_id="1"))
