"""Limits: counted by who really asks, whatever the request says, and guesses that a restart does not forget."""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.functional.conftest import SHARED, STARTED_WITHIN, running
from tests.functional.people import PASSWORD, People, bearer, unique
from tests.functional.raw import exchange, request
from tests.program import Program

PROXY = "127.0.0.2"
LOGIN = "/api/v1/auth/login"
LIMITS = {"LOGIN": "5", "AUTH": "10", "ANONYMOUS": "20", "READS": "25", "PUBLIC": "15"}
WRONG = {"email": "nobody@example.com", "password": "wrong"}
From = Callable[[str], httpx.AsyncClient]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def limited(program: Program) -> AsyncGenerator[Program, None]:
    """A node with small limits that believes one proxy."""
    limits = {f"AGON_LIMITS_{category}": amount for category, amount in LIMITS.items()}
    settings = {**SHARED, **limits, "AGON_HTTP_TRUSTED_PROXIES": f"{PROXY}/32"}
    async with running(Program(program.data_dir, "api", settings=settings)) as node:
        yield node


@pytest_asyncio.fixture
async def client_at(limited: Program) -> AsyncGenerator[From, None]:
    """Makes clients that connect from an address of their own."""
    async with AsyncExitStack() as stack:

        def at(address: str) -> httpx.AsyncClient:
            transport = httpx.AsyncHTTPTransport(local_address=address)
            client = httpx.AsyncClient(base_url=limited.url, transport=transport, timeout=30)
            stack.push_async_callback(client.aclose)
            return client

        yield at


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """A client address that no other test uses."""
    chance = random.Random(request.node.nodeid)
    return f"127.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}.{chance.randrange(3, 255)}"


async def spent(http: httpx.AsyncClient, **more: Any) -> list[httpx.Response]:
    """Use up the attempts to sign in."""
    return [await http.post(LOGIN, json=WRONG, **more) for _ in range(5)]


