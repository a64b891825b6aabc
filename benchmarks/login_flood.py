"""What a flood of bad logins does to everyone else: latencies of account reads, quiet and under the flood.

Run with `make bench only=login_flood`. 50 bad logins a second arrive while accounts are read 100 times a second; a
cost-12 hash takes about a quarter of a CPU second, so most of the flood has to be refused at once. Limits are lifted:
all of the load comes from one address.
"""

import asyncio
import tempfile
from pathlib import Path

import httpx
import uvloop

from benchmarks.support.load import Result, request, run_paced
from benchmarks.support.table import show
from tests.program import Program

READS = 100
LOGINS = 50
SECONDS = 20
PASSWORD = "a long walk by the river"


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="agon-bench-") as folder:
        async with Program(Path(folder), settings={"AGON_ACCOUNTS_BCRYPT_COST": "12"}) as program:
            await run(program)


async def run(program: Program) -> None:
    async with httpx.AsyncClient(base_url=program.url, timeout=30) as client:
        body = {"email": "reader@example.org", "password": PASSWORD, "display_name": "Reader"}
        token = (await client.post("/api/v1/auth/register", json=body)).raise_for_status().json()["access_token"]
    read = request("GET", "/api/v1/auth/account", headers={"Authorization": f"Bearer {token}"})

    def bad_login(number: int) -> bytes:
        body = {"email": f"nobody-{number}@example.org", "password": "not the password"}
        return request("POST", "/api/v1/auth/login", body)

    await run_paced(program.port, lambda _: read, rate=READS, seconds=3)
    quiet = await run_paced(program.port, lambda _: read, rate=READS, seconds=SECONDS)
    flooded, flood = await asyncio.gather(
        run_paced(program.port, lambda _: read, rate=READS, seconds=SECONDS),
        run_paced(program.port, bad_login, rate=LOGINS, seconds=SECONDS),
    )
    rows = [
        _row("account reads, quiet", quiet, quiet),
        _row(f"account reads, beside {LOGINS} bad logins a second", flooded, quiet),
        _row("the bad logins", flood, quiet),
    ]
    columns = ["load", "p50 ms", "p95 ms", "p99 ms", "p99 × quiet", "answers"]
    show("A login flood beside account reads (target: p99 within 2 × quiet)", columns, rows)


def _row(name: str, result: Result, quiet: Result) -> list[str]:
    return [
        name,
        *(f"{result.percentile(share) * 1000:.1f}" for share in (0.5, 0.95, 0.99)),
        f"{result.percentile(0.99) / quiet.percentile(0.99):.2f}",
        " ".join(f"{status}:{count}" for status, count in sorted(result.statuses.items())),
    ]


if __name__ == "__main__":
    uvloop.run(main())
