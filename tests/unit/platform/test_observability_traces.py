"""Traces: spans, the context that joins them over processes, and what they may not carry."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from agon.kernel.errors import DomainError, Refusal
from agon.platform.observability import traces
from tests.unit.platform.observability_support import PASSPHRASES, SECRET_NAMES, SHAPED, assert_hidden, captured_logs

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


def _texts(spans: tuple[ReadableSpan, ...]) -> str:
    return "".join(span.to_json() for span in spans)


def test_no_secret_leaves_with_a_span() -> None:
    exporter = InMemorySpanExporter()
    _configure(exporter)
    try:

        @given(SHAPED)
        def by_shape(secret: str) -> None:
            exporter.clear()
            link = Link(SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1)), {"note": secret})
            with suppress(ValueError), traces.span(f"x {secret}", attributes={"a": secret}) as span:
                span.set_attribute("many", [secret, secret])
                span.add_event(f"saw {secret}", {"note": secret})
                span.add_link(link.context, link.attributes)
                raise ValueError(secret)
            with traces.span("x") as span:
                span.set_status(Status(StatusCode.ERROR, f"for {secret}"))
            for seen in finished(exporter):
                assert_hidden(secret, json.dumps(json.loads(seen.to_json()), ensure_ascii=False))

        @given(SECRET_NAMES, PASSPHRASES)
        def by_name(name: str, secret: str) -> None:
            exporter.clear()
            with suppress(ValueError), traces.span("x", attributes={name: secret}) as span:
                span.set_attribute(f"http.request.header.{name}", secret)
                span.set_attribute("db.query.text", f"select '{secret}'")
                span.set_attribute("db.query.parameter.name", secret)
                raise ValueError({name: secret})
            text = _texts(finished(exporter))
            for word in secret.split():
                assert word not in text

        by_shape()
        by_name()
    finally:
        traces.shutdown_traces()


def test_the_share_of_traces_is_the_same_for_whoever_asks() -> None:
    exporter = InMemorySpanExporter()
    _configure(exporter, sample_ratio=0.0)
    with traces.span("x", parent=PARENT), traces.span("y"):
        assert traces.current_trace_id() == TRACE
        assert traces.inject() is not None
    assert finished(exporter) == ()
    exporter = InMemorySpanExporter()
    _configure(exporter, sample_ratio=1.0)
    with traces.span("x", parent=PARENT):
        pass
    with traces.span("unsampled by the caller", parent=PARENT[:-1] + "0"):
        pass
    assert [span.name for span in finished(exporter)] == ["x"]
    traces.shutdown_traces()


@pytest.mark.parametrize("ratio", [-0.1, 1.5])
def test_a_share_is_between_none_and_all(ratio: float) -> None:
    with pytest.raises(ValueError, match="range"):
        _configure(InMemorySpanExporter(), sample_ratio=ratio)
    assert not traces.enabled()


class _Stuck(SpanExporter):
    def __init__(self) -> None:
        self.release = threading.Event()

    def export(self, spans: object) -> SpanExportResult:
        self.release.wait(10)
        return SpanExportResult.FAILURE


def test_a_dead_collector_does_not_hold_the_exit() -> None:
    exporter = _Stuck()
    _configure(exporter)
    with traces.span("x"):
        pass
    try:
        began = time.monotonic()
        traces.shutdown_traces(timeout=0.05)
        assert time.monotonic() - began < 5
        assert not traces.enabled()
    finally:
        exporter.release.set()


def test_spans_reach_a_collector() -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        traces.configure_traces(otlp_endpoint=f"http://127.0.0.1:{server.server_port}", role="api", version="1")
        with traces.span("to the collector", attributes={"note": "bob@example.org"}):
            pass
        traces.shutdown_traces()
        server.shutdown()
        serving.join()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert b"to the collector" in body
    assert b"bob@" not in body


def test_an_endpoint_with_a_path_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    given_to: list[object] = []

    class Recorded(OTLPSpanExporter):
        def __init__(self, endpoint: str, timeout: float) -> None:
            given_to.extend((endpoint, timeout))

        def shutdown(self) -> None:
            pass

    monkeypatch.setattr("opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter", Recorded)
    traces.configure_traces(otlp_endpoint="https://collector.example/custom/traces", role="api", version="1")
    traces.shutdown_traces()
    assert given_to == ["https://collector.example/custom/traces", 5.0]


def test_a_missing_exporter_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(RuntimeError, match=r"install agon\[otlp\]"):
        traces.configure_traces(otlp_endpoint="http://127.0.0.1:4318", role="api", version="1")
    assert not traces.enabled()
