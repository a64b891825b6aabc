"""No value of a statement comes out of the errors that a real PostgreSQL and its driver make of it."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import structlog

from agon.platform.observability.error_text import describe_error
from agon.platform.observability.patterns import scrub
from tests.unit.platform.observability_support import captured_logs

CANARY = "Canary'42"
TABLES = """
create temp table planted (name text primary key, number int not null check (number > 0));
create temp table short (name varchar(3));
create type mood as enum ('calm');
create domain picky as text check (value <> 'Canary''42');
create function in_a_function(given text) returns text language plpgsql as $$
begin execute 'select ' || quote_literal(given) || '::int'; return null; end $$;
insert into planted values ('Canary''42', 1);
"""
STATEMENTS: list[tuple[str, object]] = [
    *(
        (f"select $1::text::{kind}", CANARY)
        for kind in ("int", "uuid", "timestamptz", "interval", "inet", "bool", "money")
    ),
    *((f"select $1::text::{kind}", CANARY) for kind in ("int[]", "mood", "daterange", "pg_lsn", "xml")),
    ("select $1::text::tsquery", "Canary42 Canary43"),
    ("select $1::text::jsonb", '{"a": "Canary42", Canary42}'),
    ("select to_date($1, 'YYYY-MM-DD')", CANARY[1:]),
    ("select to_number($1, '999')", CANARY),
    ("select decode($1, 'hex')", CANARY),
    ("select 'x' ~ $1", f"{CANARY}("),
    ("select in_a_function($1)", CANARY),
    ("select $1::text::picky", CANARY),
    ("insert into planted values ($1, 1)", CANARY),
    ("insert into planted values ($1, -1)", "Canary43"),
    ("insert into planted (number, name) values (null, $1)", "Canary44"),
    ("insert into short values ($1)", CANARY),
    *((f"select $1::{kind}", CANARY) for kind in ("int", "uuid", "timestamptz", "inet", "numeric", "int[]")),
    ("select $1::int[]", [CANARY]),
    ("select $1::text", {"name": CANARY}),
    ("select ($1::text || '99999999999999999999')::int", "7312345"),
    ("select $1::text::numeric(3, 1)", "7312345.5"),
    ("select $1::text::date", "2026-73-12"),
    ("select make_date($1::text::int, 13, 1)", "73123"),
    ("select $1::int", 7312345 * 10**12),
]


@pytest_asyncio.fixture
async def connection(server: str) -> AsyncGenerator[Any, None]:
    connection = await asyncpg.connect(server)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(TABLES)
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize(("statement", "value"), STATEMENTS)
async def test_no_value_of_a_statement_comes_out(connection: Any, statement: str, value: object) -> None:
    with captured_logs() as logs:
        try:
            await connection.fetch(statement, value)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            structlog.get_logger("agon.test").exception("failed", reason=error)
            shown = logs.text + describe_error(error) + scrub(f"asked for {statement.partition('$')[0]}: {error}")
        else:
            pytest.fail("PostgreSQL took the value: this statement tests nothing")
    for part in ("anar", "73123", "73-12"):
        assert part not in shown
    assert '"error":"' in logs.text
