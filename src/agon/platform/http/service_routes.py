"""Routes for those who run Agon: health and metrics."""

import asyncio
import hmac
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from agon.contracts.audit import AuditAction
from agon.kernel.audit import AuditEntry
from agon.kernel.tx import Tx
from agon.platform.http.answers import Encoded
from agon.platform.http.asgi import App, Receive, Scope, Send
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.errors import NotFound
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ADMIN, ANYONE
from agon.platform.observability.exposition import render
from agon.platform.observability.health import Health, HealthReport, Status

NO_STORE = {"Cache-Control": "no-store"}
_ALIVE = b'{"status":"live"}'
_READY = b'{"status":"ready"}'
_NOT_READY = b'{"status":"not_ready"}'


class Alive(msgspec.Struct):
    """The process runs."""

    status: Literal["live"] = "live"


class Readiness(msgspec.Struct):
    """Whether requests may come here."""

    status: Literal["ready", "not_ready"]


@route("GET", "/health/live", operation="health.live", summary="Whether the process runs", permission=ANYONE, limits=())
async def live() -> Answer[Alive]:
    """Always 200: a process that can answer is alive. For liveness probes; they are not limited."""
    return Encoded(_ALIVE, headers=NO_STORE)


@route(
    "GET",
    "/health/ready",
    operation="health.ready",
    summary="Whether requests may come",
    permission=ANYONE,
    limits=(),
    responses={503: ResponseSpec(Readiness, description="Not now.")},
)
async def ready(health: Injected[Health]) -> Answer[Readiness]:
    """503 only while the database is out of reach, its schema is not current, or shutdown has begun.

    For readiness probes and balancers; they are not limited.
    """
    if await health.ready():
        return Encoded(_READY, headers=NO_STORE)
    return Encoded(_NOT_READY, HTTPStatus.SERVICE_UNAVAILABLE, headers={**NO_STORE, "Retry-After": "1"})


@route(
    "GET",
    "/health",
    operation="health.report",
    summary="The state of every part",
    permission=ANYONE,
    limits=("public",),
)
async def report(edge: Edge, health: Injected[Health]) -> Answer[HealthReport]:
    """Healthy, degraded or unhealthy, for the whole and for each part; always 200."""
    return edge.answer(await health.report())


@route(
    "GET", "/health/details", operation="health.details", summary="What is wrong", permission=ADMIN, limits=("reads",)
)
async def details(edge: Edge, health: Injected[Health]) -> Answer[HealthReport]:
    """The state of every part with its errors and how long its check took."""

    async def read(tx: Tx) -> None:
        tx.audit(AuditEntry(action=AuditAction.HEALTH_READ, target_type="health", target_id="details"))

    found = await health.report(detailed=True)
    if found.status is not Status.UNHEALTHY:  # without its database the log of reads has to wait
        await edge.transact(read)
    return edge.answer(found)


@route(
    "GET",
    "/metrics",
    operation="health.metrics",
    summary="Metrics",
    permission=ANYONE,
    limits=(),
    include_in_schema=False,
)
async def metrics(request: Request[Any, Any, Any], metrics_token: Injected[str | None]) -> Response[bytes]:
    """Prometheus metrics, for whoever holds the token of the settings; there is nothing here for anyone else."""
    if metrics_token is None or not _holds(request, metrics_token):
        raise NotFound
    body, media_type = await asyncio.to_thread(render, request.headers.get("accept", ""))
    return Encoded(body, media_type=media_type, headers=NO_STORE)


SERVICE_ROUTES: list[HTTPRouteHandler] = [live, ready, report, details, metrics]


def _holds(request: Request[Any, Any, Any], token: str) -> bool:
    given = request.headers.get("authorization", "").encode()
    return hmac.compare_digest(given, f"Bearer {token}".encode())


def metrics_application() -> App:
    """Metrics alone, for a port that only the monitoring can reach."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        if scope["type"] != "http":
            return
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        body, media_type = await asyncio.to_thread(render, accept)
        found = scope["path"] == "/metrics"
        headers = [(b"content-type", media_type.encode()), (b"x-content-type-options", b"nosniff")]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body if found else b""})

    return application
