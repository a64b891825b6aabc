"""How the health of each part is found out."""

from collections.abc import Mapping

from agon.kernel.clock import Clock
from agon.kernel.tx import Query, ReadTx
from agon.platform.breakers import Breakers, State
from agon.platform.database import migrations
from agon.platform.database.database import Database
from agon.platform.invalidation import InvalidationFeed
from agon.platform.observability.health import Check, Component, Degraded, Health
from agon.roles.storage import Addresses

_FRESH_SECONDS = 2.0
_PING = Query("health.ping", "select 1", int)


def make_health(
    database: Database, addresses: Addresses, feed: InvalidationFeed, breakers: Breakers, clock: Clock
) -> Health:
    """The checks of the parts that this process uses."""

    async def ask_database() -> None:
        await database.fetch(_ping)

    async def hear_of_commits() -> None:
        if not feed.fresh(_FRESH_SECONDS):
            message = "news of other processes' commits is late; revocation asks the database meanwhile"
            raise Degraded(message)

    async def be_migrated() -> None:
        found = await migrations.status(addresses.application)
        if found.pending:
            message = f"migrations are pending: {', '.join(found.pending)}"
            raise RuntimeError(message)

    checks: Mapping[Component, Check] = {
        Component.DATABASE: ask_database,
        Component.BUS: hear_of_commits,
        Component.CACHE: _closed(breakers, "cache", "limits"),
        Component.MAIL: _closed(breakers, "mail"),
    }
    return Health(checks, migrations=be_migrated, clock=clock)


async def _ping(tx: ReadTx) -> None:
    await tx.one(_PING)


def _closed(breakers: Breakers, *names: str) -> Check:
    """Healthy while the part's breakers are closed: whoever uses the part finds out by using it."""

    async def check() -> None:
        states = breakers.states()
        failing = [name for name in names if states.get(name, State.CLOSED) is not State.CLOSED]
        if failing:
            message = f"failing and given time to recover: {', '.join(failing)}"
            raise Degraded(message)

    return check
