"""Migrations: each revision is SQL, up and down, run by alembic in a transaction of its own."""

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from agon.platform.database.pool import driver

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x41676F6E
"""Advisory lock that one migrating process holds; the letters of the name."""
_LOCK_TIMEOUT = "2s"
"""A migration that cannot have its lock gives up rather than queueing everyone behind it."""


class Status(msgspec.Struct, frozen=True):
    """Where a database stands: its revision (None when empty), the newest one, and what lies between."""

    current: str | None
    head: str
    pending: list[str]


def folder() -> Path:
    """Where the migrations are: inside an installed package, or at the root of a source tree."""
    package = Path(__file__).parents[2]
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def revisions() -> list[str]:
    """Every revision, oldest first, from the file names (`0001_platform.py`)."""
    return sorted(path.name[:4] for path in (folder() / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


async def status(dsn: str) -> Status:
    """Compare a database with the migrations of this version, without loading alembic."""
    connection = await driver.connect(dsn, timeout=5)
    try:
        current = None
        with contextlib.suppress(asyncpg.UndefinedTableError):
            current = await connection.fetchval("select version_num from schema_version")
    finally:
        await connection.close()
    known = revisions()
    if current is not None and current not in known:
        message = (
            f"the database is at revision {current}, which this version of Agon does not know (newest {known[-1]})"
        )
        raise RuntimeError(message)
    return Status(current, known[-1], [each for each in known if current is None or each > current])


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Bring a database up to a revision; does nothing where it is there. Safe to run twice, and at once."""
    if revision == "head" and not (await status(dsn)).pending:
        return
    await _run(dsn, "upgrade", revision)


async def downgrade(dsn: str, revision: str = "base") -> None:
    """Take a database down to a revision, `base` for none; rows of the tables that go are lost."""
    await _run(dsn, "downgrade", revision)


async def _run(dsn: str, command: str, revision: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def connect(*_: Any, **__: Any) -> Any:
        connection = await driver.connect(dsn, timeout=5)
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await connection.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")
        await connection.execute("create table if not exists schema_version (version_num varchar(32) primary key)")
        return connection

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_alembic, command, revision)
            await connection.commit()
    finally:
        await engine.dispose()
        await asyncio.sleep(0)


def _alembic(connection: Any, command: str, revision: str) -> None:
    from alembic import command as commands

    configuration = _configuration()
    configuration.attributes["connection"] = connection
    getattr(commands, command)(configuration, revision)


def _configuration() -> "Config":
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(folder()).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration


def run_sql(revision_file: str, direction: str) -> None:
    """Run a revision's SQL file (`.up.sql` or `.down.sql` beside it) as it is written.

    It goes to the driver whole: alembic's own `execute` reads `"a":1` as a parameter, and prepared statements
    refuse several commands in one text.
    """
    from alembic import op
    from sqlalchemy.util import await_only

    sql = Path(revision_file).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    if not sql.strip():
        message = f"{Path(revision_file).with_suffix(f'.{direction}.sql')} is empty: write what the migration does"
        raise RuntimeError(message)
    connection: Any = op.get_bind().connection.driver_connection
    await_only(connection.execute(sql))
