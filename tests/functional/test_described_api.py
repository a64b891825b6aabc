"""The program against its own description: requests made up from it, right and wrong ones, seeded."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, CheckFunction, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
)

from agon.contracts.accounts import Role
from agon.platform.http.openapi.endpoints import endpoints
from agon.platform.http.openapi.refusals import EDGE_WIDE
from agon.roles.api import described
from tests.functional.people import PASSWORD, People, Person
from tests.program import Program

EXAMPLES = 84
"""Of each kind for each operation and caller; with the fixed ones that makes more than 5,000 requests."""
LONGEST = 5.0
FUZZED = [each.operation.id for each in endpoints(described())]
ENDS_SESSION = {"auth.logout", "auth.logout_all"}
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Fuzzer:
    """Sends cases as one person and looks at every answer."""

    def __init__(self, program: Program, document: dict[str, Any], person: Person, target: Person) -> None:
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=program.url)
        self._schema = schema
        self._document = document
        self._person = person
        self._target = target
        self._token = person.access_token
        self._http = requests.Session()
        self.sent = 0

    def close(self) -> None:
        self._http.close()

    def operation(self, name: str) -> Any:
        found = (each.ok() for each in self._schema.get_all_operations())
        return next(each for each in found if each.definition.raw["operationId"] == name)

    def cases(self, name: str) -> Iterator[Callable[[], None]]:
        """Runs of the kinds of case that there are for an operation."""
        operation = self.operation(name)
        yield lambda: self._fixed(operation)
        if is_always_the_same(operation):
            return
        for mode in GenerationMode:
            yield lambda mode=mode: self._made_up(operation, mode, EXAMPLES // 2)
            ids = {"account_id": self._target.account_id} if "{account_id}" in operation.path else {}
            yield lambda mode=mode, ids=ids: self._made_up(operation, mode, EXAMPLES // 2, ids)

    def _fixed(self, operation: Any) -> None:
        """One case for each thing that the description says: bounds, missing and additional parts, other methods."""
        config = self._schema.config.generation_for(operation=operation)
        for case in self._schema.iter_coverage_cases(
            operation, generation_modes=list(GenerationMode), generation_config=config
        ):
            self._send(case)

    def _made_up(self, operation: Any, mode: GenerationMode, count: int, path: dict[str, str] | None = None) -> None:
        @settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(mode, path_parameters=path or None))
        def run(case: Case) -> None:
            self._send(case)

        with suppress(Unsatisfiable):  # there is nothing about it that can be wrong
            run()

    def _send(self, case: Case) -> None:
        answer = case.call(
            session=self._http,
            headers={"authorization": f"Bearer {self._token}"},
            timeout=LONGEST,
            allow_redirects=False,
        )
        self.sent += 1
        # Parameters of queries that nobody knows are ignored, as everywhere.
        case.validate_response(answer, checks=[*CHECKS, negative_data_rejection] if case.operation.body else CHECKS)
        self._look_at(case, answer)
        if answer.status_code == 204 and case.operation.definition.raw["operationId"] in ENDS_SESSION:
            self._sign_in()

    def _look_at(self, case: Case, answer: Response) -> None:
        assert answer.elapsed < LONGEST, f"{answer.elapsed} s\n{case.as_curl_command()}"
        if answer.status_code < 400:
            return
        kind = answer.headers["content-type"]
        assert kind == ["application/problem+json"], f"{kind}\n{case.as_curl_command()}"
        problem = answer.json()
        known = declared_codes(self._document, case.operation.definition.raw, answer.status_code)
        assert problem["code"] in known, f"{problem}\n{case.as_curl_command()}"
        assert problem["status"] == answer.status_code

    def _sign_in(self) -> None:
        body = {"email": self._person.email, "password": PASSWORD, "device": self._person.device}
        answer = self._http.post(f"{self._schema.config.base_url}/api/v1/auth/login", json=body, timeout=LONGEST)
        self._token = answer.json()["access_token"]


def is_always_the_same(operation: Any) -> bool:
    """Whether there is only one request for it: it takes nothing and asks for nobody."""
    asks_who = operation.definition.raw.get("security")
    return not operation.body and not list(operation.iter_parameters()) and not asks_who


def declared_codes(document: dict[str, Any], operation: dict[str, Any], status: int) -> set[str]:
    """The codes that the description gives to this status of an operation, and those of any request."""
    everywhere = {each.code for each in EDGE_WIDE if each.status == status}
    response = operation["responses"].get(str(status), {})
    content = response.get("content", {}).get("application/problem+json", {})
    return everywhere | {name.rpartition("/")[2] for name in re.findall(r"'#/components/examples/(\w+)'", str(content))}


@pytest_asyncio.fixture(scope="session", params=["player", "admin"])
async def fuzzer(program: Program, http: httpx.AsyncClient, people: People, request: pytest.FixtureRequest) -> Any:
    document = (await http.get("/api/openapi.json")).json()
    person = await people.register()
    if request.param == "admin":
        await people.grant(person, Role.ADMIN)
    made = Fuzzer(program, document, person, await people.register())
    yield made
    made.close()


@contextmanager
def no_fault_heard(program: Program) -> Iterator[None]:
    before = len(program.output)
    yield
    assert [line for line in program.output[before:].splitlines() if '"level":"error"' in line] == []


@pytest.mark.parametrize("operation", FUZZED)
def test_what_is_described_is_what_happens(program: Program, fuzzer: Fuzzer, operation: str):
    before = fuzzer.sent
    with no_fault_heard(program):
        for run in fuzzer.cases(operation):
            run()
    assert fuzzer.sent - before >= (1 if is_always_the_same(fuzzer.operation(operation)) else EXAMPLES)
