"""Two processes on one database: what one of them ends or changes, the other knows within a second."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx
import pytest
import pytest_asyncio

from agon.contracts.accounts import Role
from tests.functional.people import People, Person, bearer
from tests.functional.stored import Stored
from tests.functional.tokens import claims_of, header_of
from tests.program import Program

OWN = "/api/v1/auth/account"
PRIVILEGED = "/health/details"
WITHIN = 1.0
"""Seconds after the answer that ended it; a request sent later is refused, however busy the machine is."""
EVERY = 0.05


@pytest_asyncio.fixture(scope="session")
async def other_http(second_node: Program) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(base_url=second_node.url, timeout=30) as client:
        yield client


@pytest.fixture
def nodes(http: httpx.AsyncClient, other_http: httpx.AsyncClient) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    return http, other_http


Nodes = tuple[httpx.AsyncClient, httpx.AsyncClient]


async def known_to(nodes: Nodes, *tokens: str, path: str = OWN) -> None:
    """Have these tokens remembered by every node."""
    for node in nodes:
        for token in tokens:
            for _ in range(3):
                assert (await node.get(path, headers=bearer(token))).status_code == 200


async def refused_by_all(nodes: Nodes, token: str, since: float, status: int = 401, path: str = OWN) -> list[float]:
    """Ask every 50 ms until each node refuses, which it then goes on doing; returns after how many seconds it did."""

    async def refused_by(node: httpx.AsyncClient) -> float:
        while True:
            sent = time.monotonic() - since
            answer = await node.get(path, headers=bearer(token))
            if answer.status_code == status:
                break
            assert answer.status_code == 200, answer.text
            assert sent <= WITHIN, f"let in {sent:.2f} s after it had ended"
            await asyncio.sleep(EVERY)
        again = [(await node.get(path, headers=bearer(token))).status_code for _ in range(3)]
        assert again == [status] * 3
        return sent

    return await asyncio.gather(*(refused_by(node) for node in nodes))


async def renewed(node: httpx.AsyncClient, token: str) -> httpx.Response:
    return await node.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def long_ago(stored: Stored, person: Person) -> None:
    """As if every use of this session's refresh tokens were past the time of grace."""
    await stored.connection.execute(
        "update refresh_token set used_at = used_at - interval '11 seconds' where session_id = $1",
        claims_of(person.access_token)["sid"],
    )


async def test_each_takes_the_tokens_of_the_other(nodes: Nodes, people: People):
    me = await people.register()
    await known_to(nodes, me.access_token)
    there = await people.sign_in(me, nodes[1])
    await known_to(nodes, there.access_token)
    assert nodes[0].base_url != nodes[1].base_url


@pytest.mark.parametrize("first", [0, 1])
async def test_a_refresh_token_used_twice_ends_its_session_on_all(
    nodes: Nodes, people: People, stored: Stored, first: int
):
    here, there = nodes[first], nodes[1 - first]
    me = await people.register()
    elsewhere = await people.sign_in(me)
    body = (await renewed(here, me.refresh_token)).json()
    child, latest = body["refresh_token"], body["access_token"]
    await known_to(nodes, me.access_token, latest, elsewhere.access_token)
    await long_ago(stored, me)
    refused = await renewed(there, me.refresh_token)
    ended = time.monotonic()
    assert (refused.status_code, refused.json()["code"]) == (401, "AUTH_TOKEN_INVALID")
    for token in (child, me.refresh_token):  # at once: a refresh asks the database
        for node in nodes:
            assert (await renewed(node, token)).status_code == 401
    await asyncio.gather(*(refused_by_all(nodes, token, ended) for token in (me.access_token, latest)))
    await known_to(nodes, elsewhere.access_token)
    reused = await stored.fetch(
        "select severity from audit_log where action = 'account.refresh_reused' and target_id = $1", me.account_id
    )
    assert len(reused) == 1


