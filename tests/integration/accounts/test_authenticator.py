"""From token to principal: remembered for a minute, revoked within a second, and never open where it cannot know."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest

from agon.contracts.accounts import GLOBAL_SCOPE, LoginSessionId, Principal, Role
from agon.domains.accounts.errors import TokenExpired, TokenInvalid
from agon.domains.accounts.public import SignedIn, TokenAuthenticator, grant_role, log_out, log_out_everywhere
from agon.domains.accounts.repository import sessions
from agon.kernel.tx import Query
from agon.platform.database.errors import DatabaseUnavailable
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import World

DELETE = Query("test.delete_account", "update account set status = 'deleted' where id = $1", type(None))


class Reads:
    """The way to the database: counts what is asked, can be slow, and can be cut."""

    def __init__(self, world: World) -> None:
        self._fetch = world.database.fetch
        self.count = 0
        self.cut = False
        self.slow: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def __call__(self, read: Any) -> Any:
        self.count += 1
        if self.cut:
            raise DatabaseUnavailable
        found = await self._fetch(read)
        self.asked.set()
        if self.slow is not None:
            await self.slow.wait()
        return found


class Node:
    """One process that authenticates, with a timer and a feed of invalidations that the test moves."""

    def __init__(self, world: World) -> None:
        self.reads = Reads(world)
        self.seconds = 1000.0
        self.is_fresh = True
        self.authenticator = TokenAuthenticator(
            world.accounts.tokens,
            world.accounts.published,
            self.reads,
            world.clock,
            lambda seconds: self.is_fresh and seconds == 1.0,
            timer=lambda: self.seconds,
        )

    async def __call__(self, token: str) -> Principal:
        return await self.authenticator.authenticate(token)


@pytest.fixture
def node(world: World) -> Node:
    return Node(world)


async def me_and_token(world: World) -> tuple[SignedIn, str]:
    me = await world.register()
    return me, await world.token(me)


async def principal(world: World, me: SignedIn) -> Principal:
    return await world.accounts.authenticator.authenticate(await world.token(me))


async def test_it_says_who_asks(world: World, node: Node):
    me, token = await me_and_token(world)
    who = await node(token)
    assert (who.account_id, who.session_id) == (me.account.id, me.session_id)
    assert who.roles == {Role.PLAYER}


async def test_the_database_is_asked_once_a_minute(world: World, node: Node):
    _, token = await me_and_token(world)
    for _ in range(5):
        await node(token)
    assert node.reads.count == 1
    node.seconds += 60
    await node(token)
    assert node.reads.count == 1
    node.seconds += 0.001
    await node(token)
    assert node.reads.count == 2


async def test_an_expired_token_is_refused_from_memory_too(world: World, node: Node):
    _, token = await me_and_token(world)
    await node(token)
    world.clock.advance(timedelta(minutes=15, seconds=5))
    with pytest.raises(TokenExpired):
        await node(token)
    assert node.reads.count == 1


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_session_that_ended_is_refused_once_it_is_told(world: World, node: Node, everywhere: bool):
    me, token = await me_and_token(world)
    who = await node(token)
    verb = log_out_everywhere if everywhere else log_out
    await world.database.transact(lambda tx: verb(tx, who))
    assert await node(token) == who  # not told yet: less than a second has passed
    tag = f"account:{me.account.id}" if everywhere else f"session:{me.session_id}"
    assert await world.rows("select 1 from invalidation where tag = $1", tag)
    await node.authenticator.forget(frozenset({"something:else", tag}))
    with pytest.raises(TokenInvalid):
        await node(token)


async def test_the_node_that_ends_it_needs_no_telling(world: World):
    _, token = await me_and_token(world)
    who = await world.accounts.authenticator.authenticate(token)
    await world.database.transact(lambda tx: log_out(tx, who))
    with pytest.raises(TokenInvalid):
        await world.accounts.authenticator.authenticate(token)


async def test_one_session_of_two_ends_alone_and_both_end_everywhere(world: World):
    me, first = await me_and_token(world)
    other = await world.login(me.account.email)
    assert isinstance(other, SignedIn)
    second = await world.token(other)
    authenticate = world.accounts.authenticator.authenticate
    await world.database.transact(lambda tx: log_out(tx, Principal(me.account.id, me.session_id, frozenset())))
    with pytest.raises(TokenInvalid):
        await authenticate(first)
    who = await authenticate(second)
    await world.database.transact(lambda tx: log_out_everywhere(tx, who))
    with pytest.raises(TokenInvalid):
        await authenticate(second)
    actions = await world.rows(
        "select action from audit_log where target_id = $1 and action like '%logout%' order by seq", str(me.account.id)
    )
    assert actions == [("account.logout",), ("account.logout_all",)]


async def test_while_invalidations_lag_the_database_is_asked_every_time(world: World, node: Node):
    _, token = await me_and_token(world)
    who = await node(token)
    node.is_fresh = False
    await node(token)
    assert node.reads.count == 2
    await world.database.transact(lambda tx: log_out(tx, who))
    with pytest.raises(TokenInvalid):
        await node(token)


async def test_what_cannot_be_known_is_unavailable_and_never_open(world: World, node: Node):
    _, token = await me_and_token(world)
    node.reads.cut = True
    with pytest.raises(DatabaseUnavailable):
        await node(token)
    node.reads.cut = False
    await node(token)
    node.reads.cut = True
    assert await node(token)  # remembered, and every revocation has been seen
    node.is_fresh = False
    with pytest.raises(DatabaseUnavailable):
        await node(token)
    with pytest.raises(DatabaseUnavailable):
        await node.authenticator.confirm(Principal(uuid.uuid4(), LoginSessionId(uuid.uuid4()), frozenset()))


async def test_what_is_revoked_while_it_is_asked_for_is_not_remembered(world: World, node: Node):
    """The database answered "it holds", then it was revoked and told, then the answer arrives."""
    me, token = await me_and_token(world)
    who = await principal(world, me)
    node.reads.slow = asyncio.Event()
    asking = asyncio.create_task(node(token))
    await node.reads.asked.wait()
    await world.database.transact(lambda tx: log_out(tx, who))
    await node.authenticator.forget(frozenset({f"session:{me.session_id}"}))
    node.reads.slow.set()
    await asking
    with pytest.raises(TokenInvalid):
        await node(token)


async def test_roles_are_those_of_the_database_not_of_the_token(world: World):
    me, token = await me_and_token(world)
    authenticate = world.accounts.authenticator.authenticate
    assert not (await authenticate(token)).has(Role.MODERATOR)
    await world.database.transact(lambda tx: grant_role(tx, None, me.account.id, Role.MODERATOR, GLOBAL_SCOPE))
    who = await authenticate(token)
    assert who.roles == {Role.MODERATOR, Role.PLAYER}
    assert jwt.decode(token, options={"verify_signature": False})["roles"] == ["player"]


async def test_confirming_asks_the_database_whatever_is_remembered(world: World, node: Node):
    me, token = await me_and_token(world)
    who = await node(token)
    await world.database.transact(lambda tx: grant_role(tx, None, me.account.id, Role.ADMIN, GLOBAL_SCOPE))
    assert not (await node(token)).has(Role.ADMIN)
    assert (await node.authenticator.confirm(who)).has(Role.ADMIN)
    await world.database.transact(lambda tx: log_out(tx, who))
    with pytest.raises(TokenInvalid):
        await node.authenticator.confirm(who)


async def test_a_deleted_account_has_no_sessions(world: World, node: Node):
    me, token = await me_and_token(world)
    await world.database.transact(lambda tx: tx.execute(DELETE, me.account.id))
    with pytest.raises(TokenInvalid):
        await node(token)


async def test_a_session_of_another_account_is_not_taken(world: World):
    me, _ = await me_and_token(world)
    other, _ = await me_and_token(world)
    assert await world.database.fetch(lambda tx: sessions.holding(tx, me.session_id, other.account.id)) is None
    crossed = SignedIn(other.account, me.session_id, "")
    with pytest.raises(TokenInvalid):
        await world.accounts.authenticator.authenticate(await world.token(crossed))


async def test_memory_is_bounded(world: World, node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agon.domains.accounts.service.authenticator._CAPACITY", 3)
    me, _ = await me_and_token(world)
    tokens = [await world.token(me) for _ in range(10)]
    for token in tokens:
        await node(token)
    assert len(node.authenticator._entries) == 3
    node.seconds += 61
    await node(tokens[0])
    assert len(node.authenticator._entries) == 1
    assert {len(digests) for digests in node.authenticator._by_tag.values()} == {1}
    await node.authenticator.forget(frozenset({f"account:{me.account.id}"}))
    assert not node.authenticator._entries
    assert not node.authenticator._by_tag


async def test_a_very_long_token_is_refused_unread(node: Node):
    with pytest.raises(TokenInvalid):
        await node("A" * 1_000_000)
    assert node.reads.count == 0


async def test_two_nodes_and_one_database(world: World, make_world: MakeWorld):
    """What one node signs the other takes, and what one ends the other asks about when told."""
    other = await make_world()
    me, token = await me_and_token(world)
    who = await other.accounts.authenticator.authenticate(token)
    await world.database.transact(lambda tx: log_out(tx, who))
    await other.accounts.authenticator.forget(frozenset({f"session:{me.session_id}"}))
    with pytest.raises(TokenInvalid):
        await other.accounts.authenticator.authenticate(token)
