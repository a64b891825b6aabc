"""Traces: spans, the context that joins them over processes, and what they may not carry."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode

from agon.kernel.errors import DomainError, Refusal
from agon.platform.observability import traces
from tests.unit.platform.observability_support import captured_logs

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class _Refused(DomainError):
    code = "TEST_TRACES_REFUSED"
    refusal = Refusal.CONFLICT
    title = "Refused."


def _configure(exporter: SpanExporter, sample_ratio: float = 1.0) -> None:
    traces.configure_traces(exporter=exporter, role="worker", version="1.2.3", sample_ratio=sample_ratio)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    _configure(exporter)
    yield exporter
    traces.shutdown_traces()


def finished(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    traces.flush_traces()
    return exporter.get_finished_spans()


def test_nothing_happens_while_traces_are_off() -> None:
    traces.configure_traces(role="api", version="1")
    assert not traces.enabled()
    with traces.span("x", attributes={"a": 1}, parent=PARENT) as span:
        assert span is INVALID_SPAN
        span.set_attribute("a", 1)
        assert traces.inject() is None
        assert traces.current_trace_id() is None
        assert traces.current_ids() == {}
    assert traces.span("x") is traces.query_span("y") is traces.NO_SPAN
    assert traces.extract({"traceparent": PARENT}) is None
    traces.annotate("x", {})
    traces.flush_traces()
    traces.shutdown_traces()


def test_a_span_says_what_and_where(spans: InMemorySpanExporter) -> None:
    with traces.span("GET /x", SpanKind.SERVER, {"http.request.method": "GET"}):
        with traces.query_span("account.by_id"):
            pass
        traces.annotate("GET /x/{id}", {"http.route": "/x/{id}"})
    query, request = finished(spans)
    assert query.name == "account.by_id"
    assert query.kind is SpanKind.CLIENT
    assert dict(query.attributes or {}) == {"db.system.name": "postgresql", "db.operation.name": "account.by_id"}
    assert query.parent is not None
    assert request.context is not None
    assert query.parent.span_id == request.context.span_id
    assert (request.name, request.kind) == ("GET /x/{id}", SpanKind.SERVER)
    assert dict(request.attributes or {}) == {"http.request.method": "GET", "http.route": "/x/{id}"}
    assert request.status.status_code is StatusCode.UNSET
    resource = request.resource.attributes
    assert (resource["service.name"], resource["service.version"], resource["agon.role"]) == ("agon", "1.2.3", "worker")
    assert request.end_time is not None
    assert request.start_time is not None
    assert request.end_time >= request.start_time


def test_the_context_goes_through_a_stored_text(spans: InMemorySpanExporter) -> None:
    with traces.span("POST /x", parent=traces.extract({"traceparent": PARENT})):
        stored = traces.inject()
        assert traces.current_trace_id() == TRACE
    assert traces.current_trace_id() is None
    assert traces.inject() is None
    with traces.span("job mail.send", SpanKind.CONSUMER, parent=stored):
        pass
    request, job = finished(spans)
    assert request.context is not None
    assert job.context is not None
    assert request.parent is not None
    assert job.parent is not None
    assert f"{request.context.trace_id:032x}" == f"{job.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert job.parent.span_id == request.context.span_id
    assert stored == f"00-{TRACE}-{request.context.span_id:016x}-01"


@pytest.mark.parametrize(
    "header",
    ["", "x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-b7ad6b7169203331-01",
     f"00-{TRACE.upper()}-b7ad6b7169203331-01", PARENT + "-x", "0" * 10_000],
)  # fmt: skip
def test_a_context_that_is_none_begins_a_new_trace(spans: InMemorySpanExporter, header: str) -> None:
    assert traces.extract({"traceparent": header}) is None
    with traces.span("x", parent=header):
        assert traces.current_trace_id() not in {None, TRACE, "0" * 32}


def test_any_header_is_borne() -> None:
    _configure(InMemorySpanExporter())
    try:

        @given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{30,34}-[0-9a-f]{16}-.{0,3}"))
        def bear(header: str) -> None:
            with traces.span("x", parent=header):
                assert traces.current_trace_id() is not None

        bear()
    finally:
        traces.shutdown_traces()


async def test_tasks_do_not_share_their_spans(spans: InMemorySpanExporter) -> None:
    async def request(name: str) -> str | None:
        with traces.span(name):
            await asyncio.sleep(0)
            with traces.span(f"inner {name}"):
                await asyncio.sleep(0)
                return traces.current_trace_id()

    first, second = await asyncio.gather(request("a"), request("b"))
    assert first != second
    assert len({span.context.trace_id for span in finished(spans) if span.context}) == 2


def test_an_error_marks_the_span_and_a_refusal_does_not(spans: InMemorySpanExporter) -> None:
    for error in (ValueError("password=hunter2"), _Refused(), asyncio.CancelledError()):
        with pytest.raises(type(error)), traces.span("x"):
            raise error
    failed, refused, cancelled = finished(spans)
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ValueError: password=[redacted]"
    (event,) = failed.events
    attributes = dict(event.attributes or {})
    assert (event.name, attributes["exception.type"]) == ("exception", "ValueError")
    assert "test_an_error_marks" in str(attributes["exception.stacktrace"])
    assert refused.status.status_code is cancelled.status.status_code is StatusCode.UNSET
    assert dict(refused.attributes or {}) == {"agon.refusal": "TEST_TRACES_REFUSED"}
    assert dict(cancelled.attributes or {}) == {"agon.cancelled": True}
    assert not refused.events
    assert traces.current_trace_id() is None


def test_log_lines_carry_the_trace(spans: InMemorySpanExporter) -> None:
    with captured_logs() as logs:
        with traces.span("x", parent=PARENT):
            structlog.get_logger("agon.test").info("inside")
        structlog.get_logger("agon.test").info("outside")
    inside, outside = logs.lines
    (span,) = finished(spans)
    assert span.context is not None
    assert (inside["trace_id"], inside["span_id"]) == (TRACE, f"{span.context.span_id:016x}")
    assert "trace_id" not in outside
