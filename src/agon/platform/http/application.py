"""The HTTP application: Litestar with our edge around it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from litestar import Litestar, Request
from litestar.config.cors import CORSConfig
from litestar.handlers import HTTPRouteHandler

from agon.kernel.errors import DomainError
from agon.platform.database.database import Database
from agon.platform.http.access import Access
from agon.platform.http.asgi import App
from agon.platform.http.edge import EDGE, RequestEdge
from agon.platform.http.gate import Gate, GateOptions, RequestObserver
from agon.platform.http.operations import Parts, injected_names
from agon.platform.http.problems import handle
from agon.platform.http.requests import StrictRequest

_EXPOSED = ["X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "ETag"]
_ACCEPTED = ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-ID", "traceparent"]


class _Application(Litestar):
    parts: Parts


class ApplicationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the application is told by the settings."""

    version: str
    gate: GateOptions
    cors_origins: tuple[str, ...] = ()
    body_limit: int = 1_000_000
    """Bytes."""


def build_litestar(
    routes: Sequence[HTTPRouteHandler],
    database: Database,
    access: Access,
    parts: Mapping[str, Any],
    options: ApplicationOptions,
) -> Litestar:
    """The routed application.

    Args:
        routes: every route, as made by `operations.route`.
        database: what `Edge` works on.
        access: admits requests to routes.
        parts: what endpoints may ask for by the name of a parameter.
        options: from the settings.
    """

    def part(name: str, request: Request[Any, Any, Any]) -> Any:
        return RequestEdge(database, request) if name == EDGE else parts[name]

    _refuse_unknown_parts(routes, parts)
    application = _Application(
        route_handlers=list(routes),
        middleware=[cast("Any", access.middleware)],
        exception_handlers={DomainError: handle, Exception: handle},
        request_class=StrictRequest,
        request_max_body_size=options.body_limit,
        cors_config=_cors(options.cors_origins),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    application.parts = part
    return application


def _cors(origins: tuple[str, ...]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_headers=cast("Any", _ACCEPTED),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        expose_headers=_EXPOSED,
        max_age=600,
    )


def _refuse_unknown_parts(routes: Sequence[HTTPRouteHandler], parts: Mapping[str, Any]) -> None:
    """An endpoint that asks for what nobody provides is found at start, not by its first caller."""
    for each in routes:
        missing = injected_names(each.opt["endpoint"]) - parts.keys() - {EDGE}
        if missing:
            message = f"{each.opt['operation'].id} asks for {', '.join(sorted(missing))}, which nothing provides"
            raise TypeError(message)


def build_application(litestar: Litestar, options: ApplicationOptions, observer: RequestObserver) -> App:
    """The whole application: the gate in front of the routes."""
    return Gate(cast("App", litestar), options.gate, observer)