async def test_after_five_attempts_the_next_is_refused(client_at: From, address: str):
    http = client_at(address)
    answers = [*await spent(http), await http.post(LOGIN, json=WRONG)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    refused = answers[-1]
    assert (refused.json()["code"], refused.json()["limit"], refused.json()["remaining"]) == ("AUTH_RATE_LIMITED", 5, 0)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-limit"] == "5"


async def test_of_many_attempts_at_once_five_are_looked_at(client_at: From, address: str):
    answers = await asyncio.gather(*(client_at(address).post(LOGIN, json=WRONG) for _ in range(40)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 35


def pretended(chance: random.Random) -> list[list[tuple[str, str]]]:
    """Headers by which other software is told the client's address."""
    names = (
        "x-forwarded-for",
        "x-real-ip",
        "x-client-ip",
        "x-originating-ip",
        "x-remote-ip",
        "x-remote-addr",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-forwarded",
        "forwarded-for",
        "via",
    )

    def some() -> str:
        return ".".join(str(chance.randrange(1, 255)) for _ in range(4))

    made = [[(name, some())] for name in names for _ in range(2)]
    made += [[("forwarded", f"for={some()};proto=https")], [("forwarded", f'for="[2001:db8::{chance.randrange(99)}]"')]]
    made += [[("x-forwarded-for", f"{some()}, {some()}")], [("x-forwarded-for", some()), ("x-forwarded-for", some())]]
    made += [[("X-FORWARDED-FOR", PROXY)], [("x-forwarded-for", "127.0.0.1")], [("x_forwarded_for", some())]]
    return [*made, [("x-forwarded-host", some())], [("host", f"{some()}.example")], [("x-http-method-override", "GET")]]


async def test_no_header_makes_it_another_client(client_at: From, address: str):
    http = client_at(address)
    await spent(http)
    for headers in pretended(random.Random(28)):
        answer = await http.post(LOGIN, json=WRONG, headers=headers)
        assert answer.status_code == 429, headers


async def test_nothing_in_the_request_makes_it_another_client(client_at: From, address: str, people: People):
    http = client_at(address)
    await spent(http)
    me = await people.register()
    known = {"email": me.email, "password": PASSWORD}
    for body in (known, {**known, "device": me.device}, {"username": me.username, "password": PASSWORD}):
        for headers in (
            {},
            me.headers,
            bearer("x.y.z"),
            {"cookie": f"session={uuid.uuid4()}"},
            {"user-agent": "other"},
        ):
            answer = await http.post(LOGIN, json=body, headers=headers)
            assert answer.status_code == 429, (body, headers)


VARIANTS = [
    "/api/v1/auth/LOGIN",
    "/API/v1/auth/login",
    "/api/v1/auth/login/",
    "/api/v1/auth//login",
    "//api/v1/auth/login",
    "/api/v1/auth/./login",
    "/api/v1/auth/x/../login",
    "/api/v1/auth/%6cogin",
    "/api/v1/auth/%6Cogin",
    "/%61pi/v1/auth/login",
    "/api/v1/auth%2flogin",
    "/api/v1/auth%2Flogin",
    "/api/v1/auth/login%2f",
    "/api/v1/auth/login%20",
    "/api/v1/auth/login%00",
    "/api/v1/auth/login%0a",
    "/api/v1/auth/login%3f",
    "/api/v1/auth/login%23",
    "/api/v1/auth/login;a=b",
    "/api/v1/auth/login?a=b",
    "/api/v1/auth/login?",
    "/api/v1/auth/login#a",
    "/api/v1/auth\\login",
    "/api/v1/auth/%256cogin",
    "/api/v1/auth/%c1%ac%6fgin",
    "/api/v1/auth/ｌogin",
    "http://127.0.0.1/api/v1/auth/login",
    "http://elsewhere.example/api/v1/auth/login",
]


async def test_no_way_of_writing_the_path_gives_more_attempts(limited: Program, client_at: From, address: str):
    """A path that is written in another way is another page, or the same one with the same count."""
    await spent(client_at(address))
    body = json.dumps(WRONG).encode()
    found: dict[str, int] = {}
    for variant in VARIANTS:
        answer = await exchange(limited.port, request("POST", variant, body), client=address)
        found[variant] = answer.status
    assert set(found.values()) <= {429, 404, 400}, found
    assert sum(status == 429 for status in found.values()) >= 4, found  # some do reach it


async def test_made_up_tokens_count_as_anonymous_ones(client_at: From, address: str):
    http = client_at(address)
    tokens = [f"{uuid.uuid4()}.{turn}.x" for turn in range(24)]
    answers = [await http.get("/api/v1/auth/account", headers=bearer(token)) for token in tokens]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 4
    assert answers[-1].json()["code"] == "RATE_LIMITED"
    assert (await http.get("/api/v1/auth/account")).status_code == 429  # nor does asking without any


async def test_an_account_is_counted_wherever_it_asks_from(client_at: From, address: str, people: People):
    me = await people.register()
    sessions = [me, *[await people.sign_in(me) for _ in range(3)]]
    prefix = address.rpartition(".")[0]
    answers = [
        await client_at(f"{prefix}.{turn + 1}").get("/api/v1/auth/account", headers=sessions[turn % 4].headers)
        for turn in range(30)
    ]
    assert [answer.status_code for answer in answers] == [200] * 25 + [429] * 5


async def behind_the_proxy(client_at: From, *forwarded: str) -> int:
    headers = [("x-forwarded-for", each) for each in forwarded]
    return (await client_at(PROXY).post(LOGIN, json=WRONG, headers=headers)).status_code


async def test_ipv6_counts_by_the_network_of_a_customer(client_at: From):
    same = ["2001:db8:1:2::1", "2001:DB8:1:2::2", "2001:0db8:0001:0002:0003:0004:0005:0006", "[2001:db8:1:2::7]"]
    statuses = [await behind_the_proxy(client_at, address) for address in (*same, "2001:db8:1:2:ffff:ffff:ffff:ffff")]
    assert statuses == [401] * 5
    chance = random.Random(64)
    rotated = [f"2001:db8:1:2:{chance.randrange(65536):x}::{chance.randrange(65536):x}" for _ in range(30)]
    assert {await behind_the_proxy(client_at, address) for address in rotated} == {429}
    assert await behind_the_proxy(client_at, "2001:db8:1:3::1") == 401


async def test_an_ipv4_address_is_itself_however_it_is_written(client_at: From):
    ways = ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:0201", "[::ffff:192.0.2.1]", "0:0:0:0:0:ffff:192.0.2.1"]
    assert [await behind_the_proxy(client_at, way) for way in ways] == [401] * 5
    assert {await behind_the_proxy(client_at, way) for way in ways} == {429}


async def test_what_a_client_says_behind_the_proxy_does_not_count(client_at: From):
    """The proxy appends the address that it saw; whatever stands before it was the client's own invention."""
    chance = random.Random(53)
    statuses: list[int] = []
    for turn in range(20):
        invented = f"198.51.100.{chance.randrange(256)}"
        said = [f"{invented}, 203.0.113.9"] if turn % 2 else [invented, "203.0.113.9"]
        statuses.append(await behind_the_proxy(client_at, *said))
    assert statuses == [401] * 5 + [429] * 15


async def test_guesses_are_remembered_through_a_restart(limited: Program, people: People, http: httpx.AsyncClient):
    """Ten wrong passwords, then the process is killed and started again: the right one does not count yet."""
    victim = await people.register()
    for _ in range(10):
        await http.post(LOGIN, json={"email": victim.email, "password": unique("guess")})
    limited.kill()
    await limited.start(within=STARTED_WITHIN)
    right = {"email": victim.email, "password": PASSWORD}
    async with httpx.AsyncClient(base_url=limited.url, timeout=30) as again:
        refused = await again.post(LOGIN, json=right)
        assert (refused.status_code, refused.json()["code"]) == (401, "AUTH_INVALID_CREDENTIALS")
        assert (await again.post(LOGIN, json={**right, "device": victim.device})).status_code == 200


async def test_guesses_on_two_nodes_are_counted_together(people: People, http: httpx.AsyncClient, second_node: Program):
    victim = await people.register()
    async with httpx.AsyncClient(base_url=second_node.url, timeout=30) as other:
        nodes = (http, other)
        guesses = ({"email": victim.email, "password": unique("guess")} for _ in range(12))
        await asyncio.gather(*(nodes[turn % 2].post(LOGIN, json=guess) for turn, guess in enumerate(guesses)))
        for node in nodes:
            right = {"email": victim.email, "password": PASSWORD}
            assert (await node.post(LOGIN, json=right)).status_code == 401
            assert (await node.post(LOGIN, json={**right, "device": victim.device})).status_code == 200
