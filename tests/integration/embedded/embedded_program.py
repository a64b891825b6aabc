"""A program that uses an embedded server, for tests that kill it: one JSON object a line on its output.

`write`  inserts rows for ever, reconnecting as a pool would, and prints each id after its commit
`hold`   only holds the server
`ids`    prints the ids that are there, and ends
`cycle`  starts, asks and stops several times, and ends
The first two end when their input does.
"""

import asyncio
import json
import sys
from pathlib import Path

import asyncpg
import structlog

from agon.platform.database.embedded import EmbeddedPostgres, EmbeddedPostgresError

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def say(**words):
    print(json.dumps(words), flush=True)


async def write(dsn):
    last, reconnects = None, -1
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=2)
            reconnects += 1
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS written (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)"
            )
            while True:
                last = await connection.fetchval("INSERT INTO written (note) VALUES ('খেলা') RETURNING id")
                say(id=last, reconnects=reconnects)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await asyncio.sleep(0.05)


async def until_input_ends():
    await asyncio.to_thread(sys.stdin.read)


async def use(directory, mode):
    async with EmbeddedPostgres(directory) as server:
        say(ready=True, owner=server.owner_dsn, app=server.app_dsn)
        if mode == "ids":
            connection = await asyncpg.connect(server.owner_dsn)
            say(ids=[row["id"] for row in await connection.fetch("SELECT id FROM written")])
            await connection.close()
        elif mode == "cycle":
            connection = await asyncpg.connect(server.app_dsn)
            say(answer=await connection.fetchval("SELECT 1"))
            await connection.close()
        else:
            writer = asyncio.create_task(write(server.owner_dsn)) if mode == "write" else None
            await until_input_ends()
            if writer is not None:
                writer.cancel()
                await asyncio.wait([writer])
    say(stopped=True)


async def main():
    directory, mode = Path(sys.argv[1]), sys.argv[2]
    try:
        for _ in range(3 if mode == "cycle" else 1):
            await use(directory, mode)
    except EmbeddedPostgresError as error:
        say(error=str(error))
        raise SystemExit(1) from error


asyncio.run(main())
