"""The way of spans out of the process: sampled, batched, redacted."""

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import Attributes, AttributeValue

from agon.platform.observability.patterns import HIDDEN, scrub
from agon.platform.observability.redaction import redact

_EXPORT_SECONDS = 5.0
_STATEMENT_ATTRIBUTES = ("db.statement", "db.query.text", "db.query.parameter", "db.operation.parameter")


class RedactingExporter(SpanExporter):
    """Redacts every text of a span before it is handed on, whoever wrote it."""

    def __init__(self, target: SpanExporter) -> None:
        self._target = target

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._target.export([_redact_span(one) for one in spans])

    def shutdown(self) -> None:
        self._target.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._target.force_flush(timeout_millis)


def make_provider(target: SpanExporter, resource: Mapping[str, AttributeValue], sample_ratio: float) -> TracerProvider:
    """A provider that exports in batches from its own thread.

    Raises:
        ValueError: the ratio is not between 0 and 1.
    """
    share = TraceIdRatioBased(sample_ratio)
    # The caller's "sampled" is a wish: it is granted by the same ratio, which decides alike in every process.
    sampler = ParentBased(root=share, remote_parent_sampled=share)
    provider = TracerProvider(sampler, Resource.create(resource), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(RedactingExporter(target)))
    return provider


def make_otlp_exporter(endpoint: str) -> SpanExporter:
    """An exporter to a collector that speaks OTLP over HTTP.

    Raises:
        RuntimeError: the exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        message = "sending traces needs the OTLP exporter: install agon[otlp], or leave the endpoint empty"
        raise RuntimeError(message) from error
    path = urlsplit(endpoint).path.strip("/")
    url = endpoint if path else f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(endpoint=url, timeout=_EXPORT_SECONDS)


def _redact_span(span: ReadableSpan) -> ReadableSpan:
    status = span.status
    return ReadableSpan(
        name=scrub(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_redact_attributes(span.attributes),
        events=[
            Event(scrub(event.name), _redact_attributes(event.attributes), event.timestamp) for event in span.events
        ],
        links=[Link(link.context, _redact_attributes(link.attributes)) for link in span.links],
        kind=span.kind,
        status=Status(status.status_code, scrub(status.description)) if status.description else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _redact_attributes(attributes: Attributes) -> Attributes:
    redacted = redact(attributes or {})
    for name in redacted:
        if name.startswith(_STATEMENT_ATTRIBUTES):
            redacted[name] = HIDDEN
    return cast("Attributes", redacted)
