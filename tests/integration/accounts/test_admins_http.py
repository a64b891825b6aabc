"""Administrators: the first one, and the roles that they grant."""

import uuid

import pytest_asyncio

from agon.contracts.accounts import Role
from agon.domains.accounts.public import Policy, SignedIn
from tests.integration.accounts.callers import NAMES, bearer, problem, registered, some_email
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import ISSUER, Client, World


@pytest_asyncio.fixture
async def admin(world: World) -> dict[str, str]:
    """The headers of an administrator."""
    await world.admin(email=(email := some_email()))
    signed_in = await world.login(email)
    assert isinstance(signed_in, SignedIn)
    return bearer(await world.token(signed_in))


async def test_the_first_admin(fresh_dsn: str, make_world: MakeWorld):
    world = await make_world(dsn=fresh_dsn, policy=Policy(issuer=ISSUER, registration_open=False))
    token = await world.database.transact(world.accounts.setup.issue_token)
    async with Client(world) as client:
        wrong = {**NAMES, "email": some_email(), "token": "wrong"}
        problem(await client.post("/api/v1/auth/setup", json=wrong), 410, "AUTH_LINK_INVALID")
        answer = await client.post("/api/v1/auth/setup", json={**wrong, "token": token})
        assert answer.status_code == 201
        assert answer.json()["user"]["roles"] == ["admin", "moderator", "organizer", "player"]
        problem(await client.post("/api/v1/auth/setup", json={**wrong, "token": token}), 410, "AUTH_LINK_INVALID")


async def test_roles_are_for_admins(client: Client, admin: dict[str, str]):
    player = await registered(client)
    path = f"/api/v1/accounts/{player['user']['account_id']}/roles"
    body = {"role": "moderator"}
    for headers, code, status in (({}, "AUTH_REQUIRED", 401), (bearer(player["access_token"]), "AUTH_FORBIDDEN", 403)):
        problem(await client.get(path, headers=headers), status, code)
        problem(await client.post(path, json=body, headers=headers), status, code)
        problem(await client.delete(f"{path}/moderator", headers=headers), status, code)
    granted = await client.post(path, json=body, headers=admin)
    assert granted.status_code == 200
    assert set(granted.json()) == {"role", "scope", "granted_by", "granted_at"}
    assert (granted.json()["role"], granted.json()["scope"]) == ("moderator", "global")
    listed = (await client.get(path, headers=admin)).json()
    assert listed == {"items": [granted.json()], "next_cursor": None}
    account = await client.get("/api/v1/auth/account", headers=bearer(player["access_token"]))
    assert account.json()["roles"] == ["moderator", "player"]
    assert (await client.delete(f"{path}/moderator", headers=admin)).status_code == 204
    problem(await client.delete(f"{path}/moderator", headers=admin), 404, "AUTH_NOT_FOUND")


async def test_granting_with_a_key_is_replayed(world: World, client: Client, admin: dict[str, str]):
    account_id = (await world.register()).account.id
    path, keyed = f"/api/v1/accounts/{account_id}/roles", {**admin, "idempotency-key": uuid.uuid4().hex}
    first = await client.post(path, json={"role": "organizer"}, headers=keyed)
    again = await client.post(path, json={"role": "organizer"}, headers=keyed)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = await client.post(path, json={"role": "moderator"}, headers=keyed)
    problem(other, 409, "IDEMPOTENCY_KEY_REUSED")


async def test_odd_roles_and_scopes(world: World, client: Client, admin: dict[str, str]):
    path = f"/api/v1/accounts/{(await world.register()).account.id}/roles"
    scope = "tournament:018f7b1e-9f0a-7c3d-8e21-0123456789ab"
    assert (await client.post(path, json={"role": "organizer", "scope": scope}, headers=admin)).status_code == 200
    assert (await client.delete(f"{path}/organizer?scope={scope}", headers=admin)).status_code == 204
    for body in ({"role": "player"}, {"role": "king"}, {"role": "admin", "scope": "x"}, {}, {"role": None}):
        problem(await client.post(path, json=body, headers=admin), 400, "AUTH_VALIDATION_ERROR")
    for where in ("king", "admin?scope=x", "player"):
        problem(await client.delete(f"{path}/{where}", headers=admin), 400, "AUTH_VALIDATION_ERROR")
    nobody = f"/api/v1/accounts/{uuid.uuid4()}/roles"
    problem(await client.get(nobody, headers=admin), 404, "AUTH_NOT_FOUND")
    problem(await client.post(nobody, json={"role": "admin"}, headers=admin), 404, "AUTH_NOT_FOUND")
    problem(await client.get(f"{path}?limit=0", headers=admin), 400, "AUTH_VALIDATION_ERROR")
    problem(await client.get(f"{path}?cursor=x", headers=admin), 400, "CURSOR_INVALID")


async def test_an_admin_who_is_none_any_more_is_refused_at_once(world: World, client: Client, admin: dict[str, str]):
    """Privileged operations ask the database, whatever this node remembers."""
    path = f"/api/v1/accounts/{(await world.register()).account.id}/roles"
    assert (await client.get(path, headers=admin)).status_code == 200
    me = (await client.get("/api/v1/auth/account", headers=admin)).json()["account_id"]
    await world.rows("delete from role_grant where account_id = $1", uuid.UUID(me))
    assert (await client.get("/api/v1/auth/validate", headers=admin)).status_code == 200
    problem(await client.get(path, headers=admin), 403, "AUTH_FORBIDDEN")
    assert Role.ADMIN.value not in (await client.get("/api/v1/auth/account", headers=admin)).json()["roles"]
