"""The way of spans out of the process: redacted, sampled, to a collector or nowhere."""

import json
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from agon.platform.observability import traces
from tests.unit.platform.observability_support import PASSPHRASES, SECRET_NAMES, SHAPED, assert_hidden

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def _configure(exporter: SpanExporter, sample_ratio: float = 1.0) -> None:
    traces.configure_traces(exporter=exporter, role="worker", version="1.2.3", sample_ratio=sample_ratio)


def finished(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    traces.flush_traces()
    return exporter.get_finished_spans()


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
