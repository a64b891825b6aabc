"""The first administrator: one, by whoever holds the link, once."""

import asyncio
from datetime import timedelta

import pytest

from agon.contracts.accounts import Role
from agon.domains.accounts.errors import EmailTaken, LinkInvalid
from agon.domains.accounts.public import Applicant, Policy, SignedIn
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import ISSUER, World


@pytest.fixture
async def empty(fresh_dsn: str, make_world: MakeWorld) -> World:
    """An installation without an administrator."""
    return await make_world(dsn=fresh_dsn, policy=Policy(issuer=ISSUER, require_verification=True))


async def set_up(world: World, token: str, applicant: Applicant | None = None) -> SignedIn:
    applicant = applicant or await world.applicant()
    return await world.database.transact(lambda tx: world.accounts.setup.set_up(tx, token, applicant))


async def issue(world: World) -> str:
    token = await world.database.transact(world.accounts.setup.issue_token)
    assert token is not None
    return token


async def admins(world: World) -> int:
    return len(await world.rows("select 1 from role_grant where role = 'admin' and scope = 'global'"))


async def test_the_link_makes_an_admin_who_is_signed_in(empty: World):
    assert await empty.database.fetch(empty.accounts.setup.is_needed)
    token = await issue(empty)
    await empty.database.fetch(lambda tx: empty.accounts.setup.check_token(tx, token))
    signed_in = await set_up(empty, token)
    assert Role.ADMIN in signed_in.account.roles
    assert signed_in.account.email_verified
    assert (await empty.principal(signed_in)).has(Role.ADMIN)
    assert not await empty.database.fetch(empty.accounts.setup.is_needed)
    actions = await empty.rows("select action from audit_log order by seq")
    assert actions[:2] == [("account.register",), ("role.grant",)]


async def test_a_used_link_stays_used_whatever_becomes_of_its_admin(empty: World):
    token, other = await issue(empty), await issue(empty)
    await set_up(empty, token)
    await empty.rows("delete from role_grant")
    for used in (token, other):
        with pytest.raises(LinkInvalid):
            await empty.database.fetch(lambda tx, used=used: empty.accounts.setup.check_token(tx, used))
        with pytest.raises(LinkInvalid):
            await set_up(empty, used)
    assert await set_up(empty, await issue(empty))


async def test_of_fifty_at_once_with_one_link_one_becomes_admin(empty: World):
    token = await issue(empty)
    applicants = [await empty.applicant() for _ in range(50)]
    results = await asyncio.gather(*(set_up(empty, token, each) for each in applicants), return_exceptions=True)
    assert sum(isinstance(each, SignedIn) for each in results) == 1
    assert sum(isinstance(each, LinkInvalid) for each in results) == 49
    assert await admins(empty) == 1
    assert await empty.rows("select count(*) from account") == [(1,)]


async def test_of_ten_links_at_once_one_makes_an_admin(empty: World):
    tokens = [await issue(empty) for _ in range(10)]
    applicants = [await empty.applicant() for _ in tokens]
    calls = (set_up(empty, token, each) for token, each in zip(tokens, applicants, strict=True))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, SignedIn) for each in results) == 1
    assert await admins(empty) == 1


async def test_a_link_is_good_for_an_hour(empty: World):
    token = await issue(empty)
    empty.clock.advance(timedelta(hours=1))
    with pytest.raises(LinkInvalid):
        await empty.database.fetch(lambda tx: empty.accounts.setup.check_token(tx, token))
    with pytest.raises(LinkInvalid):
        await set_up(empty, token)


async def test_a_call_that_is_refused_does_not_use_the_link_up(empty: World):
    taken = await empty.applicant()
    await empty.database.transact(lambda tx: empty.accounts.registration.register(tx, taken))
    token = await issue(empty)
    with pytest.raises(EmailTaken):
        await set_up(empty, token, taken)
    assert await set_up(empty, token)


async def test_with_an_admin_there_is_no_link(empty: World):
    token = await issue(empty)
    await empty.admin()
    assert await empty.database.transact(empty.accounts.setup.issue_token) is None
    with pytest.raises(LinkInvalid):
        await empty.database.fetch(lambda tx: empty.accounts.setup.check_token(tx, token))
    with pytest.raises(LinkInvalid):
        await set_up(empty, token)
    assert await admins(empty) == 1


async def test_made_up_links_are_refused(empty: World):
    await issue(empty)
    for token in ("", "x" * 43, "\x00"):
        with pytest.raises(LinkInvalid):
            await set_up(empty, token)


async def test_links_are_not_stored_in_clear(empty: World):
    token = await issue(empty)
    [(row,)] = await empty.rows("select t::text from one_time_token t")
    assert token not in row
