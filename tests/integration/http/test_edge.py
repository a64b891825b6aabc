"""What every answer of the HTTP edge keeps to, whatever the request is like."""

import gzip
import uuid

import httpx
import pytest
import zstandard

from agon.platform.database.database import Database
from agon.platform.http.gate import GateOptions
from tests.integration.http.sample import Sample, signed_in

JSON = {"content-type": "application/json"}


def is_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/docs/errors#{code}")
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"{", ""),
        (b"[1]", ""),
        (b"null", ""),
        (b"[" * 10_000, ""),
        (b'{"name":' * 10_000, "name"),
        (b'{"name":"\xff\xfe"}', ""),
        (b'{"name":"\\ud800"}', ""),
        (b'{"name":"ab"}', "name"),
        (b'{"name":1}', "name"),
        (b'{"amount":1}', "name"),
        (b'{"name":"abc","amount":"1"}', "amount"),
        (b'{"name":"abc","amount":1.5}', "amount"),
        (b'{"name":"abc","amount":true}', "amount"),
        (b'{"name":"abc","amount":1e400}', "amount"),
        (b'{"name":"abc","amount":NaN}', ""),
    ],
)
async def test_a_malformed_body_is_a_validation_error(database: Database, body: bytes, field: str):
    async with Sample(database) as client:
        answer = await client.post("/api/v1/things", content=body, headers=JSON)
    is_problem(answer, 400, "SAMPLE_VALIDATION_ERROR")
    assert [error["field"] for error in answer.json().get("errors", [{"field": ""}])] == [field]


async def test_nul_in_a_text_is_a_refusal(database: Database):
    async with Sample(database) as client:
        answer = await client.get("/api/v1/broken", params={"text": "a\x00b"})
    is_problem(answer, 400, "VALUE_INVALID")


async def test_only_json_is_read(database: Database):
    async with Sample(database) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            answer = await client.post("/api/v1/things", content=b'{"name":"abc"}', headers={"content-type": kind})
            is_problem(answer, 415, "MEDIA_TYPE_UNSUPPORTED")
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert (await client.post("/api/v1/things", content=b'{"name":"abc"}', headers=headers)).status_code == 201


async def test_a_large_body_is_refused(database: Database):
    async with Sample(database) as client:
        answer = await client.post("/api/v1/things", content=b"x" * 1_000_001, headers=JSON)
    is_problem(answer, 413, "BODY_TOO_LARGE")


async def test_a_fault_tells_nothing_but_its_number(database: Database):
    async with Sample(database) as client:
        answer = await client.get("/api/v1/broken")
    is_problem(answer, 500, "INTERNAL_ERROR")
    assert "division" not in answer.text


async def test_unknown_addresses_and_methods(database: Database):
    async with Sample(database) as client:
        is_problem(await client.get("/nowhere"), 404, "NOT_FOUND")
        is_problem(await client.get("/api/v1/things/not-an-id", headers=signed_in()), 404, "NOT_FOUND")
        answer = await client.put("/api/v1/things", json={})
        is_problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert "POST" in answer.headers["allow"]
    assert [route for _, route, _, _ in client.observed.requests][:2] == ["unmatched", "unmatched"]


async def test_credentials(database: Database):
    thing = f"/api/v1/things/{uuid.uuid4()}"
    async with Sample(database) as client:
        missing = await client.get(thing)
        is_problem(missing, 401, "AUTH_REQUIRED")
        assert missing.headers["www-authenticate"] == 'Bearer realm="agon"'
        for header in ("Bearer", "Bearer ", "Basic abc", "Bearer nonsense"):
            is_problem(await client.get(thing, headers={"authorization": header}), 401, "AUTH_REQUIRED")
        assert (await client.get(thing, headers=signed_in())).status_code == 200
        is_problem(await client.get("/api/v1/staff", headers=signed_in()), 403, "AUTH_FORBIDDEN")
        admin = uuid.uuid4()
        assert (await client.get("/api/v1/staff", headers=signed_in(admin, admin=True))).status_code == 200
        client.tokens.revoked.add(str(admin))
        is_problem(await client.get("/api/v1/staff", headers=signed_in(admin, admin=True)), 401, "AUTH_REQUIRED")


