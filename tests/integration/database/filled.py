"""Fills every table of a schema with rows, so that query plans are those of a grown installation."""

import asyncpg

ROWS = 100_000
_BY_TYPE = {
    "uuid": "gen_random_uuid()",
    "text": "'x' || i",
    "character varying": "'x' || i",
    "citext": "'x' || i",
    "timestamp with time zone": "now() - i * interval '10 seconds'",
    "date": "current_date - i % 1000",
    "bigint": "i",
    "integer": "i",
    "smallint": "i % 100",
    "double precision": "i",
    "boolean": "i % 2 = 0",
    "bytea": "sha256(i::text::bytea)",
    "jsonb": "'{}'::jsonb",
    "xid8": "i::text::xid8",
}
_TABLES = """
    select c.oid::regclass::text from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname <> 'schema_version'
"""
_COLUMNS = r"""
    select a.attname, format_type(a.atttypid, null) as type, a.attidentity <> '' as identity,
           (select enumlabel from pg_enum where enumtypid = a.atttypid order by enumsortorder limit 1) as label,
           (select (regexp_match(pg_get_constraintdef(k.oid), $$ARRAY\['([^']+)$$))[1] from pg_constraint k
            where k.conrelid = a.attrelid and k.contype = 'c' and k.conkey = array[a.attnum] limit 1) as allowed
    from pg_attribute a
    where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    order by a.attnum
"""
_CHECKS = """
    select conrelid::regclass::text as table, conname as name from pg_constraint
    where contype in ('c', 'f') and connamespace = 'public'::regnamespace and coninhcount = 0
"""


async def fill(connection: asyncpg.Connection) -> list[str]:
    """Put 100,000 rows into every table of a database made for nothing else; returns the tables.

    The rows are there to be counted, not to make sense: no foreign keys, checks or triggers hold any more.
    """
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    contents = [await _contents(connection, table) for table in tables]
    for check in await connection.fetch(_CHECKS):
        await connection.execute(f"alter table {check['table']} drop constraint {check['name']}")
    for table, (names, values) in zip(tables, contents, strict=True):
        await connection.execute(f"alter table {table} disable trigger user")
        rows = f"select {', '.join(values)} from generate_series(1, {ROWS}) as i"
        await connection.execute(f"insert into {table} ({', '.join(names)}) {rows} on conflict do nothing", timeout=60)
    await connection.execute("analyze")
    return tables


async def _contents(connection: asyncpg.Connection, table: str) -> tuple[list[str], list[str]]:
    """The columns to fill, and with what."""
    names, values = [], []
    for column in await connection.fetch(_COLUMNS, table):
        if not column["identity"]:
            names.append(f'"{column["attname"]}"')
            values.append(_value(column))
    return names, values


def _value(column: asyncpg.Record) -> str:
    for allowed in (column["allowed"], column["label"]):
        if allowed is not None:
            return f"'{allowed}'"
    kind: str = column["type"]
    return f"array[{_BY_TYPE[kind.removesuffix('[]')]}]" if kind.endswith("[]") else _BY_TYPE[kind]
