"""A server of its own, killed while work goes on; everything is done in the rights of the application's role."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import asyncpg

from agon.kernel.tx import Tx
from agon.platform.audit.verify import verify
from agon.platform.database.embedded import EmbeddedPostgres
from agon.platform.database.migrations import upgrade
from agon.platform.events.subscribers import subscriber
from agon.platform.features.declare import Feature
from agon.platform.features.rules import State, Switch
from agon.platform.features.switches import Features, set_switch
from agon.platform.invalidation import InvalidationFeed
from agon.platform.jobs.maintenance import maintenance
from tests.integration.jobs.workshop import COUNT, EFFECTS, SLEEP, PartMade, make, note, opened, until, working

DOOR = Feature(name="workshop.door", owner="workshop", default=False, description="It opens.", gate="none")
EVENTS = 80


async def store_slowly(tx: Tx, event: PartMade) -> None:
    await note(tx, "stored", event.number)
    await tx.one(SLEEP, 0.02)


async def items(dsn: str, what: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select item from effect where what = $1 order by id", what)
    await connection.close()
    return [row[0] for row in rows]


async def test_a_killed_database_costs_no_event_and_repeats_none(tmp_path: Path):
    slow = subscriber("workshop.store", PartMade, store_slowly)
    async with EmbeddedPostgres(tmp_path) as server:
        endpoints = await server.start()
        await upgrade(endpoints.owner)
        owner = await asyncpg.connect(endpoints.owner)
        await owner.execute(EFFECTS)
        await owner.close()
        dsn = endpoints.app
        features, feed = Features(), InvalidationFeed(dsn)
        async with opened(dsn, slow, COUNT) as database:
            feed.listen(features.reload_on(database))
            following = asyncio.create_task(feed.run())
            await make(database, "killed", *range(EVENTS))
            async with working(database, dsn, periodic=maintenance(database)):
                await until(lambda: _at_least(dsn, 10))
                (pid_file,) = tmp_path.rglob("postmaster.pid")
                os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)
                await until(lambda: _at_least(dsn, EVENTS), 60)
                await until(lambda: _counted(dsn), 60)
                await database.transact(lambda tx: set_switch(tx, DOOR.name, Switch(state=State.ON)))
                await until(lambda: _on(features, feed))
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            assert sorted(map(int, await items(dsn, "stored"))) == list(range(EVENTS))
            assert await items(dsn, "counted") == [f"killed:{number}" for number in range(EVENTS)]
            for periodic in maintenance(database):
                await periodic.run()
            assert (await verify(database)).broken is None


async def _at_least(dsn: str, count: int) -> bool:
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        return len(await items(dsn, "stored")) >= count
    return False


async def _counted(dsn: str) -> bool:
    return len(await items(dsn, "counted")) >= EVENTS


async def _on(features: Features, feed: InvalidationFeed) -> bool:
    return features.enabled(DOOR) and feed.fresh(1)
