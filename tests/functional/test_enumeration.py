"""Whether an account exists cannot be told from outside: not by what is answered, nor by how long it takes."""

import asyncio
import random
import re
import statistics
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx
import pytest_asyncio

from tests.functional.conftest import SHARED, running
from tests.functional.people import PASSWORD, unique
from tests.functional.stored import Stored
from tests.program import Program

SAMPLES = 60
MOST_T = 4.5
LEAST_DIFFERENCE = 0.005
"""Seconds; below it nothing can be told over a network, whatever the statistics say."""
_PART = 0.25
"""On a busy machine medians wander; a forgotten hash makes a difference of most of the time, not of a quarter."""
REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')
_PASSING = {"x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def careful(program: Program) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A node whose hashes take a while, and that lets nobody in before their address is verified."""
    settings = {**SHARED, "AGON_ACCOUNTS_BCRYPT_COST": "9", "AGON_ACCOUNTS_REQUIRE_VERIFICATION": "true"}
    async with (
        running(Program(program.data_dir, "api", settings=settings)) as node,
        httpx.AsyncClient(base_url=node.url, timeout=30) as client,
    ):
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(careful: httpx.AsyncClient) -> str:
    """The address of an account whose hash was made at the cost of this node."""
    email = f"{unique('known')}@example.com"
    assert (await register(careful, email)).status_code == 202
    return email


async def register(http: httpx.AsyncClient, email: str) -> httpx.Response:
    body = {"email": email, "password": PASSWORD, "display_name": "Asha of the river"}
    return await http.post("/api/v1/auth/register", json=body)


async def log_in(http: httpx.AsyncClient, email: str) -> httpx.Response:
    return await http.post("/api/v1/auth/login", json={"email": email, "password": "another walk by the river"})


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """Everything of an answer but what differs from one request to the next."""
    headers = {name: value for name, value in answer.headers.items() if name not in _PASSING}
    return answer.status_code, REQUEST_ID.sub(b"", answer.content), headers


Attempt = Callable[[], Awaitable[httpx.Response]]


async def timed(first: Attempt, second: Attempt) -> tuple[list[float], list[float]]:
    """How long each of two takes, a number of times, in changing order."""
    chance = random.Random(18)
    times: dict[Attempt, list[float]] = {first: [], second: []}
    for _ in range(SAMPLES):
        for attempt in chance.sample([first, second], 2):
            started = time.perf_counter()
            await attempt()
            times[attempt].append(time.perf_counter() - started)
    return times[first], times[second]


def tell_apart(first: list[float], second: list[float]) -> bool:
    """Welch's t-test without the slowest tenth, which is the machine's; a difference has to be of a size, too."""
    trimmed = [sorted(times)[: round(len(times) * 0.9)] for times in (first, second)]
    means = [statistics.fmean(times) for times in trimmed]
    errors = [statistics.variance(times) / len(times) for times in trimmed]
    t = (means[0] - means[1]) / sum(errors) ** 0.5
    medians = [statistics.median(times) for times in (first, second)]
    return abs(t) >= MOST_T and abs(medians[0] - medians[1]) >= max(LEAST_DIFFERENCE, _PART * max(medians))


def test_the_statistics_notice_a_forgotten_hash():
    chance = random.Random(1)

    def slow() -> float:
        return max(0.001, chance.gauss(0.045, 0.02))

    hashed = [slow() for _ in range(SAMPLES)]
    assert tell_apart(hashed, [slow() - 0.032 for _ in range(SAMPLES)])
    assert not tell_apart(hashed, [slow() for _ in range(SAMPLES)])


async def test_a_failed_login_says_the_same_of_known_and_unknown(careful: httpx.AsyncClient, known: str):
    answers = [
        await log_in(careful, known),
        await log_in(careful, f"{unique('nobody')}@example.com"),
        await careful.post("/api/v1/auth/login", json={"username": unique("nobody"), "password": "wrong"}),
        await careful.post("/api/v1/auth/login", json={"email": "no address at all", "password": ""}),
    ]
    assert len({repr(told(answer)) for answer in answers}) == 1
    assert (answers[0].status_code, answers[0].json()["code"]) == (401, "AUTH_INVALID_CREDENTIALS")


async def test_a_failed_login_takes_as_long_for_known_and_unknown(careful: httpx.AsyncClient, known: str):
    times = await timed(lambda: log_in(careful, known), lambda: log_in(careful, f"{unique('nobody')}@example.com"))
    assert not tell_apart(*times), [statistics.median(each) for each in times]


async def test_registering_says_the_same_of_known_and_new_addresses(careful: httpx.AsyncClient, known: str):
    answers = [await register(careful, known), await register(careful, f"{unique('new')}@example.com")]
    assert answers[0].status_code == 202
    assert told(answers[0]) == told(answers[1])
    wrong = [{"password": "short"}, {"display_name": "x"}, {"username": "admin"}]
    for more in wrong:
        for email in (known, f"{unique('new')}@example.com"):
            body = {"email": email, "password": PASSWORD, "display_name": "Asha", **more}
            answers.append(await careful.post("/api/v1/auth/register", json=body))
        assert told(answers[-1]) == told(answers[-2])
        assert answers[-1].status_code == 400


async def test_registering_takes_as_long_for_known_and_new_addresses(careful: httpx.AsyncClient, known: str):
    times = await timed(lambda: register(careful, known), lambda: register(careful, f"{unique('new')}@example.com"))
    assert not tell_apart(*times), [statistics.median(each) for each in times]


async def test_registering_while_another_does_says_the_same(careful: httpx.AsyncClient, stored: Stored):
    """Otherwise two requests at once tell new addresses from known ones."""
    email = f"{unique('new')}@example.com"
    async with stored.connection.transaction():
        await stored.connection.execute(
            """insert into account (id, email, username, locale, status, created_at, last_seen_at)
               values ($1, $2::text::citext, $3::text::citext, 'en', 'active', now(), now())""",
            uuid.uuid4(),
            email,
            unique("n"),
        )
        second = asyncio.create_task(register(careful, email))
        while not await stored.fetch("select 1 from pg_locks where not granted"):
            assert not second.done(), second.result().text
            await asyncio.sleep(0.02)
    assert (await second).status_code == 202
