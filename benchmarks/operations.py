"""What a request costs: requests a second, latencies, and CPU time of the server and of its database.

Run with `make bench only=operations`. Server and load share the machine, so requests a second and latencies are those
of the two together; CPU time is the server's own. The ratio is to `hello` (`/health/live`) in the same run.
"""

import json
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import uvloop

from benchmarks.support.load import Result, request, run_load
from benchmarks.support.processes import cpu_seconds, database_cpu_seconds
from benchmarks.support.table import show
from tests.program import Program

PASSWORD = "a long walk by the river"


class Bench:
    """One program under load."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._rows: list[list[str]] = []
        self._hello = 0.0

    async def measure(
        self,
        name: str,
        make: Callable[[int], bytes],
        requests: int,
        *,
        warm_up: int = 200,
        connections: int = 8,
        on_answer: Callable[[bytes], None] | None = None,
    ) -> Result:
        port, process = self._program.port, self._program.process
        assert process is not None
        if warm_up:
            await run_load(port, make, requests=warm_up)
        before = cpu_seconds(process.pid), database_cpu_seconds(self._program.data_dir)
        result = await run_load(
            port,
            lambda number: make(number + warm_up),
            requests=requests,
            connections=connections,
            on_answer=on_answer,
        )
        server = (cpu_seconds(process.pid) - before[0]) / requests * 1e6
        database = (database_cpu_seconds(self._program.data_dir) - before[1]) / requests * 1e6
        self._hello = self._hello or server
        self._rows.append(
            [
                name,
                f"{result.count / result.seconds:,.0f}",
                f"{result.percentile(0.5) * 1000:.2f}",
                f"{result.percentile(0.99) * 1000:.2f}",
                f"{server:,.0f}",
                f"{database:,.0f}",
                f"{server + database:,.0f}",
                f"{(server + database) / self._hello:.1f}",
                " ".join(f"{status}:{count}" for status, count in sorted(result.statuses.items())),
            ]
        )
        return result

    def show(self) -> None:
        columns = [
            "operation",
            "req/s",
            "p50 ms",
            "p99 ms",
            "server µs",
            "database µs",
            "both µs",
            "× hello",
            "answers",
        ]
        show("CPU time for a request (limits, metrics and logs on)", columns, self._rows)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="agon-bench-") as folder:
        settings = {"AGON_ACCOUNTS_BCRYPT_COST": "12", "AGON_ACCOUNTS_HASH_QUEUE_LIMIT": "1000"}
        async with Program(Path(folder), settings=settings) as program:
            await run(program)


async def run(program: Program) -> None:
    bench = Bench(program)
    async with httpx.AsyncClient(base_url=program.url) as client:
        body = {"token": program.setup_token, "email": "root@example.org", "password": PASSWORD, "display_name": "Root"}
        admin = (await client.post("/api/v1/auth/setup", json=body)).raise_for_status().json()
    bearer = {"Authorization": f"Bearer {admin['access_token']}"}
    roles = f"/api/v1/accounts/{admin['user']['account_id']}/roles"
    await bench.measure("hello", lambda _: request("GET", "/health/live"), 6000)
    await bench.measure("account read", lambda _: request("GET", "/api/v1/auth/account", headers=bearer), 6000)
    await bench.measure("validate", lambda _: request("GET", "/api/v1/auth/validate", headers=bearer), 6000)
    await bench.measure(
        "idempotent write",
        lambda number: request(
            "POST",
            roles,
            {"role": "organizer", "scope": f"game:{uuid.uuid4()}"},
            {**bearer, "Idempotency-Key": f"bench-{number}"},
        ),
        2000,
    )
    await refreshes(bench, admin["refresh_token"])
    names = {"password": PASSWORD, "display_name": "Bench"}
    await bench.measure(
        "register",
        lambda number: request("POST", "/api/v1/auth/register", {**names, "email": f"p{number}@example.org"}),
        40,
        warm_up=4,
    )
    login = {"email": "root@example.org", "password": PASSWORD}
    await bench.measure("login", lambda _: request("POST", "/api/v1/auth/login", login), 40, warm_up=4)
    bench.show()


async def refreshes(bench: Bench, token: str) -> None:
    """Each refresh needs the token that the last one gave: one connection, one after the other."""
    current = token

    def make(_: int) -> bytes:
        return request("POST", "/api/v1/auth/refresh", {"refresh_token": current})

    def taken(body: bytes) -> None:
        nonlocal current
        current = json.loads(body)["refresh_token"]

    await bench.measure("refresh", make, 500, warm_up=0, connections=1, on_answer=taken)


if __name__ == "__main__":
    uvloop.run(main())
