"""Migrations run twice, at once, killed half-way, down and up again: the schema is the same every time."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from agon.platform.database import migrations
from agon.platform.database.schema_dump import dump_schema
from tests.conftest import drop, for_database

ROOT = Path(__file__).parents[2]
MIGRATE = """
import asyncio, sys
from agon.platform.database import migrations
asyncio.run(migrations.upgrade(sys.argv[1]))
"""


@pytest.fixture
async def empty(server: str):
    """A database with nothing in it."""
    name = f"agon_migrations_{random.getrandbits(48):x}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    await connection.close()
    dsn = for_database(server, name)
    yield dsn
    await drop(dsn)


async def test_the_committed_schema_is_what_the_migrations_make(empty: str):
    await migrations.upgrade(empty)
    assert (ROOT / "schema.sql").read_text() == await dump_schema(empty), "run `make schema`"


async def test_down_and_up_again_is_the_same(empty: str):
    await migrations.upgrade(empty)
    before = await dump_schema(empty)
    for revision in ["base", *migrations.revisions()]:
        await migrations.downgrade(empty, "base")
        connection = await asyncpg.connect(empty)
        left = await connection.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'S')"
        )
        await connection.close()
        assert [row[0] for row in left] == ["schema_version"]
        if revision != "base":
            await migrations.upgrade(empty, revision)
        await migrations.upgrade(empty)
        assert await dump_schema(empty) == before


async def test_at_once_and_again(empty: str):
    await asyncio.gather(*(migrations.upgrade(empty) for _ in range(4)))
    await migrations.upgrade(empty)
    assert (await migrations.status(empty)).pending == []


@pytest.mark.slow
async def test_killed_half_way(empty: str):
    chance = random.Random(7)
    killed = 0
    for _ in range(6):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, empty)
        try:
            await asyncio.wait_for(process.wait(), 0.3 + chance.random() * 0.9)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            killed += 1
        found = await migrations.status(empty)
        assert found.current in (None, *migrations.revisions())
    await migrations.upgrade(empty)
    assert killed
    assert (ROOT / "schema.sql").read_text() == await dump_schema(empty)


async def test_a_newer_database_is_refused(empty: str):
    await migrations.upgrade(empty)
    connection = await asyncpg.connect(empty)
    await connection.execute("update schema_version set version_num = '9999'")
    await connection.close()
    with pytest.raises(RuntimeError, match="9999"):
        await migrations.status(empty)
