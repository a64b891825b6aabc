"""Idempotency keys: one effect for a key, and the same answer however often it is sent."""

import asyncio
import uuid
from datetime import timedelta

import asyncpg
import pytest

from agon.kernel.clock import ManualClock, SystemClock
from agon.platform.database.database import Database
from tests.conftest import OpenDatabase
from tests.integration.http.sample import Sample, at_once, made, signed_in


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


async def test_the_same_request_again_gets_the_same_answer_and_no_second_effect(database: Database, name: str):
    async with Sample(database) as client:
        headers = signed_in(key="one")
        first = await client.post("/api/v1/things", json={"name": name}, headers=headers)
        again = await client.post("/api/v1/things", json={"name": name}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert await made(database, name) == 1


async def test_another_body_with_the_key_is_refused(database: Database, name: str):
    async with Sample(database) as client:
        headers = signed_in(key="two")
        await client.post("/api/v1/things", json={"name": name}, headers=headers)
        other = await client.post("/api/v1/things", json={"name": name, "amount": 2}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert await made(database, name) == 1


async def test_a_key_belongs_to_its_account_and_its_operation(database: Database, name: str):
    async with Sample(database) as client:
        mine, theirs = uuid.uuid4(), uuid.uuid4()
        answers = [
            await client.post("/api/v1/things", json={"name": name}, headers=signed_in(mine, key="k")),
            await client.post("/api/v1/things", json={"name": name}, headers=signed_in(theirs, key="k")),
            await client.post("/api/v1/paid", json={"name": name}, headers=signed_in(mine, key="k")),
        ]
    assert len({answer.json()["serial"] for answer in answers}) == 3
    assert await made(database, name) == 3


async def test_a_refusal_is_replayed_as_a_refusal_and_has_no_effect(database: Database, name: str):
    async with Sample(database) as client:
        headers = signed_in(key="refused")
        body = {"name": name, "refuse": True}
        first = await client.post("/api/v1/things", json=body, headers=headers)
        again = await client.post("/api/v1/things", json=body, headers=headers)
    assert first.status_code == again.status_code == 409
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"
    assert first.json()["left"] == 0
    assert await made(database, name) == 0


async def test_sixty_four_at_once_have_one_effect(dsn: str, open_database: OpenDatabase, name: str):
    database = await open_database(dsn, size=10)
    async with Sample(database) as client:
        headers = signed_in(key="burst")
        body = {"name": name, "seconds": 0.05}
        answers = await at_once(
            *(client.post("/api/v1/things", json=body, headers=headers, timeout=30) for _ in range(64))
        )
    codes = {answer.status_code for answer in answers}
    assert 201 in codes
    assert codes <= {201, 409, 503}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await made(database, name) == 1


async def test_while_the_first_call_runs_the_second_is_told_so(database: Database, name: str):
    async with Sample(database) as client:
        headers = signed_in(key="slow")
        body = {"name": name, "seconds": 0.5}
        first = asyncio.create_task(client.post("/api/v1/things", json=body, headers=headers))
        await asyncio.sleep(0.2)
        second = await client.post("/api/v1/things", json=body, headers=headers)
        assert (second.status_code, second.json()["code"]) == (409, "IDEMPOTENCY_IN_PROGRESS")
        assert second.headers["retry-after"] == "1"
        assert (await first).status_code == 201


async def test_a_key_is_forgotten_after_a_day(dsn: str, open_database: OpenDatabase, name: str):
    clock = ManualClock(SystemClock().now())
    database = await open_database(dsn, clock=clock)
    async with Sample(database) as client:
        headers = signed_in(key="daily")
        await client.post("/api/v1/things", json={"name": name}, headers=headers)
        clock.advance(timedelta(hours=23, minutes=59))
        await client.post("/api/v1/things", json={"name": name}, headers=headers)
        assert await made(database, name) == 1
        clock.advance(timedelta(minutes=2))
        await client.post("/api/v1/things", json={"name": name}, headers=headers)
        assert await made(database, name) == 2


async def test_a_key_is_demanded_where_the_operation_says_so(database: Database, name: str):
    async with Sample(database) as client:
        answer = await client.post("/api/v1/paid", json={"name": name}, headers=signed_in())
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tinside", "ünï"])
async def test_a_key_that_cannot_be_one_is_refused(database: Database, name: str, key: str):
    async with Sample(database) as client:
        headers = [("authorization", signed_in()["authorization"]), ("idempotency-key", key.encode())]
        answer = await client.post("/api/v1/things", json={"name": name}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")
    assert await made(database, name) == 0


async def test_answers_that_hold_secrets_are_never_stored(dsn: str, database: Database, name: str):
    async with Sample(database) as client:
        headers = signed_in(key="secret")
        answers = [await client.post("/api/v1/keys", json={"name": name}, headers=headers) for _ in range(2)]
    assert answers[0].json()["serial"] != answers[1].json()["serial"]
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("select count(*) from idempotency_record where key = 'secret'") == 0
    await connection.close()
