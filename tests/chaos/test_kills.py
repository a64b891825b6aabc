"""Whatever is killed, and when: what was acknowledged is there, and what was stored is delivered exactly once."""

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.chaos.journal import Journal, connect, missing, postmaster_pid
from tests.program import Program

pytestmark = pytest.mark.slow

UNDELIVERED = """
    select count(*) from event e
    where e.type = 'account.logged_in'
      and not exists (select from processed_event p
                      where p.event_id = e.id and p.subscriber = 'accounts.notify_new_device')
"""
INVENTED = "select count(*) from processed_event p where not exists (select from event e where e.id = p.event_id)"
HALF_DONE = """
    select count(*) from account a
    where not exists (select from credential c where c.account_id = a.id)
       or not exists (select from event e where e.type = 'account.registered' and e.subject = 'account:' || a.id)
"""


async def delivered(program: Program, within: float = 30) -> None:
    """Every committed event reaches its subscriber, and nothing that was rolled back does."""
    connection, server = await connect(program)
    try:
        deadline = time.monotonic() + within
        while await connection.fetchval(UNDELIVERED):
            assert time.monotonic() < deadline, f"undelivered: {await connection.fetchval(UNDELIVERED)}"
            await asyncio.sleep(0.1)
        assert await connection.fetchval("select count(*) from event where type = 'account.logged_in'") > 0
        assert await connection.fetchval(INVENTED) == 0
        assert await connection.fetchval(HALF_DONE) == 0
    finally:
        await connection.close()
        await server.stop()


@pytest.mark.parametrize("victims", ["program", "database", "both"])
async def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, victims: str):
    program = Program(tmp_path)
    async with program:
        journal = Journal(program)
        writing = asyncio.create_task(journal.write())
        for _ in range(3):
            before = len(journal.acknowledged)
            while len(journal.acknowledged) < before + 15:
                await asyncio.sleep(0.02)
            if victims != "program":
                os.kill(postmaster_pid(program), signal.SIGKILL)
            if victims != "database":
                program.kill()
                await program.start()
            await program.ready()
        journal.stop()
        await writing
        assert await missing(program, journal) == set()
        assert set(journal.statuses) <= {201, 503}, journal.statuses
        assert journal.unavailable_without_hint == 0
        await delivered(program)
        assert await program.stop() == 0


async def test_the_database_is_back_within_ten_seconds_and_says_so_meanwhile(tmp_path: Path):
    async with Program(tmp_path) as program, httpx.AsyncClient(base_url=program.url) as client:
        os.kill(postmaster_pid(program), signal.SIGKILL)
        began, seen = time.monotonic(), set()
        while True:
            answer = await client.post("/api/v1/auth/login", json={"email": "nobody@example.org", "password": "x" * 9})
            seen.add(answer.status_code)
            if answer.status_code == 401:
                break
            assert answer.headers["retry-after"]
            assert answer.json()["code"] == "DATABASE_UNAVAILABLE"
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.02)
        assert seen <= {401, 503}
        assert (await client.get("/health/live")).status_code == 200


async def test_being_told_to_stop_finishes_what_is_under_way(tmp_path: Path):
    program = Program(tmp_path, settings={"AGON_ACCOUNTS_BCRYPT_COST": "12"})
    async with program, httpx.AsyncClient(base_url=program.url, timeout=30) as client:
        body = {"email": "last@example.org", "password": "a long walk by the river", "display_name": "Last"}
        under_way = asyncio.create_task(client.post("/api/v1/auth/register", json=body))
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(program.stop())
        assert (await under_way).status_code == 201
        assert await stopping == 0
