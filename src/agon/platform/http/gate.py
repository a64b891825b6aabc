"""The outermost part of the HTTP edge: what holds for every request, also for those that match no route."""

import re
import time
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
import structlog

from agon.kernel.ids import new_id
from agon.platform.context import RequestContext, enter
from agon.platform.http.addresses import TrustedProxies, prefix
from agon.platform.http.asgi import App, Message, Receive, Scope, Send
from agon.platform.http.compression import CompressingSend, accepted_encoding
from agon.platform.http.refusal import refuse

UNMATCHED = "unmatched"
"""The route of requests that match none."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_LONGEST_HEADERS = 32 * 1024
_LONGEST_USER_AGENT = 256
_FOR_OPERATORS = ("/health", "/metrics")
"""Asked by probes and monitoring, by the address of the machine and over plain HTTP."""
_log = structlog.get_logger(__name__)


class GateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate is told by the settings."""

    trusted_proxies: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    """Host names that are answered to (`*.` and a name for all below it), all when empty."""
    https_base: str | None = None
    """Where requests over plain HTTP are sent; None where plain HTTP is fine."""
    hsts: bool = False
    frame_ancestors: tuple[str, ...] = ()
    image_origins: tuple[str, ...] = ()


class RequestObserver(Protocol):
    """Told of every request, for metrics, traces and logs."""

    def span(self, method: str, trace_parent: str | None) -> AbstractContextManager[Any]: ...

    def finished(self, context: RequestContext, status: int, seconds: float) -> None: ...


def security_headers(options: GateOptions) -> list[tuple[bytes, bytes]]:
    """The headers that every answer carries."""
    ancestors = " ".join(options.frame_ancestors) or "'none'"
    images = " ".join(("'self'", "data:", *options.image_origins))
    policy = (
        "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; object-src 'none'; "
        f"base-uri 'self'; form-action 'self'; img-src {images}; frame-ancestors {ancestors}"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin-when-cross-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "cross-origin-opener-policy": "same-origin",
    }
    if options.hsts:
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class Gate:
    """Names the request, finds the client, guards hosts and schemes, and adds what every answer carries."""

    def __init__(self, app: App, options: GateOptions, observer: RequestObserver) -> None:
        self._app = app
        self._options = options
        self._observer = observer
        self._proxies = TrustedProxies(options.trusted_proxies)
        self._headers = security_headers(options)
        self._hosts = frozenset(host.lower().encode() for host in options.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope.setdefault("state", {})
        headers = _single(scope["headers"])
        context = self._context(scope, headers)
        enter(context)
        answer = _Answer(scope, send, context, self._headers)
        if scope["method"] == "HEAD":  # a GET whose body _Answer leaves out; the server goes by its own scope
            scope = {**scope, "method": "GET"}
        passed_on: Send = answer
        encoding = accepted_encoding(headers.get(b"accept-encoding", b""))
        if encoding is not None:
            passed_on = CompressingSend(answer, encoding)
        with self._observer.span(context.method, headers.get(b"traceparent", b"").decode("latin-1") or None):
            try:
                await self._pass(scope, receive, passed_on, headers)
            finally:
                context.route = scope.get("path_template") or UNMATCHED
                self._observer.finished(context, answer.status, time.perf_counter() - started)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes]) -> None:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _LONGEST_HEADERS:
            await refuse(send, 431, "HEADERS_TOO_LARGE", "The headers of the request are too large.")
            return
        internal = scope["path"].startswith(_FOR_OPERATORS)
        if not self._answers_to(headers.get(b"host", b"").lower(), any_host=internal):
            await refuse(send, 400, "HOST_INVALID", "The request's Host is not one that this server answers to.")
            return
        if self._options.https_base and not internal and not self._is_https(scope, headers):
            await self._to_https(scope, send)
            return
        await self._app(scope, receive, send)

    def _answers_to(self, host: bytes, *, any_host: bool) -> bool:
        if not host:
            return False
        name = host.rpartition(b":")[0] if host.rpartition(b":")[2].isdigit() else host
        return (
            any_host
            or not self._hosts
            or any(name == known or (known.startswith(b"*") and name.endswith(known[1:])) for known in self._hosts)
        )

    def _context(self, scope: Scope, headers: dict[bytes, bytes]) -> RequestContext:
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        peer = scope["client"][0] if scope["client"] else ""
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        client = self._proxies.client(peer, forwarded)
        return RequestContext(
            request_id=given if _REQUEST_ID.fullmatch(given) else str(new_id()),
            method=scope["method"],
            client_ip=client,
            ip_prefix=prefix(client),
            user_agent=_printable(headers.get(b"user-agent", b"")),
            actor="anonymous",
        )

    def _is_https(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        peer = scope["client"][0] if scope["client"] else ""
        if self._proxies.trusts(peer) and b"x-forwarded-proto" in headers:
            return headers[b"x-forwarded-proto"].lower() == b"https"
        return scope["scheme"] == "https"

    async def _to_https(self, scope: Scope, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        target = f"{self._options.https_base}{path.partition('?')[0]}" + (f"?{query}" if query else "")
        await refuse(send, 308, "HTTPS_REQUIRED", "Plain HTTP is not served here.", {"location": target})


class _Answer:
    """Adds the headers of every answer; leaves the body out for HEAD."""

    __slots__ = ("_bodiless", "_context", "_headers", "_scope", "_send", "status")

    def __init__(self, scope: Scope, send: Send, context: RequestContext, headers: list[tuple[bytes, bytes]]) -> None:
        self._scope = scope
        self._send = send
        self._context = context
        self._headers = headers
        self._bodiless = scope["method"] == "HEAD"
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), *self._headers]
            headers.append((b"x-request-id", self._context.request_id.encode()))
            headers += self._scope["state"].get("limit_headers", ())
            message["headers"] = headers
        elif self._bodiless and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)


def _single(headers: Any) -> dict[bytes, bytes]:
    """Headers by name; the first of several with one name counts."""
    return dict(reversed(list(headers)))


def _printable(raw: bytes) -> str:
    text = raw[:_LONGEST_USER_AGENT].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)
