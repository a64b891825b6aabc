"""The tables of accounts: every constraint has a meaning, every foreign key an index, and down takes all away."""

from typing import Any

import asyncpg
import pytest

from agon.domains.accounts import public  # noqa: F401 - its repository declares the constraints
from agon.kernel.constraints import CONSTRAINTS
from agon.kernel.tx import QUERIES
from agon.platform.database.migrations import downgrade, upgrade

TABLES = [
    "account",
    "credential",
    "known_device",
    "login_failure",
    "login_session",
    "one_time_token",
    "refresh_token",
    "role_grant",
    "signing_key",
]


async def rows(dsn: str, sql: str, *arguments: object) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *arguments)]
    finally:
        await connection.close()


async def constraints(dsn: str) -> set[str]:
    """All that can refuse a row of these tables by name, but for NOT NULL."""
    found = await rows(
        dsn,
        """select conname from pg_constraint where conrelid = any($1::text[]::regclass[]) and contype <> 'n'
           union
           select indexrelid::regclass::text from pg_index
           where indrelid = any($1::text[]::regclass[]) and indisunique""",
        TABLES,
    )
    return {name for (name,) in found}


async def test_every_constraint_has_a_meaning_and_every_meaning_a_constraint(dsn: str):
    names = await constraints(dsn)
    assert len(names) > 40
    assert names - CONSTRAINTS.keys() == set()
    declared = {name for name in CONSTRAINTS if any(name.startswith(f"{table}_") for table in TABLES)}
    assert declared - names == set()


async def test_every_constraint_is_named_for_its_table(dsn: str):
    assert all(any(name.startswith(f"{table}_") for table in TABLES) for name in await constraints(dsn))


async def test_every_foreign_key_has_an_index(dsn: str):
    without = await rows(
        dsn,
        """select c.conname from pg_constraint c
           where c.contype = 'f' and c.conrelid = any($1::text[]::regclass[])
             and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
                             and i.indpred is null)""",
        TABLES,
    )
    assert without == []


async def test_every_statement_can_be_prepared(dsn: str):
    connection = await asyncpg.connect(dsn)
    try:
        names = [name for name in QUERIES if name.startswith("accounts.")]
        assert len(names) > 35
        for name in names:
            await connection.prepare(QUERIES[name].text)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "insert into account values (gen_random_uuid(), 'a b@c', null, 'asha', 'en', 'active', now(), now())",
        "insert into account values (gen_random_uuid(), null, now(), 'asha', 'en', 'active', now(), now())",
        "insert into account values (gen_random_uuid(), null, null, 'ash a', 'en', 'active', now(), now())",
        "insert into account values (gen_random_uuid(), null, null, 'asha', 'en', 'banned', now(), now())",
        "insert into signing_key values ('short', '{}', '', now(), null)",
        "insert into one_time_token values (sha256('x'), 'magic_link', null, now(), now() + interval '1 hour')",
        "insert into login_failure values (gen_random_uuid(), -1, '{}', null)",
    ],
)
async def test_the_database_refuses_what_the_rules_would(dsn: str, sql: str):
    with pytest.raises(asyncpg.CheckViolationError):
        await rows(dsn, sql)


async def test_down_and_up_again_leave_the_same_tables(fresh_dsn: str):
    before = await constraints(fresh_dsn)
    await downgrade(fresh_dsn, "0001")
    assert await rows(fresh_dsn, "select 1 from pg_tables where tablename = any($1::text[])", TABLES) == []
    await upgrade(fresh_dsn)
    assert await constraints(fresh_dsn) == before
