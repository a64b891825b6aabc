"""Two players with things of their own: neither reads nor changes what is the other's, nor learns that it exists."""

import re
import uuid
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from agon.contracts.accounts import Role
from tests.functional.calls import CALLS, Call, send
from tests.functional.operations import OPERATIONS
from tests.functional.people import People, Person, bearer
from tests.functional.stored import ACCOUNT_TABLES, Rows, Stored, text_of
from tests.functional.tokens import claims_of

REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')
NO_OBJECT = {
    "role": "a word of the API",
    "area": "a part of the documentation",
    "name": "a file of the documentation",
}
"""Parameters of paths that name no object of anybody's."""


class Belongings(msgspec.Struct, frozen=True):
    """A person and the identifiers of everything that is theirs, by the names under which the API takes such."""

    person: Person
    ids: dict[str, str]

    @classmethod
    def of(cls, person: Person) -> "Belongings":
        session = str(claims_of(person.access_token)["sid"])
        names = ("account_id", "user_id", "id", "sub", "owner", "owner_id", "granted_by", "actor", "account")
        return cls(person, {**dict.fromkeys(names, person.account_id), "session_id": session, "sid": session})

    @property
    def marks(self) -> tuple[str, ...]:
        """What would give them away in an answer to somebody else."""
        return (self.person.account_id, self.ids["sid"], self.person.email, self.person.username)


class Pair(msgspec.Struct, frozen=True):
    attacker: Belongings
    victim: Belongings


@pytest_asyncio.fixture(scope="session", params=["player", "organizer", "moderator"])
async def pair(people: People, request: pytest.FixtureRequest) -> Pair:
    attacker, victim = await people.register(), await people.register()
    if request.param != "player":
        await people.grant(attacker, Role(request.param))
    await people.grant(victim, Role.ORGANIZER, f"tournament:{uuid.uuid4()}")
    await people.sign_in(victim)
    return Pair(Belongings.of(attacker), Belongings.of(victim))


def path_parameters(operation: str) -> list[str]:
    return [found.partition(":")[0] for found in re.findall(r"{([^}]+)}", OPERATIONS[operation].path)]


def anonymised(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, REQUEST_ID.sub(b'"request_id":""', answer.content)


def belonging_to(rows: Rows, person: Person) -> Rows:
    """The rows that speak of a person, for comparing before and after."""
    sessions = {row["id"] for row in rows["login_session"] if str(row["account_id"]) == person.account_id}

    def theirs(row: dict[str, Any]) -> bool:
        return person.account_id in map(str, row.values()) or row.get("session_id") in sessions

    return {table: [row for row in found if theirs(row)] for table, found in rows.items()}


async def test_every_parameter_of_a_path_is_known_here(pair: Pair):
    """A new kind of object has to be added to `Belongings`, so that these tests try it."""
    known = set(pair.victim.ids) | set(NO_OBJECT)
    assert {name for operation in OPERATIONS for name in path_parameters(operation)} <= known


WITH_OBJECTS = [each for each in OPERATIONS if set(path_parameters(each)) - set(NO_OBJECT)]


@pytest.mark.parametrize("operation", WITH_OBJECTS)
async def test_what_is_anothers_looks_like_what_is_not_there(
    pair: Pair, http: httpx.AsyncClient, people: People, stored: Stored, operation: str
):
    """Its path with the victim's identifiers, and with ones that nobody has: the same bytes, and nothing happens."""
    call = await CALLS[operation](people, pair.victim.person)
    missing = {name: str(uuid.uuid4()) for name in call.path.keys() & pair.victim.ids.keys()}
    before = belonging_to(await stored.rows(*ACCOUNT_TABLES), pair.victim.person)
    headers = (await people.sign_in(pair.attacker.person)).headers
    theirs = await send(http, operation, call, headers)
    nobodys = await send(http, operation, msgspec.structs.replace(call, path={**call.path, **missing}), headers)
    assert theirs.status_code in {403, 404}, theirs.text
    assert anonymised(theirs) == anonymised(nobodys)
    assert belonging_to(await stored.rows(*ACCOUNT_TABLES), pair.victim.person) == before


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each != "auth.login"])
async def test_identifiers_of_anothers_things_are_worth_nothing_anywhere(
    pair: Pair, http: httpx.AsyncClient, people: People, stored: Stored, operation: str
):
    """The attacker's own request with the victim's identifiers in its query, body and headers."""
    attacker = await people.sign_in(pair.attacker.person)
    call = await CALLS[operation](people, attacker)
    before = belonging_to(await stored.rows(*ACCOUNT_TABLES), pair.victim.person)
    ids = pair.victim.ids
    body = None if call.json is None else {**ids, **call.json}
    form = None if call.form is None else {**ids, **call.form}
    headers = {f"x-{name.replace('_', '-')}": value for name, value in ids.items()}
    poisoned = Call(
        path=call.path, query={**ids, **call.query}, json=body, form=form, headers={**headers, **call.headers}
    )
    answer = await send(http, operation, poisoned, attacker.headers)
    assert answer.status_code < 500, answer.text
    assert [mark for mark in pair.victim.marks if mark in answer.text] == []
    assert belonging_to(await stored.rows(*ACCOUNT_TABLES), pair.victim.person) == before


