"""What the database and the HTTP edge tell of each statement and request: to metrics, traces and logs."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from opentelemetry.trace import Span

from agon.platform.context import RequestContext, current
from agon.platform.observability import metrics, traces

_SLOW_QUERY_SECONDS = 0.1
_SLOW_REQUEST_SECONDS = 1.0
_QUIET_ROUTES = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
_log = structlog.get_logger(__name__)


class DatabaseObserver:
    """Told of every statement; it sees the statement's name, never its text or values.

    Args:
        slow_seconds: from which a statement is worth a warning.
        on_query: told how long each statement took, for the load status.
    """

    def __init__(
        self, *, slow_seconds: float = _SLOW_QUERY_SECONDS, on_query: Callable[[float], None] | None = None
    ) -> None:
        self._slow_seconds = slow_seconds
        self._on_query = on_query

    def query(self, name: str, seconds: float) -> None:
        metrics.DATABASE_QUERY_DURATION.observe(seconds, name)
        if self._on_query is not None:
            self._on_query(seconds)
        if seconds >= self._slow_seconds:
            _log.warning("slow_query", query=name, duration_ms=_milliseconds(seconds))

    def span(self, name: str) -> AbstractContextManager[Any]:
        return traces.query_span(name)


class HttpObserver:
    """Told of every request: one log line, one measurement and, where traces are on, one span each.

    Args:
        slow_seconds: from which a request is worth a warning.
    """

    def __init__(self, *, slow_seconds: float = _SLOW_REQUEST_SECONDS) -> None:
        self._slow_seconds = slow_seconds

    def span(self, method: str, trace_parent: str | None) -> AbstractContextManager[Any]:
        if not traces.enabled():
            return traces.NO_SPAN
        return _request_span(method, trace_parent)

    def finished(self, context: RequestContext, status: int, seconds: float) -> None:
        metrics.count_request(context.method, context.route, status, seconds)
        traces.annotate(
            f"{context.method} {context.route}", {"http.route": context.route, "http.response.status_code": status}
        )
        if seconds >= self._slow_seconds:
            write = _log.warning
        else:
            write = _log.debug if context.route in _QUIET_ROUTES else _log.info
        write("request", method=context.method, status=status, duration_ms=_milliseconds(seconds))


@contextmanager
def _request_span(method: str, trace_parent: str | None) -> Generator[Span]:
    with traces.span(method, traces.SpanKind.SERVER, {"http.request.method": method}, trace_parent) as span:
        current().trace_parent = traces.inject()  # stored with the events and jobs of this request
        yield span


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
