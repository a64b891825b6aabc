"""The endpoints of accounts: what they take, what they answer, and what they do not tell."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta

import jwt
import pytest
import pytest_asyncio

from agon.domains.accounts.public import HashOptions, Policy
from tests.integration.accounts.callers import ACCOUNT, NAMES, TOKENS, bearer, problem, registered, some_email
from tests.integration.accounts.conftest import MakeWorld
from tests.integration.accounts.world import ISSUER, PASSWORD, Client, World


@pytest_asyncio.fixture
async def strict(make_world: MakeWorld) -> AsyncGenerator[Client, None]:
    async with Client(await make_world(policy=Policy(issuer=ISSUER, require_verification=True))) as made:
        yield made


async def test_registering_answers_with_tokens_and_no_more(client: Client):
    email = some_email()
    answer = await client.post("/api/v1/auth/register", json={"email": email, **NAMES})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == TOKENS
    assert set(body["user"]) == ACCOUNT
    assert (body["expires_in"], body["user"]["email"], body["user"]["roles"]) == (900, email, ["player"])
    assert (await client.get("/api/v1/auth/account", headers=bearer(body["access_token"]))).json() == body["user"]


async def test_taken_names_are_told(client: Client):
    first = await registered(client, username=f"u{uuid.uuid4().hex[:9]}")
    same_email = {**NAMES, "email": first["user"]["email"].upper()}
    problem(await client.post("/api/v1/auth/register", json=same_email), 409, "AUTH_EMAIL_TAKEN")
    same_name = {**NAMES, "email": some_email(), "username": first["user"]["username"].upper()}
    problem(await client.post("/api/v1/auth/register", json=same_name), 409, "AUTH_USERNAME_TAKEN")


async def test_what_is_wrong_is_named_by_field(client: Client):
    register = "/api/v1/auth/register"
    body = {"email": "nobody", "password": PASSWORD, "display_name": "x", "username": "admin"}
    found = problem(await client.post(register, json=body), 400, "AUTH_VALIDATION_ERROR")
    assert {each["field"]: each["code"] for each in found["errors"]} == {
        "email": "invalid",
        "display_name": "length",
        "username": "reserved",
    }
    missing = problem(await client.post(register, json={}), 400, "AUTH_VALIDATION_ERROR")
    assert missing["errors"][0]["code"] == "required"
    weak = await client.post(register, json={**NAMES, "email": some_email(), "password": "iloveyou"})
    assert problem(weak, 400, "AUTH_WEAK_PASSWORD")["errors"][0]["code"] == "too_common"


@pytest.mark.parametrize("path", ["register", "login", "refresh", "setup"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"email": 1, "password": [], "refresh_token": {}, "token": 1}',
        b'{"email": "a@b.co", "password": "\\ud800aaaaaaaa", "display_name": "abc", "refresh_token": "\\ud800"}',
        b'{"email": "a\\u0000@b.co", "password": "\\u0000\\u0000aaaaaaa", "display_name": "a\\u0000c"}',
        b'{"email": "a@b.co", "password": "\\u0000\\u0000aaaaaaa", "display_name": "ab", "token": "\\u0000"}',
        b'{"refresh_token": "\\u0000"}',
        b'{"email": "a\\u0000@b.co", "password": "x"}',
        b'{"username": "a\\u0000", "password": "x"}',
        b'{"email": "a@b.co", "username": "asha", "password": "x"}',
        b'{"password": "x"}',
        b'{"email":' * 5000,
        b"\xff\xfe",
        json.dumps(
            {"email": "a@b.co", "password": "x" * 5000, "display_name": "abc", "refresh_token": "x" * 5000}
        ).encode(),
    ],
)
async def test_no_input_is_a_fault(client: Client, path: str, body: bytes):
    answer = await client.post(f"/api/v1/auth/{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 401, 410}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_more_fields_than_there_are_change_nothing(world: World, client: Client):
    more = {
        "id": str(uuid.uuid4()),
        "account_id": str(uuid.uuid4()),
        "email_verified_at": "2026-01-01T00:00:00Z",
        "email_verified": True,
        "status": "deleted",
        "locale": "xx",
        "role": "admin",
        "roles": ["admin"],
        "created_at": "2000-01-01T00:00:00Z",
        "password_hash": "x",
    }
    body = await registered(client, **more)
    assert body["user"]["account_id"] not in (more["id"], more["account_id"])
    assert (body["user"]["email_verified"], body["user"]["locale"], body["user"]["roles"]) == (False, "en", ["player"])
    [(status, created_at)] = await world.rows(
        "select status, created_at from account where id = $1", uuid.UUID(body["user"]["account_id"])
    )
    assert (status, created_at) == ("active", world.clock.now())


async def test_signing_in_with_either_name(client: Client):
    user = (await registered(client))["user"]
    for name in ({"email": user["email"]}, {"username": user["username"]}):
        answer = await client.post("/api/v1/auth/login", json={**name, "password": PASSWORD})
        assert answer.status_code == 200
        assert set(answer.json()) == TOKENS
        assert answer.json()["user"] == user
    both = {"email": user["email"], "username": user["username"], "password": PASSWORD}
    problem(await client.post("/api/v1/auth/login", json=both), 400, "AUTH_VALIDATION_ERROR")
    problem(await client.post("/api/v1/auth/login", json={"password": PASSWORD}), 400, "AUTH_VALIDATION_ERROR")


async def test_a_refusal_is_the_same_whoever_is_meant(client: Client):
    user = (await registered(client))["user"]
    same_id = {"x-request-id": "same"}
    answers = []
    for name in (
        {"email": user["email"]},
        {"username": user["username"]},
        {"email": some_email()},
        {"username": "nobody_at_all"},
        {"email": "no address"},
    ):
        answer = await client.post("/api/v1/auth/login", json={**name, "password": "wrong"}, headers=same_id)
        problem(answer, 401, "AUTH_INVALID_CREDENTIALS")
        answers.append((answer.content, sorted(answer.headers.items())))
    for _ in range(12):  # and when the account is guarded
        await client.post("/api/v1/auth/login", json={"email": user["email"], "password": "wrong"})
    answer = await client.post(
        "/api/v1/auth/login", json={"email": user["email"], "password": PASSWORD}, headers=same_id
    )
    answers.append((answer.content, [(name, value) for name, value in sorted(answer.headers.items())]))
    bodies = {content for content, _ in answers}
    names = {tuple(name for name, _ in headers) for _, headers in answers}
    assert (len(bodies), len(names)) == (1, 1)


async def test_too_many_attempts_from_an_address(world: World):
    async with Client(world, login=5) as client:
        for _ in range(5):
            await client.post("/api/v1/auth/login", json={"email": "a@b.co", "password": "x"})
        answer = await client.post("/api/v1/auth/login", json={"email": "a@b.co", "password": "x"})
        found = problem(answer, 429, "AUTH_RATE_LIMITED")
        assert {"limit", "remaining", "reset_at"} <= set(found)
        assert int(answer.headers["retry-after"]) > 0
        assert {category for category, _ in client.limits.hits} == {"login", "auth"}


async def test_refreshing_is_not_counted_as_taking_a_credential(world: World):
    async with Client(world, auth=0, login=0) as client:
        me = await world.register()
        answer = await client.post("/api/v1/auth/refresh", json={"refresh_token": me.refresh_token})
        assert answer.status_code == 200
        assert set(answer.json()) == {"access_token", "expires_in", "refresh_token"}
        assert answer.headers["cache-control"] == "no-store"


async def test_a_busy_server_sheds_sign_ins(make_world: MakeWorld):
    world = await make_world(hashing=HashOptions(cost=10, threads=1, queue_limit=0))
    async with Client(world) as client:
        login = {"email": "a@b.co", "password": "x"}
        answers = await asyncio.gather(*(client.post("/api/v1/auth/login", json=login) for _ in range(8)))
    shed = [answer for answer in answers if answer.status_code == 503]
    assert shed
    assert len(shed) < 8
    assert all(problem(answer, 503, "AUTH_BUSY") and int(answer.headers["retry-after"]) >= 1 for answer in shed)


async def test_a_refused_refresh_says_no_more_than_that(world: World, client: Client):
    tokens = await registered(client)
    body = {"refresh_token": tokens["refresh_token"]}
    first = await client.post("/api/v1/auth/refresh", json=body)
    again = await client.post("/api/v1/auth/refresh", json=body)
    assert again.json()["refresh_token"] == first.json()["refresh_token"]
    world.clock.advance(timedelta(seconds=11))
    problem(await client.post("/api/v1/auth/refresh", json=body), 401, "AUTH_TOKEN_INVALID")
    # the refusal was committed: the session has ended
    child = {"refresh_token": first.json()["refresh_token"]}
    problem(await client.post("/api/v1/auth/refresh", json=child), 401, "AUTH_TOKEN_INVALID")
    headers = bearer(first.json()["access_token"])
    problem(await client.get("/api/v1/auth/account", headers=headers), 401, "AUTH_TOKEN_INVALID")


async def test_signing_out(client: Client):
    tokens = await registered(client)
    headers = bearer(tokens["access_token"])
    assert (await client.post("/api/v1/auth/logout", headers=headers)).status_code == 204
    problem(await client.get("/api/v1/auth/validate", headers=headers), 401, "AUTH_TOKEN_INVALID")
    answer = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    problem(answer, 401, "AUTH_TOKEN_INVALID")
    problem(await client.post("/api/v1/auth/logout"), 401, "AUTH_REQUIRED")


async def test_signing_out_everywhere(client: Client):
    first = await registered(client)
    login = {"email": first["user"]["email"], "password": PASSWORD}
    second = (await client.post("/api/v1/auth/login", json=login)).json()
    headers = bearer(second["access_token"])
    assert (await client.post("/api/v1/auth/logout-all", headers=headers)).status_code == 204
    for tokens in (first, second):
        answer = await client.get("/api/v1/auth/account", headers=bearer(tokens["access_token"]))
        problem(answer, 401, "AUTH_TOKEN_INVALID")


async def test_validating_gives_the_claims(world: World, client: Client):
    tokens = await registered(client)
    answer = await client.get("/api/v1/auth/validate", headers=bearer(tokens["access_token"]))
    assert answer.json() == jwt.decode(tokens["access_token"], options={"verify_signature": False})
    world.clock.advance(timedelta(minutes=15, seconds=5))
    answer = await client.get("/api/v1/auth/validate", headers=bearer(tokens["access_token"]))
    problem(answer, 401, "AUTH_TOKEN_EXPIRED")
    assert "invalid_token" in answer.headers["www-authenticate"]
    problem(await client.get("/api/v1/auth/validate"), 401, "AUTH_REQUIRED")
    problem(await client.get("/api/v1/auth/validate", headers=bearer("x")), 401, "AUTH_TOKEN_INVALID")


async def test_the_published_keys_verify_a_token_in_another_library(client: Client):
    tokens = await registered(client)
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=60"
    keys = jwt.PyJWKSet.from_dict(answer.json())
    kid = jwt.get_unverified_header(tokens["access_token"])["kid"]
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(
        tokens["access_token"], keys[kid].key, algorithms=["RS256"], audience="agon", issuer=ISSUER, options=options
    )
    assert claims["user_id"] == tokens["user"]["account_id"]


async def test_asking_for_the_keys_first_makes_the_first(fresh_dsn: str, make_world: MakeWorld):
    async with Client(await make_world(dsn=fresh_dsn)) as client:
        assert len((await client.get("/.well-known/jwks.json")).json()["keys"]) == 1


async def test_with_verification_required_the_answer_is_the_same_bytes(strict: Client):
    email = some_email()
    answers = [
        await strict.post("/api/v1/auth/register", json={**NAMES, "email": each})
        for each in (email, email, some_email())
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.content for answer in answers} == {b'{"status":"verification_required"}'}
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
    refused = await strict.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    problem(refused, 403, "AUTH_EMAIL_UNVERIFIED")


async def test_closed_registration(make_world: MakeWorld):
    async with Client(await make_world(policy=Policy(issuer=ISSUER, registration_open=False))) as client:
        answer = await client.post("/api/v1/auth/register", json={**NAMES, "email": some_email()})
        problem(answer, 403, "AUTH_REGISTRATION_CLOSED")
