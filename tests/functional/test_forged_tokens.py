"""Tokens that are not good: none opens anything, and each is refused like every other."""

import asyncio

import httpx
import pytest_asyncio

from tests.functional.forgeries import Forger
from tests.functional.people import People, bearer
from tests.functional.stored import Stored

PATHS = ("/api/v1/auth/account", "/health/details")
Refusal = tuple[str, str, httpx.Response]


@pytest_asyncio.fixture(scope="session")
async def forger(people: People, stored: Stored) -> Forger:
    kid, key = await stored.signing_key()
    return Forger(await people.admin(), await people.register(), kid, key)


@pytest_asyncio.fixture(scope="session")
async def answers(http: httpx.AsyncClient, forger: Forger) -> list[Refusal]:
    """Each forgery's name, where it was shown, and the answer; together, since made-up keys have to wait."""

    async def shown(name: str, token: str, path: str) -> Refusal:
        return name, path, await http.get(path, headers=[(b"authorization", b"Bearer " + token.encode())])

    return await asyncio.gather(*(shown(name, token, path) for name, token in forger.all() for path in PATHS))


async def test_the_same_means_make_a_good_one(http: httpx.AsyncClient, forger: Forger):
    assert [(await http.get(path, headers=bearer(forger.genuine()))).status_code for path in PATHS] == [200, 200]


async def test_no_forgery_is_taken(forger: Forger, answers: list[Refusal]):
    assert len({token for _, token in forger.all()}) >= 60
    assert [(name, path) for name, path, answer in answers if answer.status_code != 401] == []
    assert all('error="invalid_token"' in answer.headers["www-authenticate"] for _, _, answer in answers)


async def test_a_refusal_does_not_say_what_was_wrong(answers: list[Refusal]):
    """Apart from expiry, which its owner may know, every forgery gets the same words."""
    said = {
        tuple(answer.json()[member] for member in ("code", "title", "detail"))
        for name, _, answer in answers
        if not name.startswith("exp")
    }
    assert said == {("AUTH_TOKEN_INVALID", "The token is not valid.", "The token is not valid.")}


async def test_a_token_counts_in_the_authorization_header_only(http: httpx.AsyncClient, people: People):
    token = (await people.register()).access_token
    path = PATHS[0]
    elsewhere: list[httpx.Response] = [
        await http.get(path),
        await http.get(path, params={"access_token": token, "token": token}),
        await http.get(
            path, headers={"cookie": f"session={token}; access_token={token}; authorization=Bearer {token}"}
        ),
        await http.get(path, headers={"x-authorization": f"Bearer {token}", "proxy-authorization": f"Bearer {token}"}),
        await http.get(path, headers={"authorization": f"Basic {token}"}),
        await http.get(path, headers={"authorization": f"Token {token}"}),
        await http.get(path, headers={"authorization": token}),
        await http.get(path, headers={"authorization": "Bearer"}),
        await http.get(path, headers={"authorization": ""}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in elsewhere] == [(401, "AUTH_REQUIRED")] * 9
    assert (await http.get(path, headers={"authorization": f"bearer {token}"})).status_code == 200
