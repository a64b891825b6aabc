"""What a statement and a request leave in metrics, traces and logs."""

import contextvars
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agon.platform.context import RequestContext, current, enter
from agon.platform.observability import traces
from agon.platform.observability.instruments import REGISTRY
from agon.platform.observability.observers import DatabaseObserver, HttpObserver
from tests.unit.platform.observability_support import captured_logs

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    traces.configure_traces(exporter=exporter, role="api", version="1")
    yield exporter
    traces.shutdown_traces()


def _count(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_statement_is_measured_and_only_a_slow_one_logged() -> None:
    heard: list[float] = []
    observer = DatabaseObserver(slow_seconds=0.1, on_query=heard.append)
    with captured_logs() as logs:
        observer.query("test.fast", 0.09)
        observer.query("test.slow", 0.1)
    assert heard == [0.09, 0.1]
    assert _count("database_query_duration_seconds_count", {"query_type": "test.fast"}) == 1
    line = logs.only
    assert (line["level"], line["event"], line["query"], line["duration_ms"]) == (
        "warning",
        "slow_query",
        "test.slow",
        100.0,
    )


def test_a_statement_is_a_span(spans: InMemorySpanExporter) -> None:
    with DatabaseObserver().span("account.by_id"):
        pass
    traces.flush_traces()
    (span,) = spans.get_finished_spans()
    assert span.name == "account.by_id"


@pytest.mark.parametrize(
    ("route", "seconds", "level"),
    [
        ("/x/{id}", 0.999, "info"),
        ("/x/{id}", 1.0, "warning"),
        ("/health/live", 0.1, "debug"),
        ("/metrics", 1.5, "warning"),
    ],
)
def test_a_request_is_one_line_and_one_measurement(route: str, seconds: float, level: str) -> None:
    context = RequestContext(request_id="r-1", method="GET", route=route)
    labels = {"method": "GET", "route": route, "status_code": "200"}
    before = _count("http_requests_total", labels)

    def request() -> None:
        enter(context)
        with HttpObserver().span("GET", PARENT):
            HttpObserver().finished(context, 200, seconds)

    with captured_logs() as logs:
        contextvars.copy_context().run(request)
    line = logs.only
    assert (line["level"], line["event"], line["request_id"], line["route"]) == (level, "request", "r-1", route)
    assert (line["method"], line["status"], line["duration_ms"]) == ("GET", 200, round(seconds * 1000, 1))
    assert _count("http_requests_total", labels) == before + 1
    assert "trace_id" not in line


def test_a_request_is_a_span_that_its_events_and_jobs_continue(spans: InMemorySpanExporter) -> None:
    context = RequestContext(request_id="r-1", method="GET")

    def request() -> str | None:
        enter(context)
        with HttpObserver().span("GET", PARENT):
            stored = current().trace_parent
            context.route = "/x/{id}"
            HttpObserver().finished(context, 204, 0.01)
            return stored

    with captured_logs() as logs:
        stored = contextvars.copy_context().run(request)
    traces.flush_traces()
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert span.name == "GET /x/{id}"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/x/{id}",
        "http.response.status_code": 204,
    }
    assert stored == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert logs.only["trace_id"] == TRACE
