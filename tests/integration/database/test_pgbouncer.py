"""Agon behind PgBouncer in transaction mode: no session state, no named prepared statements."""

import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest
import pytest_asyncio

from agon.kernel.clock import SystemClock
from agon.kernel.tx import Query, Tx
from agon.platform.database.database import Database
from agon.platform.database.pool import Pool, PoolOptions
from agon.platform.events.subscribers import Subscriptions, subscriber
from agon.platform.jobs.worker import Worker, WorkerOptions
from tests.integration.database.test_transact import LampLit, light
from tests.program import free_port

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
ECHO = Query("pgbouncer.echo", "select $1::text", str)

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed (Debian's package pgbouncer)")


def configuration(dsn: str, folder: Path, port: int) -> str:
    """PgBouncer in front of a database; few servers for many clients, so that these really share them."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
    server = query.get("port", [str(parts.port or 5432)])[0]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    secret = f" password={password}" if password else ""
    return f"""
[databases]
agon = host={host} port={server} dbname={parts.path[1:]} user={user}{secret}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
logfile = {folder}/pgbouncer.log
"""


@pytest_asyncio.fixture
async def bouncer(fresh_dsn: str, tmp_path: Path) -> AsyncGenerator[str, None]:
    port = free_port()
    file = tmp_path / "pgbouncer.ini"
    file.write_text(configuration(fresh_dsn, tmp_path, port))
    command = [str(PGBOUNCER), str(file)]
    if os.getuid() == 0:  # it refuses to be root
        command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    dsn = f"postgresql://agon@127.0.0.1:{port}/agon"
    try:
        for _ in range(200):
            try:
                await (await asyncpg.connect(dsn, statement_cache_size=0)).close()
                break
            except (OSError, asyncpg.PostgresError):
                assert process.poll() is None, (tmp_path / "pgbouncer.log").read_text()
                await asyncio.sleep(0.05)
        yield dsn
    finally:
        process.terminate()
        process.wait()


async def test_reads_of_many_kinds_do_not_meet_each_others_statements(bouncer: str):
    pool = Pool(bouncer, PoolOptions(name="read", size=20, pgbouncer=True))
    database = Database(pool, pool, SystemClock(), Subscriptions())
    await pool.open()
    add = Query("pgbouncer.add", "select $1::int + $2::int from pg_sleep(0.002)", int)

    async def use(number: int) -> None:
        for turn in range(10):
            assert await database.fetch(lambda tx: tx.one(ECHO, f"{number}")) == f"{number}"
            assert await database.fetch(lambda tx, turn=turn: tx.one(add, number, turn)) == number + turn

    try:
        await asyncio.gather(*(use(number) for number in range(20)))
    finally:
        await pool.close()


async def test_reads_writes_and_jobs(bouncer: str):
    heard: set[str] = set()

    async def hear(tx: Tx, event: LampLit) -> None:
        heard.add(str(event.lamp_id))

    known = Subscriptions([subscriber("lamps.hear", LampLit, hear)])
    database = Database(
        Pool(bouncer, PoolOptions(name="write", size=10, pgbouncer=True)),
        Pool(bouncer, PoolOptions(name="read", size=20, pgbouncer=True)),
        SystemClock(),
        known,
    )
    await database.open()
    worker = Worker(database, bouncer, known, options=WorkerOptions(poll=0.2, pgbouncer=True))
    working = asyncio.create_task(worker.run())

    async def use(number: int) -> str:
        text = f"echo {number}"
        read = await database.fetch(lambda tx: tx.one(ECHO, text))
        lamp = uuid.uuid4()
        await database.transact(light(lamp))
        assert await database.fetch(lambda tx: tx.one(ECHO, text)) == read == text
        return str(lamp)

    try:
        lamps = await asyncio.gather(*(use(number) for number in range(150)))
        async with asyncio.timeout(30):
            while heard < set(lamps):
                await asyncio.sleep(0.1)
    finally:
        await worker.stop()
        await working
        await database.close()
