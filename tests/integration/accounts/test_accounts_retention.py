"""What accounts keeps, and what it lets go."""

from datetime import timedelta

from agon.domains.accounts.public import SignedIn
from agon.platform.retention import Retention
from tests.integration.accounts.conftest import MakeWorld

MARK = "a mark that my laptop keeps"


async def test_old_sessions_go_with_all_that_belongs_to_them(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    me = await world.register(device=MARK)
    token = me.refresh_token
    for _ in range(3):
        outcome = await world.database.transact(lambda tx, t=token: world.accounts.refresh.refresh(tx, t))
        assert isinstance(outcome, SignedIn)
        token = outcome.refresh_token
    await world.database.transact(world.accounts.setup.issue_token)
    retention = Retention(world.database)
    world.clock.advance(timedelta(days=30))
    assert not any((await retention.prune()).values())
    world.clock.advance(timedelta(days=2))
    deleted = await retention.prune()
    assert (deleted["refresh_token"], deleted["one_time_token"], deleted["login_session"]) == (4, 1, 0)
    world.clock.advance(timedelta(days=370))
    deleted = await retention.prune()
    assert (deleted["login_session"], deleted["known_device"]) == (1, 1)
    assert await world.rows("select count(*) from account") == [(1,)]
    assert isinstance(await world.login(me.account.email), SignedIn)


async def test_refresh_tokens_can_go_before_those_they_replaced(fresh_dsn: str, make_world: MakeWorld):
    """As when their life was made shorter by a setting."""
    world = await make_world(dsn=fresh_dsn)
    me = await world.register()
    await world.database.transact(lambda tx: world.accounts.refresh.refresh(tx, me.refresh_token))
    await world.rows("update refresh_token set expires_at = created_at + interval '1 hour' where used_at is null")
    world.clock.advance(timedelta(days=2))
    assert (await Retention(world.database).prune())["refresh_token"] == 1
    assert await world.rows("select used_at is not null, replaced_by from refresh_token") == [(True, None)]


async def test_a_session_takes_its_tokens_along(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    await world.register()
    await world.rows("delete from login_session")
    assert await world.rows("select 1 from refresh_token") == []
