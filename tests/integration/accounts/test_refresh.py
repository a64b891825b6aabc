"""Refresh tokens: used once, repeated for a moment, and betrayed by a second use."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from agon.domains.accounts.errors import TokenExpired, TokenInvalid
from agon.domains.accounts.public import Reused, SignedIn
from agon.kernel.tx import Query
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import World

DELETE = Query("test.delete_account", "update account set status = 'deleted' where id = $1", type(None))


async def refresh(world: World, token: str) -> SignedIn | Reused:
    return await world.database.transact(lambda tx: world.accounts.refresh.refresh(tx, token))


async def renewed(world: World, token: str) -> SignedIn:
    outcome = await refresh(world, token)
    assert isinstance(outcome, SignedIn)
    return outcome


async def tokens_of(world: World, signed_in: SignedIn) -> list[Any]:
    return await world.rows(
        "select used_at is not null, replaced_by from refresh_token where session_id = $1 order by used_at",
        signed_in.session_id,
    )


async def events_of(world: World, signed_in: SignedIn) -> list[str]:
    rows = await world.rows("select type from event where subject = $1 order by seq", f"account:{signed_in.account.id}")
    return [kind for (kind,) in rows]


async def test_each_gives_the_next(world: World):
    me = await world.register()
    token, seen = me.refresh_token, {me.refresh_token}
    for _ in range(5):
        world.clock.advance(timedelta(minutes=15))
        after = await renewed(world, token)
        assert after.session_id == me.session_id
        assert after.account.id == me.account.id
        token = after.refresh_token
        seen.add(token)
    assert len(seen) == 6
    assert all(len(each) == 43 for each in seen)
    [(last_used_at,)] = await world.rows("select last_used_at from login_session where id = $1", me.session_id)
    assert last_used_at == world.clock.now()


async def test_a_lost_answer_is_given_again_for_ten_seconds(world: World):
    me = await world.register()
    first = await renewed(world, me.refresh_token)
    world.clock.advance(timedelta(seconds=10))
    again = await renewed(world, me.refresh_token)
    assert again.refresh_token == first.refresh_token
    assert len(await tokens_of(world, me)) == 2
    assert await renewed(world, first.refresh_token)


async def test_of_fifty_at_once_all_get_the_same_one(world: World):
    me = await world.register()
    results = await asyncio.gather(*(renewed(world, me.refresh_token) for _ in range(50)))
    assert len({each.refresh_token for each in results}) == 1
    assert [used for used, _ in await tokens_of(world, me)] == [True, False]


async def test_a_late_second_use_ends_the_session(world: World):
    me = await world.register()
    token = await world.token(me)
    assert await world.accounts.authenticator.authenticate(token)
    child = await renewed(world, me.refresh_token)
    world.clock.advance(timedelta(seconds=11))
    assert isinstance(await refresh(world, me.refresh_token), Reused)
    with pytest.raises(TokenInvalid):
        await refresh(world, child.refresh_token)
    with pytest.raises(TokenInvalid):
        await world.accounts.authenticator.authenticate(token)
    assert "account.refresh_reused" in await events_of(world, me)
    [(severity, after)] = await world.rows(
        "select severity, after::text from audit_log where target_id = $1 and action = 'account.refresh_reused'",
        str(me.account.id),
    )
    assert severity == "high"
    assert str(me.session_id) in after


async def test_it_is_told_once(world: World):
    me = await world.register()
    await renewed(world, me.refresh_token)
    world.clock.advance(timedelta(minutes=1))
    results = await asyncio.gather(*(refresh(world, me.refresh_token) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(each, Reused) for each in results) == 1
    assert sum(isinstance(each, TokenInvalid) for each in results) == 19
    assert (await events_of(world, me)).count("account.refresh_reused") == 1


async def test_a_grandparent_ends_the_session_as_well(world: World):
    me = await world.register()
    child = await renewed(world, me.refresh_token)
    world.clock.advance(timedelta(minutes=15))
    grandchild = await renewed(world, child.refresh_token)
    assert isinstance(await refresh(world, me.refresh_token), Reused)
    with pytest.raises(TokenInvalid):
        await refresh(world, grandchild.refresh_token)


async def test_other_sessions_go_on(world: World):
    me = await world.register()
    other = await world.login(me.account.email)
    assert isinstance(other, SignedIn)
    await renewed(world, me.refresh_token)
    world.clock.advance(timedelta(minutes=1))
    assert isinstance(await refresh(world, me.refresh_token), Reused)
    assert await renewed(world, other.refresh_token)


async def test_it_lives_for_thirty_days_from_its_making(world: World):
    me = await world.register()
    world.clock.advance(timedelta(days=29))
    child = await renewed(world, me.refresh_token)
    world.clock.advance(timedelta(days=30))
    with pytest.raises(TokenExpired):
        await refresh(world, child.refresh_token)


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "ä", "\x00" * 8, "a" * 10_000])
async def test_what_is_no_token_is_invalid(world: World, token: str):
    with pytest.raises(TokenInvalid):
        await refresh(world, token)


async def test_an_access_token_is_none(world: World):
    with pytest.raises(TokenInvalid):
        await refresh(world, await world.token(await world.register()))


async def test_of_a_deleted_account_it_is_none(world: World):
    me = await world.register()
    await world.database.transact(lambda tx: tx.execute(DELETE, me.account.id))
    with pytest.raises(TokenInvalid):
        await refresh(world, me.refresh_token)


async def test_any_node_gives_the_same_next_one(world: World, make_world: MakeWorld):
    me = await world.register()
    other = await make_world()
    assert (await renewed(world, me.refresh_token)).refresh_token == (
        await renewed(other, me.refresh_token)
    ).refresh_token


async def test_a_successor_cannot_be_guessed_from_its_parent(world: World, make_world: MakeWorld):
    me = await world.register()
    other = await make_world()
    other.accounts.refresh._key = b"s" * 32
    successor = (await renewed(world, me.refresh_token)).refresh_token
    assert (await renewed(other, me.refresh_token)).refresh_token != successor