async def test_of_two_credentials_one_counts(pair: Pair, http: httpx.AsyncClient, people: People):
    """With two Authorization headers, who is let in and whose things are shown are the same person."""
    attacker, victim = await people.sign_in(pair.attacker.person), pair.victim.person
    for first, second in ((attacker, victim), (victim, attacker)):
        both = [("authorization", f"Bearer {each.access_token}") for each in (first, second)]
        for path in ("/api/v1/auth/validate", "/api/v1/auth/account"):
            answer = await http.get(path, headers=both)
            shown = [each for each in (first, second) if each.account_id in answer.text]
            assert shown == [first], answer.text
    worthless = [*bearer("x.y.z").items(), *victim.headers.items()]
    assert (await http.get("/api/v1/auth/validate", headers=worthless)).status_code == 401


async def test_a_refresh_token_renews_its_own_session_whoever_sends_it(
    pair: Pair, http: httpx.AsyncClient, people: People
):
    """The body's token decides, never the headers."""
    mine = await people.sign_in(pair.attacker.person)
    answer = await http.post(
        "/api/v1/auth/refresh", json={"refresh_token": mine.refresh_token}, headers=pair.victim.person.headers
    )
    assert claims_of(answer.json()["access_token"])["sub"] == mine.account_id


async def test_signing_out_ends_nothing_of_anothers(pair: Pair, http: httpx.AsyncClient, people: People):
    attacker = await people.sign_in(pair.attacker.person)
    sid = pair.victim.ids["sid"]
    for path in ("/api/v1/auth/logout", "/api/v1/auth/logout-all"):
        session = await people.sign_in(attacker)
        answer = await http.post(f"{path}?session_id={sid}", json={"session_id": sid}, headers=session.headers)
        assert answer.status_code == 204
    assert (await http.get("/api/v1/auth/account", headers=pair.victim.person.headers)).status_code == 200


async def test_no_row_holds_what_was_tried(pair: Pair, http: httpx.AsyncClient, people: People, stored: Stored):
    """A grant that a player asks for, for themselves and for others, with and without a key, leaves nothing."""
    scope, attacker = f"tournament:{uuid.uuid4()}", await people.sign_in(pair.attacker.person)
    for target in (pair.attacker, pair.victim):
        for key in ({}, {"idempotency-key": uuid.uuid4().hex}):
            answer = await http.post(
                f"/api/v1/accounts/{target.person.account_id}/roles",
                json={"role": "admin", "scope": scope},
                headers={**attacker.headers, **key},
            )
            assert answer.status_code == 403
    assert scope not in text_of(await stored.rows("role_grant", "idempotency_record"))
