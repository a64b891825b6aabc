"""Traces: spans over requests, statements, events and jobs, joined across processes by the W3C trace context.

Off until `configure_traces` is given somewhere to send spans; then each use costs one comparison.
"""

import asyncio
import threading
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from agon.kernel.errors import DomainError
from agon.platform.observability.error_text import describe_error, format_error

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = [
    "NO_SPAN",
    "SpanKind",
    "annotate",
    "configure_traces",
    "current_ids",
    "current_trace_id",
    "enabled",
    "extract",
    "flush_traces",
    "inject",
    "query_span",
    "shutdown_traces",
    "span",
]

_HEADER: Final = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()


class _Tracing:
    """Where spans go: nowhere, until configured."""

    tracer: Tracer | None = None
    provider: "TracerProvider | None" = None


def configure_traces(
    *,
    exporter: "SpanExporter | None" = None,
    otlp_endpoint: str | None = None,
    service: str = "agon",
    role: str,
    version: str,
    sample_ratio: float = 1.0,
) -> None:
    """Start sending spans; does nothing where neither an exporter nor an endpoint is given.

    Args:
        exporter: where spans go, redacted.
        otlp_endpoint: of a collector that speaks OTLP over HTTP, such as `http://127.0.0.1:4318`.
        service: `service.name` of every span.
        role: of this process, `agon.role` of every span.
        version: of the program, `service.version` of every span.
        sample_ratio: how many of the traces are recorded, 0 to 1. The same trace is recorded in every process or in
            none, and a caller who marks its own trace as sampled gets no larger share.

    Raises:
        RuntimeError: the OTLP exporter is not installed.
        ValueError: the ratio is not between 0 and 1.
    """
    shutdown_traces()
    if exporter is None and otlp_endpoint is None:
        return
    from agon.platform.observability.span_export import make_otlp_exporter, make_provider

    target = make_otlp_exporter(otlp_endpoint) if exporter is None and otlp_endpoint is not None else exporter
    assert target is not None
    resource = {"service.name": service, "service.version": version, "agon.role": role}
    _Tracing.provider = make_provider(target, resource, sample_ratio)
    _Tracing.tracer = _Tracing.provider.get_tracer("agon", version)


def flush_traces() -> None:
    """Send what is waiting; blocks while it is being sent."""
    if _Tracing.provider is not None:
        _Tracing.provider.force_flush()


def shutdown_traces(timeout: float = 5.0) -> None:
    """Send what is waiting and stop; blocks, at most for `timeout` seconds: a dead collector must not hold the exit."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        last_export = threading.Thread(target=provider.shutdown, name="last span export", daemon=True)
        last_export.start()
        last_export.join(timeout)


def enabled() -> bool:
    """Whether spans are being made."""
    return _Tracing.tracer is not None


class _NoSpan:
    """What `span` returns while traces are off."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return INVALID_SPAN

    def __exit__(self, *_: object) -> None:
        return None


class _ActiveSpan:
    """A span that is the current one inside its `with` block, and remembers the error that left the block."""

    __slots__ = ("_span", "_token")

    def __init__(self, started: Span) -> None:
        self._span = started
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        if self._token is not None:
            contexts.detach(self._token)
        if error is not None and self._span.is_recording():
            _record_error(self._span, error)
        self._span.end()


NO_SPAN: Final = _NoSpan()


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
    parent: Context | str | None = None,
) -> _ActiveSpan | _NoSpan:
    """A context manager that makes a span of its block.

    Args:
        name: of few values: a route template, the name of a query, job or event.
        kind: server, client, producer, consumer or internal.
        attributes: identifiers, names and numbers; redacted before they are sent.
        parent: what `extract` returned, or the text that `inject` returned; the current span when not given.
    """
    tracer = _Tracing.tracer
    if tracer is None:
        return NO_SPAN
    context = extract({_HEADER: parent}) if isinstance(parent, str) else parent
    return _ActiveSpan(tracer.start_span(name, context, kind, attributes, record_exception=False))


def query_span(query_name: str) -> _ActiveSpan | _NoSpan:
    """A span over one SQL statement, known by the name of its `Query`; neither its text nor its values are kept."""
    if _Tracing.tracer is None:
        return NO_SPAN
    attributes = {"db.system.name": "postgresql", "db.operation.name": query_name}
    return span(query_name, SpanKind.CLIENT, attributes)


def annotate(name: str, attributes: Mapping[str, AttributeValue]) -> None:
    """Name the current span, and add to it, once more is known of it: the route of a request."""
    if _Tracing.tracer is not None:
        active = trace.get_current_span()
        active.update_name(name)
        active.set_attributes(attributes)


def extract(headers: Mapping[str, str]) -> Context | None:
    """The context a caller sent in `traceparent`; None while traces are off, or where it sent none that is valid.

    `tracestate` is left out: it is for tracing systems in front of this one, which see it themselves.
    Source: W3C Trace Context, section 3.2.
    """
    if _Tracing.tracer is None:
        return None
    header = headers.get(_HEADER)
    if not header:
        return None
    context = _PROPAGATOR.extract({_HEADER: header})
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def inject() -> str | None:
    """The current span as a `traceparent`, to be sent to others or stored with an event or a job; None without one."""
    if _Tracing.tracer is None:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(_HEADER)


def current_trace_id() -> str | None:
    """The id of the current trace, 32 hexadecimal digits, for problem answers; None without one."""
    return current_ids().get("trace_id")


def current_ids() -> dict[str, str]:
    """`trace_id` and `span_id` of the current span; empty without one."""
    if _Tracing.tracer is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _record_error(target: Span, error: BaseException) -> None:
    """A refusal is an answer and a cancellation is nobody's fault; anything else is an error of the span."""
    if isinstance(error, DomainError):
        target.set_attribute("agon.refusal", getattr(error, "code", type(error).__qualname__))
    elif isinstance(error, asyncio.CancelledError | GeneratorExit):
        target.set_attribute("agon.cancelled", True)
    else:
        message = describe_error(error)
        attributes = {
            "exception.type": type(error).__qualname__,
            "exception.message": message,
            "exception.stacktrace": format_error(error),
        }
        target.add_event("exception", attributes)
        target.set_status(Status(StatusCode.ERROR, message))