async def test_of_fifty_refreshes_at_once_on_two_nodes_all_get_one_child(nodes: Nodes, people: People, stored: Stored):
    me = await people.register()
    answers = await asyncio.gather(*(renewed(nodes[turn % 2], me.refresh_token) for turn in range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    session = claims_of(me.access_token)["sid"]
    assert len(await stored.fetch("select 1 from refresh_token where session_id = $1", session)) == 2
    await known_to(nodes, *(answer.json()["access_token"] for answer in answers[:4]))


async def test_a_lost_answer_is_given_again_by_either(nodes: Nodes, people: People):
    me = await people.register()
    first = (await renewed(nodes[0], me.refresh_token)).json()
    again = (await renewed(nodes[1], me.refresh_token)).json()
    assert again["refresh_token"] == first["refresh_token"]
    onward = await renewed(nodes[1], again["refresh_token"])
    assert onward.status_code == 200
    await known_to(nodes, first["access_token"], onward.json()["access_token"])


@pytest.mark.parametrize("path", ["/api/v1/auth/logout", "/api/v1/auth/logout-all"])
@pytest.mark.parametrize("where", [0, 1])
async def test_signing_out_holds_on_all_within_a_second(nodes: Nodes, people: People, path: str, where: int):
    me = await people.register()
    phone = await people.sign_in(me)
    await known_to(nodes, me.access_token, phone.access_token)
    assert (await nodes[where].post(path, headers=me.headers)).status_code == 204
    ended = time.monotonic()
    assert (await nodes[where].get(OWN, headers=me.headers)).status_code == 401  # where it was said, at once
    assert (await renewed(nodes[1 - where], me.refresh_token)).status_code == 401
    await refused_by_all(nodes, me.access_token, ended)
    if path.endswith("all"):
        await refused_by_all(nodes, phone.access_token, ended)
    else:
        await known_to(nodes, phone.access_token)


async def deputy(people: People) -> Person:
    """A second administrator, who can be dismissed."""
    person = await people.register()
    await people.grant(person, Role.ADMIN)
    return person


async def _dismissed(people: People, person: Person, node: httpx.AsyncClient) -> None:
    await people.revoke(person, Role.ADMIN)


async def _signed_out(people: People, person: Person, node: httpx.AsyncClient) -> None:
    assert (await node.post("/api/v1/auth/logout", headers=person.headers)).status_code == 204


@pytest.mark.parametrize(("end", "status"), [(_dismissed, 403), (_signed_out, 401)])
async def test_privileged_operations_know_at_once(
    nodes: Nodes,
    people: People,
    end: Callable[[People, Person, httpx.AsyncClient], Awaitable[None]],
    status: int,
):
    """The very next request to the other node is refused, although that node remembers who it was."""
    for _ in range(5):
        person = await deputy(people)
        await known_to((nodes[1], nodes[1]), person.access_token, path=PRIVILEGED)
        await end(people, person, nodes[0])
        assert (await nodes[1].get(PRIVILEGED, headers=person.headers)).status_code == status


async def test_a_role_counts_from_the_next_request_on(nodes: Nodes, people: People):
    person = await people.register()
    await known_to(nodes, person.access_token)
    assert (await nodes[1].get(PRIVILEGED, headers=person.headers)).status_code == 403
    await people.grant(person, Role.ADMIN)
    granted = time.monotonic()
    while (await nodes[1].get(PRIVILEGED, headers=person.headers)).status_code != 200:
        assert time.monotonic() - granted <= WITHIN + EVERY
        await asyncio.sleep(EVERY)


async def test_a_new_signing_key_signs_nobody_out(program: Program, nodes: Nodes, people: People):
    before = await people.register()
    await known_to(nodes, before.access_token)
    old = header_of(before.access_token)["kid"]
    done = await program.command("keys", "rotate", within=120)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 5
    for node in nodes:
        while header_of((after := await people.sign_in(before, node)).access_token)["kid"] == old:
            assert time.monotonic() < deadline, "the node still signs with the old key"
            await asyncio.sleep(EVERY)
        await known_to(nodes, before.access_token, after.access_token)
        published = [key["kid"] for key in (await node.get("/.well-known/jwks.json")).json()["keys"]]
        assert published[:2] == [header_of(after.access_token)["kid"], old]
    assert (await renewed(nodes[1], before.refresh_token)).status_code == 200
