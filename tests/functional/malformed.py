"""Requests as no client should send them: what is wrong with each, and its bytes."""

import random
from collections.abc import Iterator

from tests.functional.malformed_bodies import HUGE, Case
from tests.functional.raw import request


def paths() -> Iterator[Case]:
    """Addresses; none of them is anything, or each is what it would be."""
    missing = "01900000-0000-7000-8000-000000000000"
    parts = (
        "%", "%2", "%zz", "%00", "%0d%0aset-cookie:a=b", "%ff%fe", "%c0%af", "%ed%a0%80", "..", "%2e%2e", "%2f", "%5c",
        "%252f", "%u0041", "a" * 3000, "\xe9", "{account_id}", "null", "-1", "1e400", HUGE[:500], "*", "'", "%27--",
        missing.upper(), f"{{{missing}}}", f"urn:uuid:{missing}", missing.replace("-", ""), f"{missing}%00",
        f" {missing}",
    )  # fmt: skip
    for part in parts:
        for pattern in ("/api/v1/accounts/{}/roles", "/docs/api/{}", "/docs/assets/{}", "/{}", "/api/v1/auth/login{}"):
            target = pattern.replace("{}", part)
            yield f"path {target[:60]!r}", request("GET", target.replace(" ", "%20"))
    for target in (
        "*",
        "",
        "api/v1/auth/account",
        "//",
        "/?",
        "/#",
        "/;",
        "http://",
        "http://[::1",
        "host:80",
        "/a b",
        "\\",
    ):
        yield f"target {target!r}", request("GET", target)
    queries = (
        "limit=", "limit=x", "limit=-1", "limit=1e9", f"limit={HUGE}", "limit=1&limit=2", "limit[]=1",
        "limit=%ED%A0%80", "cursor=%ff", "cursor=%00", "cursor=" + "A" * 5000, "cursor=bnVsbA", "cursor=W10",
        "cursor=e30", "%ff=%fe", "&&&==&", "=", "a" * 20_000, "&".join(f"n{number}=1" for number in range(3000)),
    )  # fmt: skip
    for query in queries:
        yield f"query {query[:40]!r}", request("GET", f"/api/v1/accounts/{missing}/roles?{query}")
        yield (
            f"query {query[:40]!r} of a removal",
            request("DELETE", f"/api/v1/accounts/{missing}/roles/organizer?{query.replace('limit', 'scope')}"),
        )


def methods() -> Iterator[Case]:
    targets = ("/api/v1/auth/login", "/api/v1/auth/account", "/health", "/docs", "/nothing", "/setup")
    for target in targets:
        for method in (
            "HEAD",
            "OPTIONS",
            "PUT",
            "PATCH",
            "DELETE",
            "TRACE",
            "CONNECT",
            "PROPFIND",
            "QUERY",
            "GET",
            "POST",
        ):
            yield f"{method} {target}", request(method, target)
            yield f"{method} {target} with a body", request(method, target, b'{"a": 1}')


def headers() -> Iterator[Case]:
    """Header lines; the request is otherwise a plain one."""
    odd: list[tuple[str, list[tuple[str | bytes, str | bytes]]]] = [
        ("an enormous header", [("x-large", "x" * 40_000)]),
        ("many headers", [(f"x-{number}", "y" * 50) for number in range(900)]),
        ("bytes", [("x-bytes", bytes(range(128, 256)))]),
        ("a control character", [("x-control", b"a\x01b")]),
        ("no name", [("", "x")]),
        ("a space in the name", [("x y", "z")]),
        ("a folded line", [("x-folded", "a\r\n b")]),
        ("an empty value", [("authorization", "")]),
        ("a binary token", [("authorization", b"Bearer " + bytes(range(128, 256)))]),
        ("an enormous token", [("authorization", "Bearer " + "x" * 20_000)]),
        ("dots", [("authorization", "Bearer ..")]),
        ("spaces", [("authorization", "Bearer    ")]),
        ("tabs", [("authorization", "Bearer\tx")]),
        ("basic", [("authorization", "Basic %%%")]),
        ("two tokens", [("authorization", "Bearer a.b.c"), ("authorization", "Bearer d.e.f")]),
        ("two hosts", [("host", "other.example")]),
        ("a strange trace", [("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-ff")]),
        ("a broken trace", [("traceparent", b"\xff\xff-x"), ("tracestate", "=" * 600)]),
        ("a strange request id", [("x-request-id", b"a\xffb<script>"), ("x-request-id", "b" * 500)]),
        ("a strange key", [("idempotency-key", b"\xff\x00")]),
        ("an empty key", [("idempotency-key", "")]),
        ("a long key", [("idempotency-key", "k" * 256)]),
        ("an agent", [("user-agent", b"\xf0\x9f\x98\x80\xff" * 200)]),
        ("an encoding", [("accept-encoding", "gzip;q=nonsense, zstd;q=1e400, *;q=-1")]),
        ("a language", [("accept-language", "\xff" * 100)]),
        ("what to accept", [("accept", "application/xml;q=9, */*;q=x")]),
        ("an entity tag", [("if-none-match", '"' * 5000)]),
        ("a range", [("range", "bytes=9-1,,-")]),
        ("an upgrade", [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "x")]),
        ("h2c", [("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AAA")]),
        ("expectation", [("expect", "200-maybe")]),
        ("forwarding", [("x-forwarded-for", b"\xff, 1.2.3"), ("x-forwarded-proto", "gopher")]),
        ("cookies", [("cookie", "=; ;;a=b=c; " + "x" * 5000)]),
        ("origin", [("origin", "null"), ("access-control-request-method", "\xff")]),
    ]  # fmt: skip
    for what, lines in odd:
        for method, target in (
            ("GET", "/api/v1/auth/account"),
            ("GET", "/docs"),
            ("GET", "/nothing"),
            ("OPTIONS", "/docs"),
        ):
            yield f"{what} to {method} {target}", request(method, target, headers=lines)
        yield (
            f"{what} to login",
            request("POST", "/api/v1/auth/login", b'{"email": "a@b.co", "password": "x"}', headers=lines),
        )


