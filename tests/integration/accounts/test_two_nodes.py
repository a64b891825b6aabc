"""Two processes on one database, each with its own feed of invalidations: how long a revoked token goes on working."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from agon.contracts.accounts import GLOBAL_SCOPE, Principal, Role
from agon.domains.accounts.errors import TokenInvalid
from agon.domains.accounts.public import Reused, SignedIn, grant_role, log_out, log_out_everywhere
from agon.platform.invalidation import InvalidationFeed
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import World

Revoke = Callable[[World, SignedIn, Principal], Awaitable[None]]


@asynccontextmanager
async def node(dsn: str, make_world: MakeWorld) -> AsyncGenerator[World, None]:
    """A process that follows what others commit."""
    feed = InvalidationFeed(dsn)
    world = await make_world(dsn=dsn, fresh=feed.fresh)
    feed.listen(world.accounts.authenticator.forget)
    world.database._on_invalidate = feed.tell
    following = asyncio.create_task(feed.run())
    yield world
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def sign_out(world: World, me: SignedIn, who: Principal) -> None:
    await world.database.transact(lambda tx: log_out(tx, who))


async def sign_out_everywhere(world: World, me: SignedIn, who: Principal) -> None:
    await world.database.transact(lambda tx: log_out_everywhere(tx, who))


async def reuse_a_refresh_token(world: World, me: SignedIn, who: Principal) -> None:
    def refresh() -> Awaitable[SignedIn | Reused]:
        return world.database.transact(lambda tx: world.accounts.refresh.refresh(tx, me.refresh_token))

    await refresh()
    await world.rows("update refresh_token set used_at = used_at - interval '1 minute' where used_at is not null")
    assert isinstance(await refresh(), Reused)


@pytest.mark.parametrize("revoke", [sign_out, sign_out_everywhere, reuse_a_refresh_token])
async def test_a_revoked_token_is_refused_everywhere_within_a_second(
    fresh_dsn: str, make_world: MakeWorld, revoke: Revoke
):
    async with node(fresh_dsn, make_world) as here, node(fresh_dsn, make_world) as there:
        me = await here.register()
        token = await here.token(me)
        who = await there.accounts.authenticator.authenticate(token)
        assert await here.accounts.authenticator.authenticate(token) == who
        await revoke(here, me, who)
        revoked_at = time.monotonic()
        with pytest.raises(TokenInvalid):
            await here.accounts.authenticator.authenticate(token)
        while True:
            try:
                await there.accounts.authenticator.authenticate(token)
            except TokenInvalid:
                break
            assert time.monotonic() - revoked_at < 1.5
            await asyncio.sleep(0.05)
        assert time.monotonic() - revoked_at <= 1.1


async def test_a_role_is_held_everywhere_within_a_second(fresh_dsn: str, make_world: MakeWorld):
    async with node(fresh_dsn, make_world) as here, node(fresh_dsn, make_world) as there:
        me = await here.register()
        token = await here.token(me)
        assert not (await there.accounts.authenticator.authenticate(token)).has(Role.MODERATOR)
        await here.database.transact(lambda tx: grant_role(tx, None, me.account.id, Role.MODERATOR, GLOBAL_SCOPE))
        granted_at = time.monotonic()
        while not (await there.accounts.authenticator.authenticate(token)).has(Role.MODERATOR):
            assert time.monotonic() - granted_at < 1.5
            await asyncio.sleep(0.05)
        assert time.monotonic() - granted_at <= 1.1


async def test_a_rotated_key_is_used_and_taken_everywhere(fresh_dsn: str, make_world: MakeWorld):
    async with node(fresh_dsn, make_world) as here, node(fresh_dsn, make_world) as there:
        me = await here.register()
        before = await here.token(me)
        assert await there.accounts.authenticator.authenticate(before)
        kid = await here.database.transact(here.accounts.keys.rotate)
        after = await here.accounts.access_token(me)
        assert await there.accounts.authenticator.authenticate(after)
        assert await there.accounts.authenticator.authenticate(before)
        signing = await there.accounts.published.signing()
        assert signing is not None
        assert signing.kid == kid
