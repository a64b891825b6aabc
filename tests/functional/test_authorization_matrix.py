"""Every operation, asked for by every kind of caller, of the running program."""

import httpx
import pytest
import pytest_asyncio

from agon.contracts.accounts import Role
from agon.domains.accounts import public as accounts
from agon.kernel.errors import ERRORS
from tests.functional.calls import CALLS, send
from tests.functional.conftest import METRICS_TOKEN
from tests.functional.matrix import LATER, MATRIX, Caller, Outcome
from tests.functional.operations import OPERATIONS
from tests.functional.people import People, Person, bearer
from tests.functional.shapes import A_DOCUMENT, FOR_SOME, NOT_JSON, NOTHING, PROBLEM, SHAPES, Keys, keys_of
from tests.functional.stored import Stored
from tests.functional.tokens import expired, forged

STAFF = {
    Caller.ORGANIZER: (Role.ORGANIZER, "global"),
    Caller.MODERATOR: (Role.MODERATOR, "global"),
    Caller.ADMIN: (Role.ADMIN, "global"),
    Caller.ADMIN_ELSEWHERE: (Role.ADMIN, "tournament:01900000-0000-7000-8000-000000000001"),
}


class Cast:
    """The callers; each call has a session of its own, since some end it."""

    def __init__(self, people: People, stored: Stored, http: httpx.AsyncClient, players: dict[Caller, Person]) -> None:
        self.people = people
        self.owner = players[Caller.OWNER]
        self._stored = stored
        self._http = http
        self._players = players
        self._answers: dict[str, dict[Caller, httpx.Response]] = {}

    async def answers(self, operation: str) -> dict[Caller, httpx.Response]:
        """What an operation answers to each caller; it is asked once."""
        if operation not in self._answers:
            self._answers[operation] = {caller: await self._ask(operation, caller) for caller in Caller}
        return self._answers[operation]

    async def _ask(self, operation: str, caller: Caller) -> httpx.Response:
        call = await CALLS[operation](self.people, self.owner)
        return await send(self._http, operation, call, await self.credentials(caller))

    async def credentials(self, caller: Caller) -> dict[str, str]:
        if caller is Caller.ANONYMOUS:
            return {}
        if caller in self._players:
            return (await self.people.sign_in(self._players[caller])).headers
        if caller in STAFF:
            return (await self.people.staff(*STAFF[caller])).headers
        return bearer(await self._worthless(caller))

    async def _worthless(self, caller: Caller) -> str:
        """A token of an administrator's that is good no more, or never was."""
        admin = await self.people.admin()
        if caller is Caller.EXPIRED:
            return await expired(admin, self._stored)
        if caller is Caller.FORGED:
            return forged(admin)
        assert (await self._http.post("/api/v1/auth/logout", headers=admin.headers)).status_code == 204
        return admin.access_token


@pytest_asyncio.fixture(scope="session")
async def all_callers(people: People, stored: Stored, http: httpx.AsyncClient) -> Cast:
    players = {caller: await people.register() for caller in (Caller.OWNER, Caller.OTHER_PLAYER)}
    return Cast(people, stored, http, players)


def outcome_of(answer: httpx.Response) -> Outcome:
    """The code of a problem, or the status."""
    problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.json()["code"] if problem else answer.status_code


def test_every_operation_has_a_row_and_every_row_an_operation():
    assert set(MATRIX) == set(OPERATIONS)
    assert set(CALLS) == set(OPERATIONS)
    assert set(SHAPES) == set(OPERATIONS)


def test_every_row_has_an_outcome_for_every_caller():
    assert {operation for operation, row in MATRIX.items() if set(row) != set(Caller)} == set()


@pytest.mark.parametrize("caller", LATER)
def test_callers_that_come_later_are_added_when_they_come(caller: str):
    exported = {getattr(accounts, name) for name in accounts.__all__}
    declared = set(ERRORS) | {getattr(each, "code", None) for each in exported}
    assert caller in set(Caller) or not declared & set(LATER[caller]), f"add {caller} to the callers of the matrix"


@pytest.mark.parametrize("operation", MATRIX)
async def test_everybody_is_answered_as_the_matrix_says(all_callers: Cast, operation: str):
    answers = await all_callers.answers(operation)
    assert {caller: outcome_of(answer) for caller, answer in answers.items()} == MATRIX[operation]
    refused = [answer for answer in answers.values() if answer.status_code == 401]
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in refused)


@pytest.mark.parametrize("operation", SHAPES)
async def test_everybody_is_shown_these_keys_and_no_more(all_callers: Cast, operation: str):
    found = {caller: shape_of(operation, answer) for caller, answer in (await all_callers.answers(operation)).items()}
    expected = {caller: FOR_SOME.get((operation, caller), SHAPES[operation]) for caller in Caller}
    refused = {caller for caller, outcome in MATRIX[operation].items() if isinstance(outcome, str)}
    assert found == {caller: PROBLEM if caller in refused else expected[caller] for caller in Caller}


def shape_of(operation: str, answer: httpx.Response) -> Keys:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind not in ("application/json", "application/problem+json"):
        return NOT_JSON if answer.content else NOTHING
    return A_DOCUMENT if operation == "documentation.openapi" else keys_of(answer.json())


async def test_metrics_are_for_the_monitoring(http: httpx.AsyncClient):
    answer = await http.get("/metrics", headers=bearer(METRICS_TOKEN))
    assert answer.status_code == 200
    assert "http_requests_total" in answer.text
    for wrong in (METRICS_TOKEN[:-1], METRICS_TOKEN + "s", METRICS_TOKEN.upper(), "x"):
        assert (await http.get("/metrics", headers=bearer(wrong))).status_code == 404
