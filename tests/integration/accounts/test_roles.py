"""Roles: granted and revoked by administrators, of whom one always stays."""

import asyncio
import uuid

import pytest

from agon.contracts.accounts import GLOBAL_SCOPE, AccountId, Role
from agon.domains.accounts.errors import AccountNotFound, AuthValidationError, LastAdmin
from agon.domains.accounts.public import grant_role, granted_roles, revoke_role
from agon.kernel.paging import PageRequest
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import World

SCOPE = "tournament:018f7b1e-9f0a-7c3d-8e21-0123456789ab"


async def grant(world: World, to: AccountId, role: Role, scope: str = GLOBAL_SCOPE, by: AccountId | None = None):
    return await world.database.transact(lambda tx: grant_role(tx, by, to, role, scope))


async def revoke(world: World, account: AccountId, role: Role, scope: str = GLOBAL_SCOPE) -> None:
    await world.database.transact(lambda tx: revoke_role(tx, account, role, scope))


async def told(world: World, account: AccountId) -> tuple[list[str], list[str]]:
    events = await world.rows(
        "select type from event where subject = $1 and type like 'role.%' order by seq", f"role:{account}"
    )
    audited = await world.rows(
        "select action from audit_log where target_id = $1 and action like 'role.%' order by seq", str(account)
    )
    return [kind for (kind,) in events], [action for (action,) in audited]


async def test_a_grant_is_held_told_and_audited_once(world: World):
    admin, me = await world.admin(), (await world.register()).account.id
    first = await grant(world, me, Role.ORGANIZER, SCOPE, admin)
    assert await grant(world, me, Role.ORGANIZER, SCOPE, admin) == first
    assert (first.role, first.scope, first.granted_by) == (Role.ORGANIZER, SCOPE, admin)
    assert await told(world, me) == (["role.granted"], ["role.grant"])
    await revoke(world, me, Role.ORGANIZER, SCOPE)
    with pytest.raises(AccountNotFound):
        await revoke(world, me, Role.ORGANIZER, SCOPE)
    assert await told(world, me) == (["role.granted", "role.revoked"], ["role.grant", "role.revoke"])


async def test_twenty_at_once_grant_it_once(world: World):
    me = (await world.register()).account.id
    grants = await asyncio.gather(*(grant(world, me, Role.MODERATOR) for _ in range(20)))
    assert len({each.granted_at for each in grants}) == 1
    assert await told(world, me) == (["role.granted"], ["role.grant"])


async def test_nobody_is_granted_nothing(world: World):
    with pytest.raises(AccountNotFound):
        await grant(world, AccountId(uuid.uuid4()), Role.MODERATOR)
    me = (await world.register()).account.id
    for role, scope in ((Role.PLAYER, GLOBAL_SCOPE), (Role.SERVICE, GLOBAL_SCOPE), (Role.ADMIN, "everywhere")):
        with pytest.raises(AuthValidationError):
            await grant(world, me, role, scope)
        with pytest.raises(AuthValidationError):
            await revoke(world, me, role, scope)


async def test_they_are_listed_in_pages_and_looking_is_audited(world: World):
    me = (await world.register()).account.id
    with pytest.raises(AccountNotFound):
        await world.database.transact(lambda tx: granted_roles(tx, AccountId(uuid.uuid4()), PageRequest()))
    for role, scope in ((Role.ADMIN, SCOPE), (Role.MODERATOR, GLOBAL_SCOPE), (Role.ORGANIZER, SCOPE)):
        await grant(world, me, role, scope)
    seen: list[tuple[Role, str]] = []
    request = PageRequest(2)
    while True:
        page = await world.database.transact(lambda tx, r=request: granted_roles(tx, me, r))
        seen += [(each.role, each.scope) for each in page.items]
        if page.next_cursor is None:
            break
        request = PageRequest(2, page.next_cursor)
    assert len(seen) == 3
    assert set(seen) == {(Role.ADMIN, SCOPE), (Role.MODERATOR, GLOBAL_SCOPE), (Role.ORGANIZER, SCOPE)}
    assert (await told(world, me))[1] == ["role.grant"] * 3 + ["role.read"] * 2


async def test_the_last_admin_stays_one(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    admin = await world.admin()
    with pytest.raises(LastAdmin):
        await revoke(world, admin, Role.ADMIN)
    await grant(world, admin, Role.ADMIN, SCOPE)
    await revoke(world, admin, Role.ADMIN, SCOPE)  # that one was for a tournament
    other = await world.admin()
    await revoke(world, admin, Role.ADMIN)
    with pytest.raises(LastAdmin):
        await revoke(world, other, Role.ADMIN)


async def test_two_admins_who_revoke_each_other_at_once_leave_one(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    for _ in range(10):
        first, second = await world.admin(), await world.admin()
        existing = await world.rows("select account_id from role_grant where role = 'admin'")
        for (account,) in existing:
            if account not in (first, second):
                await revoke(world, account, Role.ADMIN)
        results = await asyncio.gather(
            revoke(world, first, Role.ADMIN), revoke(world, second, Role.ADMIN), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in results) == ["LastAdmin", "NoneType"]
        assert len(await world.rows("select 1 from role_grant where role = 'admin'")) == 1


async def test_a_deleted_admin_is_not_counted(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn)
    admin, gone = await world.admin(), await world.admin()
    await world.rows("update account set status = 'deleted' where id = $1", gone)
    with pytest.raises(LastAdmin):
        await revoke(world, admin, Role.ADMIN)
