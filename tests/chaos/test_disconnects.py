"""Clients that go away in the middle: nobody ever sees another's answer, and no connection is lost."""

import asyncio
import json
import random
from pathlib import Path

import httpx
import pytest

from tests.program import Program

pytestmark = pytest.mark.slow

CLIENTS = 12
ROUNDS = 60


async def impatient(port: int, token: str, account_id: str, seed: int) -> tuple[int, int]:
    """Read one's own account again and again, often leaving before the answer; returns (answered, left)."""
    chance = random.Random(seed)
    request = (
        f"GET /api/v1/auth/account HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    answered = left = 0
    for _ in range(ROUNDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request * chance.choice([1, 1, 3]))
        if chance.random() < 0.6:
            await asyncio.sleep(chance.random() * 0.004)
            writer.transport.abort()
            left += 1
            continue
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        assert head.startswith(b"HTTP/1.1 200"), head
        assert body["account_id"] == account_id
        answered += 1
        writer.close()
    return answered, left


async def test_leaving_at_random_moments(tmp_path: Path):
    settings = {"AGON_HTTP_METRICS_TOKEN": "metrics-canary-token", "AGON_DATABASE_READ_POOL_SIZE": "4"}
    async with Program(tmp_path, settings=settings) as program, httpx.AsyncClient(base_url=program.url) as client:
        players = []
        for number in range(CLIENTS):
            body = {"email": f"p{number}@example.org", "password": "a long walk by the river", "display_name": "Player"}
            made = (await client.post("/api/v1/auth/register", json=body)).json()
            players.append((made["access_token"], made["user"]["account_id"]))
        counts = await asyncio.gather(
            *(impatient(program.port, token, account_id, seed) for seed, (token, account_id) in enumerate(players))
        )
        assert sum(answered for answered, _ in counts) > CLIENTS * ROUNDS / 5
        assert sum(left for _, left in counts) > CLIENTS * ROUNDS / 5
        await asyncio.sleep(6)  # pools are sampled every five seconds
        headers = {"Authorization": "Bearer metrics-canary-token"}
        metrics = (await client.get("/metrics", headers=headers)).text
        used = [line for line in metrics.splitlines() if "database_pool_connections" in line and 'state="used"' in line]
        assert used
        assert all(float(line.rpartition(" ")[2]) == 0 for line in used), used