def framing() -> Iterator[Case]:
    """Bodies that are framed in odd ways, all of them complete."""
    start = b"POST /api/v1/auth/login HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n"
    body = b'{"email": "a@b.co", "password": "x"}'
    chunked = b"transfer-encoding: chunked\r\n"
    length = b"content-length: %d\r\n" % len(body)
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    yield "one chunk", start + chunked + b"\r\n" + whole
    yield "a byte a chunk", start + chunked + b"\r\n" + b"".join(b"1\r\n%c\r\n" % each for each in body) + b"0\r\n\r\n"
    yield "ten thousand chunks", start + chunked + b"\r\n" + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"
    yield "too much in chunks", start + chunked + b"\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 20 + b"0\r\n\r\n"
    yield "a chunk extension", start + chunked + b"\r\n" + b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    yield "trailers", start + chunked + b"\r\n" + b"%x\r\n%s\r\n0\r\nx-trailer: a\r\n\r\n" % (len(body), body)
    yield "a chunk of nonsense length", start + chunked + b"\r\n" + b"zz\r\nabc\r\n0\r\n\r\n"
    yield "a chunk of enormous length", start + chunked + b"\r\n" + b"f" * 30 + b"\r\nabc\r\n0\r\n\r\n"
    yield "a negative chunk", start + chunked + b"\r\n" + b"-1\r\nabc\r\n0\r\n\r\n"
    yield "chunks and a length", start + chunked + length + b"\r\n" + whole
    yield "a length and chunks", start + length + chunked + b"\r\n" + whole
    yield "two lengths", start + length + length + b"\r\n" + body
    yield "two different lengths", start + length + b"content-length: 1\r\n\r\n" + body
    yield "a length of nonsense", start + b"content-length: abc\r\n\r\n" + body
    yield "a negative length", start + b"content-length: -1\r\n\r\n" + body
    yield "an enormous length", start + b"content-length: " + b"9" * 40 + b"\r\n\r\n" + body
    yield "a length with a sign", start + b"content-length: +36\r\n\r\n" + body
    yield "other transfer coding", start + b"transfer-encoding: gzip, chunked\r\n\r\n" + whole
    yield "unknown transfer coding", start + b"transfer-encoding: xchunked\r\n\r\n" + whole
    yield "no length at all", start + b"\r\n" + body
    yield (
        "two requests at once",
        start.replace(b"connection: close\r\n", b"") + length + b"\r\n" + body + start + length + b"\r\n" + body,
    )
    yield "HTTP/1.0", start.replace(b"HTTP/1.1", b"HTTP/1.0") + length + b"\r\n" + body
    yield "HTTP/0.9", b"GET /health\r\n\r\n"
    yield "HTTP/2.0", start.replace(b"HTTP/1.1", b"HTTP/2.0") + length + b"\r\n" + body
    yield "HTTP/9.9", start.replace(b"HTTP/1.1", b"HTTP/9.9") + length + b"\r\n" + body
    yield "no host", b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n"
    yield "bare line feeds", b"GET /health HTTP/1.1\nhost: a\nconnection: close\n\n"


def garbage() -> Iterator[Case]:
    """Bytes that are no HTTP, each with an end that makes the server look at them."""
    chance = random.Random(16)
    end = b"\r\n\r\n"
    yield "TLS", bytes.fromhex("16030100c8010000c40303") + chance.randbytes(190) + end
    yield "SSH", b"SSH-2.0-OpenSSH_9.6\r\n" + end
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "SMTP", b"EHLO there\r\n" + end
    yield "Redis", b"*1\r\n$4\r\nPING\r\n" + end
    yield "NUL", bytes(5000) + end
    yield "a line without end", b"GET /" + b"a" * 100_000 + b" HTTP/1.1" + end
    yield "spaces", b"GET  /  HTTP/1.1" + end
    yield "lower case", b"get / http/1.1" + end
    yield "no version", b"GET /" + end
    for _ in range(40):
        yield "random bytes", chance.randbytes(chance.randrange(1, 400)) + end
    plain = request("POST", "/api/v1/auth/login", b'{"email": "a@example.com", "password": "x"}')
    for _ in range(200):
        damaged = bytearray(plain)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        yield f"damaged {bytes(damaged)!r}", bytes(damaged)
