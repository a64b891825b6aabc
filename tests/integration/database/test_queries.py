"""Every query of Agon is valid, gives the rows it says, and reads no whole table; every constraint is accounted for."""

import importlib
import json
import pkgutil
from typing import Any

import asyncpg
import msgspec
import pytest

import agon
from agon.kernel.constraints import CONSTRAINTS
from agon.kernel.tx import Query
from tests.integration.database.filled import ROWS, fill


def all_queries() -> dict[str, Query[Any]]:
    """Every query that a module of Agon holds."""
    found: dict[str, Query[Any]] = {}
    for module in pkgutil.walk_packages(agon.__path__, "agon."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Query):
                found[value.name] = value
    return found


QUERIES = all_queries()


def scanned(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from end to end."""
    whole = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return whole.union(*(scanned(child) for child in plan.get("Plans", [])))


async def explained(connection: asyncpg.Connection, query: Query[Any]) -> set[str]:
    prepared = await connection.prepare(query.text)
    nulls = ", ".join(f"null::{parameter.name}" for parameter in prepared.get_parameters())
    await connection.execute(f"prepare explained as {query.text}")
    try:
        call = f"execute explained({nulls})" if nulls else "execute explained"
        plan = json.loads(await connection.fetchval(f"explain (format json) {call}"))
    finally:
        await connection.execute("deallocate explained")
    return scanned(plan[0]["Plan"])


def test_there_are_queries():
    assert {"events.insert", "audit.append", "idempotency.find"} <= set(QUERIES)


async def test_every_query_is_valid_and_gives_its_rows(dsn: str):
    connection = await asyncpg.connect(dsn)
    wrong = []
    for query in QUERIES.values():
        columns = [attribute.name for attribute in (await connection.prepare(query.text)).get_attributes()]
        if issubclass(query.row, msgspec.Struct):
            expected = [field.name for field in msgspec.structs.fields(query.row)]
            if columns != expected:
                wrong.append(f"{query.name} gives {columns}, its row has {expected}")
        elif query.row is not type(None) and len(columns) != 1:
            wrong.append(f"{query.name} gives {columns} for one {query.row.__name__}")
    await connection.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
async def test_no_query_reads_a_whole_table_of_a_hundred_thousand_rows(fresh_dsn: str):
    connection = await asyncpg.connect(fresh_dsn)
    tables = await fill(connection)
    small = {table for table in tables if await connection.fetchval(f"select count(*) from {table}") < ROWS / 10}
    assert not small, f"these tables were not filled: {small}"
    await connection.execute("set plan_cache_mode = force_generic_plan")
    wrong = []
    grown = {row[0] for row in await connection.fetch("select relname from pg_class where reltuples >= $1", ROWS / 10)}
    for query in QUERIES.values():
        whole = await explained(connection, query) & grown  # an empty partition is read as a whole, for nothing
        if whole and query.seq_scan is None:
            wrong.append(f"{query.name} reads all of {', '.join(sorted(whole))}")
    planted = Query[int]("test.planted_scan", "select count(*) from audit_log where user_agent = $1", int)
    assert await explained(connection, planted) == {"audit_log"}
    await connection.close()
    assert not wrong, "\n".join(wrong)


async def test_every_foreign_key_has_an_index(dsn: str):
    connection = await asyncpg.connect(dsn)
    without = await connection.fetch(
        """select k.conname from pg_constraint k
           where k.contype = 'f' and k.connamespace = 'public'::regnamespace
             and not exists (select from pg_index i
                             where i.indrelid = k.conrelid
                               and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)"""
    )
    await connection.close()
    assert [row[0] for row in without] == []


async def test_every_constraint_is_a_refusal_or_says_why_not(dsn: str):
    connection = await asyncpg.connect(dsn)
    names = {
        row[0]
        for row in await connection.fetch(
            """select k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid
               where k.connamespace = 'public'::regnamespace and k.contype in ('u', 'c', 'f', 'x', 'p')
                 and not c.relispartition and c.relname not like 'pgqueuer%' and c.relname <> 'schema_version'
               union
               select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid
               where i.indisunique and not c.relispartition and c.relnamespace = 'public'::regnamespace
                 and c.relname not like 'pgqueuer%' and c.relname <> 'schema_version'"""
        )
    }
    await connection.close()
    declared = {name for name in CONSTRAINTS if not name.startswith("lantern")}
    assert names - declared == set(), "constraints that nothing is said about"
    assert declared - names == set(), "declared constraints that the schema does not have"
