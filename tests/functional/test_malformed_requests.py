"""No input, however strange, is a fault of the program's, hangs, or is answered in another form than the others."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import httpx
import pytest
import pytest_asyncio

from agon.kernel.errors import ERRORS
from agon.platform.http.openapi.refusals import EDGE_WIDE
from tests.functional import malformed, malformed_bodies
from tests.functional.calls import CALLS, url_of
from tests.functional.malformed_bodies import Case
from tests.functional.operations import OPERATIONS
from tests.functional.people import People
from tests.functional.raw import Answer, exchange, request
from tests.program import Program

CODES = (
    set(ERRORS) | {each.code for each in EDGE_WIDE} | {f"{each.area}_VALIDATION_ERROR" for each in OPERATIONS.values()}
)
AT_ONCE = 8
UNREAD = (400, b"Invalid HTTP request received.")
"""What the HTTP server says, before Agon, of bytes that are no HTTP/1.1."""
PAGES = b"/setup"
"""Pages refuse in words for people."""


@pytest_asyncio.fixture
async def quiet(program: Program) -> AsyncGenerator[Program, None]:
    """The program, of which no fault is heard during the test."""
    before = len(program.output)
    yield program
    faults = [line for line in program.output[before:].splitlines() if '"level":"error"' in line or "Traceback" in line]
    assert faults == []


async def asked(program: Program, cases: Iterable[Case]) -> list[tuple[str, bytes, Answer | None]]:
    """Send all, a few at a time; None stands for no answer in time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(what: str, sent: bytes) -> tuple[str, bytes, Answer | None]:
        async with places:
            try:
                return what, sent, await exchange(program.port, sent)
            except TimeoutError:
                return what, sent, None

    return await asyncio.gather(*(ask(what, sent) for what, sent in cases))


def wrong(answers: Iterable[tuple[str, bytes, Answer | None]]) -> list[tuple[str, bytes, object]]:
    """Answers that should not be: none in time, faults, and refusals that are no problems with a known code."""
    return [
        (what, sent[:300], said) for what, sent, answer in answers if (said := _complaint(sent, answer)) is not None
    ]


def _complaint(sent: bytes, answer: Answer | None) -> object:
    if answer is None:
        return "no answer"
    if answer.status >= 500:
        return answer.status, answer.body[:200]
    if answer.status < 400 or (answer.status, answer.body) == UNREAD:
        return None
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html") and sent.split(b" ", 2)[1].startswith(PAGES):
        return None
    if kind != "application/problem+json":
        return answer.status, kind, answer.body[:200]
    if sent.startswith(b"HEAD "):
        return None
    code = answer.problem["code"]
    return None if code in CODES and answer.problem["status"] == answer.status else (answer.status, code)


async def test_bodies(quiet: Program, people: People):
    admin = await people.admin()
    fields: dict[str, list[str]] = {}
    for operation in malformed_bodies.BODIES:
        call = await CALLS[operation](people, admin)
        fields[url_of(operation, call.path)] = list(call.json or {})
    assert set(malformed_bodies.BODIES) == {each for each, operation in OPERATIONS.items() if operation.takes_body} - {
        "setup.submit"
    }
    token = b"authorization: Bearer " + admin.access_token.encode() + b"\r\n"
    cases = [(what, sent.replace(b"host: ", token + b"host: ", 1)) for what, sent in malformed_bodies.bodies(fields)]
    assert len(cases) >= 500
    assert wrong(await asked(quiet, cases)) == []


async def test_forms(quiet: Program):
    assert wrong(await asked(quiet, malformed_bodies.forms())) == []


async def test_addresses(quiet: Program, people: People):
    admin = await people.admin()
    token = b"authorization: Bearer " + admin.access_token.encode() + b"\r\n"
    cases = [(what, sent.replace(b"host: ", token + b"host: ", 1)) for what, sent in malformed.paths()]
    assert wrong(await asked(quiet, cases)) == []


@pytest.mark.parametrize("kind", [malformed.methods, malformed.headers])
async def test_methods_and_headers(quiet: Program, kind: type[malformed.methods]):
    assert wrong(await asked(quiet, kind())) == []


async def test_what_is_no_http_is_refused_or_cut_off(quiet: Program):
    assert wrong(await asked(quiet, [*malformed.framing(), *malformed.garbage()])) == []


async def test_asking_for_the_head_alone(quiet: Program, http: httpx.AsyncClient):
    """What HEAD tells is what GET would, on a connection that goes on."""
    for path in ("/api/openapi.json", "/docs", "/health", "/nothing", "/api/v1/auth/account", "/setup/style.css"):
        whole, head = await http.get(path), await http.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert "connection" not in head.headers


async def test_whoever_leaves_in_the_middle_is_no_fault(quiet: Program, http: httpx.AsyncClient):
    start = request("POST", "/api/v1/auth/login", b"x" * 100)[:-50]
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await exchange(quiet.port, start, within=0.2)
    assert (await http.get("/health/live")).status_code == 200
