"""Feature switches: set in a transaction, audited, in force in every process within seconds."""

import asyncio
import contextlib
import json

import asyncpg
import pytest

from agon.kernel.errors import DomainError
from agon.platform.context import RequestContext, enter
from agon.platform.database.database import Database
from agon.platform.features.declare import Feature
from agon.platform.features.rules import State, Switch
from agon.platform.features.switches import FeatureInvalid, FeatureNotFound, Features, list_features, set_switch
from agon.platform.invalidation import InvalidationFeed
from tests.conftest import OpenDatabase
from tests.integration.jobs.workshop import until

SPARKS = Feature(
    name="workshop.sparks", owner="workshop", default=False, description="Sparks fly.", gate="no fire in a week"
)
LIGHT = Feature(name="workshop.light", owner="workshop", default=True, description="It is bright.", gate="none")


def switched(name: str, **switch):
    return lambda tx: set_switch(tx, name, Switch(**switch), "for the test")


async def test_a_change_is_in_force_in_every_process_within_seconds(dsn: str, open_database: OpenDatabase):
    here, there = Features(), Features()
    near_feed, far_feed = InvalidationFeed(dsn), InvalidationFeed(dsn)
    near = await open_database(dsn, on_invalidate=near_feed.tell)
    far = await open_database(dsn)
    near_feed.listen(here.reload_on(near))
    far_feed.listen(there.reload_on(far))
    following = asyncio.create_task(far_feed.run())
    await near.transact(switched(SPARKS.name, state=State.OFF))
    assert not there.enabled(SPARKS)
    await near.transact(switched(SPARKS.name, state=State.ON))
    assert here.enabled(SPARKS)

    async def reached() -> bool:
        return there.enabled(SPARKS)

    await until(reached, 4)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def test_a_feature_that_nobody_switched_is_as_declared(database: Database):
    features = Features()
    await features.reload(database)
    assert features.enabled(LIGHT)
    await database.transact(switched(LIGHT.name, state=State.LIST, members=frozenset({"7"})))
    await features.reload(database)
    assert features.enabled(LIGHT, 7)
    assert not features.enabled(LIGHT, 8)
    assert not features.enabled(LIGHT)


async def test_a_change_is_audited_with_what_was_before(dsn: str, database: Database):
    async def by_an_admin() -> None:
        enter(RequestContext(actor="account:admin"))
        await database.transact(switched(SPARKS.name, state=State.PERCENTAGE, percentage=10))
        await database.transact(switched(SPARKS.name, state=State.LIST, members=frozenset({"b", "a"})))

    await asyncio.create_task(by_an_admin())
    connection = await asyncpg.connect(dsn)
    row = await connection.fetchrow(
        "select * from audit_log where target_id = $1 order by seq desc limit 1", SPARKS.name
    )
    await connection.close()
    assert (row["actor"], row["action"], row["reason"]) == ("account:admin", "feature.change", "for the test")
    assert json.loads(row["before"]) == {"state": "percentage", "percentage": 10}
    assert json.loads(row["after"]) == {"state": "list", "members": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "switch", "error"),
    [
        ("workshop.unheard_of", {"state": State.ON}, FeatureNotFound),
        (SPARKS.name, {"state": State.PERCENTAGE, "percentage": 101}, FeatureInvalid),
        (SPARKS.name, {"state": State.PERCENTAGE, "percentage": -1}, FeatureInvalid),
        (SPARKS.name, {"state": State.LIST}, FeatureInvalid),
        (SPARKS.name, {"state": State.LIST, "members": frozenset({""})}, FeatureInvalid),
        (SPARKS.name, {"state": State.LIST, "members": frozenset({"x" * 201})}, FeatureInvalid),
        (SPARKS.name, {"state": State.LIST, "members": frozenset(map(str, range(10_001)))}, FeatureInvalid),
    ],
)
async def test_a_switch_that_makes_no_sense_is_refused(
    database: Database, name: str, switch: dict, error: type[DomainError]
):
    with pytest.raises(error):
        await database.transact(switched(name, **switch))


async def test_the_list_tells_of_every_feature_and_of_switches_left_over(dsn: str, database: Database):
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "insert into feature_switch values ('workshop.gone', 'on', 0, '{}', now()) on conflict do nothing"
    )
    await connection.close()
    found = {each.name: each for each in await database.fetch(list_features)}
    assert found[SPARKS.name].feature is SPARKS
    assert found["workshop.gone"].feature is None
    assert found["workshop.gone"].switch == Switch(state=State.ON)


async def test_a_slow_reload_does_not_undo_a_later_one(database: Database, monkeypatch: pytest.MonkeyPatch):
    features = Features()
    fetch, waits = database.fetch, [0.2, 0.0]

    async def slowly(read):
        result = await fetch(read)
        await asyncio.sleep(waits.pop(0))
        return result

    await database.transact(switched(SPARKS.name, state=State.OFF))
    monkeypatch.setattr(database, "fetch", slowly)
    first = asyncio.create_task(features.reload(database))
    await asyncio.sleep(0.05)
    await database.transact(switched(SPARKS.name, state=State.ON))
    await features.reload(database)
    await first
    assert features.enabled(SPARKS)
