"""A client that writes down what was acknowledged to it, and looks in the database for it afterwards."""

import asyncio
import itertools
import json
import random
from pathlib import Path

import asyncpg
import httpx

from agon.platform.database.embedded import EmbeddedPostgres
from tests.program import Program

PASSWORD = "a long walk by the river"


class Journal:
    """Registers accounts for as long as it is told to, through whatever happens to the server."""

    def __init__(self, program: Program) -> None:
        self._url = program.url
        self._numbers = itertools.count()
        self.acknowledged: list[str] = []
        self.statuses: dict[int, int] = {}
        self.unavailable_without_hint = 0
        self._stopping = asyncio.Event()

    async def write(self, clients: int = 4) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    def stop(self) -> None:
        self._stopping.set()

    async def _client(self) -> None:
        chance = random.Random(1)
        async with httpx.AsyncClient(base_url=self._url, timeout=10) as client:
            while not self._stopping.is_set():
                email = f"journal-{next(self._numbers)}@example.org"
                body = {"email": email, "password": PASSWORD, "display_name": "Journal"}
                try:
                    answer = await client.post("/api/v1/auth/register", json=body)
                except httpx.TransportError:
                    await asyncio.sleep(0.05 + chance.random() * 0.05)
                    continue
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                if answer.status_code == 201:
                    self.acknowledged.append(email)
                elif answer.status_code == 503:
                    self.unavailable_without_hint += "retry-after" not in answer.headers
                    await asyncio.sleep(0.05)


async def connect(program: Program) -> tuple[asyncpg.Connection, EmbeddedPostgres]:
    """The program's database, beside the program."""
    server = EmbeddedPostgres(program.data_dir / "agon" / "postgres")
    endpoints = await server.start()
    return await asyncpg.connect(endpoints.owner), server


def postmaster_pid(program: Program) -> int:
    """The process of the program's own PostgreSQL."""
    (file,) = Path(program.data_dir).rglob("postmaster.pid")
    return int(file.read_text().splitlines()[0])


async def missing(program: Program, journal: Journal) -> set[str]:
    """What was acknowledged and is not there."""
    connection, server = await connect(program)
    try:
        stored = {row[0] for row in await connection.fetch("select email::text from account")}
    finally:
        await connection.close()
        await server.stop()
    return set(journal.acknowledged) - stored


def log_lines(program: Program, event: str) -> list[dict[str, object]]:
    """The program's log lines of one event."""
    lines = (line for line in program.output.splitlines() if line.startswith("{"))
    return [line for line in map(json.loads, lines) if line.get("event") == event]
