"""Secrets planted in everything that a request has: none comes out in logs, traces, error reports, metrics, answers."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest_asyncio

from tests.functional.calls import CALLS, Call, send
from tests.functional.canaries import Canaries, Collector
from tests.functional.conftest import METRICS_TOKEN, SHARED, running
from tests.functional.operations import OPERATIONS
from tests.functional.people import People, bearer
from tests.functional.stored import Stored
from tests.program import Program

CONTROL = "control-of-the-search"
"""A request id is meant to be found everywhere; it shows that the search looks where something is."""
HEADERS = (
    "accept", "accept-language", "baggage", "cookie", "if-none-match", "origin", "referer", "user-agent", "x-api-key",
    "x-auth-token", "x-csrf-token", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "x-secret", "x-anything",
)  # fmt: skip
QUERY = (
    "token",
    "access_token",
    "refresh_token",
    "password",
    "email",
    "code",
    "cursor",
    "limit",
    "scope",
    "q",
    "anything",
)


class Watched(msgspec.Struct, frozen=True):
    """A node with everything turned on that tells of what happens."""

    node: Program
    http: httpx.AsyncClient
    canaries: Canaries
    traces: Collector
    errors: Collector
    answers: list[httpx.Response]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(program: Program, people: People, stored: Stored) -> AsyncGenerator[Watched, None]:
    """The node after everything was sent to it and it has stopped, so that all it had to tell was told."""
    with Collector() as traces, Collector() as errors:
        settings = {
            **SHARED,
            "AGON_LOG_LEVEL": "debug",
            "AGON_TRACING_OTLP_ENDPOINT": f"http://127.0.0.1:{traces.port}",
            "AGON_SENTRY_DSN": f"http://public@127.0.0.1:{errors.port}/1",
        }
        async with running(Program(program.data_dir, "api", settings=settings)) as node:
            answers: list[httpx.Response] = []

            async def keep(answer: httpx.Response) -> None:
                await answer.aread()
                answers.append(answer)

            async with httpx.AsyncClient(base_url=node.url, timeout=30, event_hooks={"response": [keep]}) as http:
                found = Watched(node, http, Canaries(53), traces, errors, answers)
                await _everything(found, people, stored)
                metrics = await http.get("/metrics", headers=bearer(METRICS_TOKEN))
                assert metrics.status_code == 200
            await node.stop()
        yield found


async def _everything(watched: Watched, people: People, stored: Stored) -> None:
    await _as_people_do(watched)
    player, admin = await people.register(), await people.admin()
    for operation in OPERATIONS:
        for caller in (player, admin):
            call = await CALLS[operation](people, player)
            credentials = (await people.sign_in(caller)).headers
            for poisoned in _poisoned(watched.canaries, operation, call):
                await send(watched.http, operation, poisoned, credentials)
            forged = {"authorization": f"Bearer {watched.canaries.plant(f'{operation} bearer')}"}
            await send(watched.http, operation, call, forged)
    await _faults(watched, stored)


async def _as_people_do(watched: Watched) -> None:
    """Register, sign in, refresh, sign out, with mistakes; what the program gives out is secret, too."""
    http, canaries = watched.http, watched.canaries
    email, password, device = canaries.email("email"), canaries.phrase("password"), canaries.phrase("device") * 2
    who = {"email": email, "password": password, "device": device}
    register = "/api/v1/auth/register"
    given = (await http.post(register, json={**who, "display_name": canaries.plant("display name")})).json()
    _remember(canaries, given)
    assert (await http.post(register, json={**who, "display_name": "Again"})).status_code == 409
    given = (await http.post("/api/v1/auth/login", json=who)).json()
    _remember(canaries, given)
    wrong = {**who, "password": canaries.phrase("wrong password")}
    assert (await http.post("/api/v1/auth/login", json=wrong)).status_code == 401
    refreshed = await http.post("/api/v1/auth/refresh", json={"refresh_token": given["refresh_token"]})
    _remember(canaries, refreshed.json())
    assert (await http.post("/api/v1/auth/logout", headers=bearer(given["access_token"]))).status_code == 204
    assert (await http.post("/api/v1/auth/refresh", json={"refresh_token": given["refresh_token"]})).status_code == 401


def _remember(canaries: Canaries, given: dict[str, Any]) -> None:
    canaries.remember(given["access_token"], "access token")
    canaries.remember(given["refresh_token"], "refresh token")


def _poisoned(canaries: Canaries, operation: str, call: Call) -> Iterator[Call]:
    replace = msgspec.structs.replace
    for field in call.json or {}:
        yield replace(call, json={**(call.json or {}), field: canaries.phrase(f"{operation} field {field}")})
    if call.json is not None:
        secret = canaries.phrase(f"{operation} more fields")
        nested = dict.fromkeys(("more", "secret", "pin", "card"), secret) | {"deep": [{"er": secret}], secret: 1}
        yield replace(call, json={**call.json, **nested})
        yield replace(call, json={canaries.plant(f"{operation} name of a field"): 1})
    for field in call.form or {}:
        yield replace(call, form={**(call.form or {}), field: canaries.phrase(f"{operation} field {field}")})
    for name in call.path:
        yield replace(call, path={**call.path, name: canaries.plant(f"{operation} path {name}")})
    yield replace(call, query={name: canaries.plant(f"{operation} query {name}") for name in QUERY})
    yield replace(call, headers={name: canaries.plant(f"{operation} header {name}") for name in HEADERS})
    for name in ("idempotency-key", "traceparent", "tracestate", "content-type", "accept-encoding", "host"):
        yield replace(call, headers={**call.headers, name: canaries.plant(f"{operation} header {name}")})


@asynccontextmanager
async def _sabotaged(stored: Stored, table: str, column: str) -> AsyncGenerator[None, None]:
    """A database that refuses some rows for a reason nobody knows of, and quotes them in full."""
    check = f"check ({column}::text !~ 'sabotage') not valid"
    await stored.connection.execute(f"alter table {table} add constraint planted {check}")
    try:
        yield
    finally:
        await stored.connection.execute(f"alter table {table} drop constraint planted")


async def _faults(watched: Watched, stored: Stored) -> None:
    http, canaries = watched.http, watched.canaries
    who = {"email": canaries.email("fault email"), "password": canaries.phrase("fault password")}
    named = {**who, "display_name": canaries.plant("fault display name"), "device": canaries.phrase("fault device") * 2}
    mark = {"x-request-id": CONTROL}
    async with _sabotaged(stored, "account", "username"):
        sabotage = {**named, "username": f"sabotage_{canaries.plant('fault username')}"}
        answer = await http.post("/api/v1/auth/register", json=sabotage, headers=mark)
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert (await http.post("/api/v1/auth/register", json=named)).status_code == 201
    async with _sabotaged(stored, "login_session", "user_agent"):
        agent = {"user-agent": f"sabotage {canaries.plant('fault agent')}", **mark}
        assert (await http.post("/api/v1/auth/login", json=who, headers=agent)).status_code == 500


def test_enough_was_planted(watched: Watched):
    """And the search finds what it should."""
    assert len(watched.canaries.planted) > 500
    assert len({answer.status_code for answer in watched.answers} & {200, 201, 204, 400, 401, 403, 404, 409, 500}) >= 8
    for place in (watched.node.output, watched.errors.text.decode(), watched.answers[-2].text):
        assert CONTROL in place
    assert b"/api/v1/auth/register" in watched.traces.text


def test_not_in_the_log(watched: Watched):
    assert watched.canaries.found_in(watched.node.output) == []


def test_not_in_traces(watched: Watched):
    assert watched.canaries.found_in(watched.traces.text) == []


def test_not_in_error_reports(watched: Watched):
    assert watched.canaries.found_in(watched.errors.text) == []


def test_not_in_metrics(watched: Watched):
    (metrics,) = [
        answer for answer in watched.answers if answer.request.url.path == "/metrics" and answer.status_code == 200
    ]
    assert "http_requests_total" in metrics.text
    assert watched.canaries.found_in(metrics.text) == []


def test_not_in_problems(watched: Watched):
    problems = [
        answer for answer in watched.answers if answer.headers.get("content-type") == "application/problem+json"
    ]
    assert len(problems) > 100
    assert watched.canaries.found_in("\n".join(each.text for each in problems)) == []


def test_not_in_headers_of_answers(watched: Watched):
    assert watched.canaries.found_in("\n".join(str(answer.headers) for answer in watched.answers)) == []


def test_not_in_the_log_of_the_database(watched: Watched, program: Program):
    """Of rows it quotes what is personal, such as addresses; nothing that opens anything."""
    logs = [*(program.data_dir / "agon" / "postgres" / "log").glob("*.log")]
    text = "\n".join(log.read_text(errors="replace") for log in logs)
    assert "planted" in text
    assert set(watched.canaries.found_in(text)) <= {"email", "fault email", "fault username", "fault agent"}


def test_not_in_the_log_of_the_worker(watched: Watched, program: Program):
    assert watched.canaries.found_in(program.output) == []