async def test_limits_count_by_account_or_by_address(database: Database):
    async with Sample(database, reads=2, anonymous=1) as client:
        thing, mine = f"/api/v1/things/{uuid.uuid4()}", signed_in()
        assert (await client.get(thing, headers=mine)).headers["x-ratelimit-remaining"] == "1"
        assert (await client.get(thing, headers=mine)).status_code == 200
        refused = await client.get(thing, headers=mine)
        is_problem(refused, 429, "RATE_LIMITED")
        assert refused.headers["retry-after"] == "30"
        assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-reset"]) == ("2", "60")
        assert set(refused.json()) >= {"limit", "remaining", "reset_at"}
        assert (await client.get(thing, headers=signed_in())).status_code == 200
        assert (await client.post("/api/v1/things", json={"name": "abc"})).status_code == 201
        is_problem(await client.post("/api/v1/things", json={"name": "abc"}), 429, "RATE_LIMITED")


async def test_guessing_tokens_counts_against_the_address(database: Database):
    async with Sample(database, anonymous=3) as client:
        guesses = [await client.get("/api/v1/staff", headers={"authorization": f"Bearer guess-{i}"}) for i in range(5)]
    assert [guess.status_code for guess in guesses] == [401, 401, 401, 429, 429]


async def test_every_answer_carries_the_security_headers(database: Database):
    async with Sample(database, GateOptions(hsts=True)) as client:
        for answer in (
            await client.get("/nowhere"),
            await client.get("/api/v1/broken"),
            await client.get("/api/v1/long"),
        ):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
            assert answer.headers["referrer-policy"]
            assert answer.headers["permissions-policy"]


async def test_request_ids_are_taken_over_or_made(database: Database):
    async with Sample(database) as client:
        given = await client.get("/nowhere", headers={"x-request-id": "game-42"})
        assert given.headers["x-request-id"] == given.json()["request_id"] == "game-42"
        for bad in ("has space", "x" * 65, "semi;colon", ""):
            answer = await client.get("/nowhere", headers={"x-request-id": bad})
            assert uuid.UUID(answer.headers["x-request-id"]).version == 7


async def test_compression_is_offered_and_whole(database: Database):
    async with Sample(database) as client:
        plain = await client.get("/api/v1/long", headers={"accept-encoding": "identity"})
        for encoding, unpack in (("gzip", gzip.decompress), ("zstd", zstandard.ZstdDecompressor().decompress)):
            async with client.stream("GET", "/api/v1/long", headers={"accept-encoding": encoding}) as answer:
                raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == encoding
            assert answer.headers["vary"] == "Accept-Encoding"
            assert int(answer.headers["content-length"]) == len(raw) < len(plain.content)
            assert unpack(raw) == plain.content
        refused = await client.get("/api/v1/long", headers={"accept-encoding": "gzip;q=0"})
        assert "content-encoding" not in refused.headers


async def test_head_is_a_get_without_its_body(database: Database):
    async with Sample(database) as client:
        get, head = await client.get("/api/v1/long"), await client.head("/api/v1/long")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_plain_http_is_sent_to_https(database: Database):
    options = GateOptions(https_base="https://agon.test", trusted_proxies=("127.0.0.1",))
    async with Sample(database, options) as client:
        answer = await client.get("/api/v1/long?x=1")
        assert (answer.status_code, answer.headers["location"]) == (308, "https://agon.test/api/v1/long?x=1")
        proxied = await client.get("/api/v1/long", headers={"x-forwarded-proto": "https"})
        assert proxied.status_code == 200


async def test_only_known_hosts_are_answered(database: Database):
    async with Sample(database, GateOptions(allowed_hosts=("agon.test",))) as client:
        assert (await client.get("/api/v1/long")).status_code == 200
        assert (await client.get("/api/v1/long", headers={"host": "AGON.test:8000"})).status_code == 200
        is_problem(await client.get("/api/v1/long", headers={"host": "evil.test"}), 400, "HOST_INVALID")


async def test_headers_without_end_are_refused(database: Database):
    async with Sample(database) as client:
        is_problem(await client.get("/api/v1/long", headers={"x-filler": "x" * 40_000}), 431, "HEADERS_TOO_LARGE")


async def test_other_origins_need_the_operators_word(database: Database):
    async with Sample(database) as client:
        known = await client.get("/api/v1/long", headers={"origin": "https://game.test"})
        assert known.headers["access-control-allow-origin"] == "https://game.test"
        unknown = await client.get("/api/v1/long", headers={"origin": "https://evil.test"})
        assert "access-control-allow-origin" not in unknown.headers
        asked = {"origin": "https://game.test", "access-control-request-method": "POST"}
        preflight = await client.options("/api/v1/things", headers=asked)
        assert preflight.status_code == 204
        assert "POST" in preflight.headers["access-control-allow-methods"]


async def test_a_delete_answers_without_a_body(database: Database):
    async with Sample(database) as client:
        answer = await client.delete(f"/api/v1/things/{uuid.uuid4()}", headers=signed_in())
    assert (answer.status_code, answer.content) == (204, b"")
