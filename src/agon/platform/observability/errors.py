"""Error tracking: unexpected errors sent to a service that speaks the Sentry protocol. Off without a DSN.

What is logged with an error at level error or above is sent, so nothing else has to know of it. Only what is built
here leaves the process: no variables, no requests, no breadcrumbs, no host name, and every text redacted.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from agon.platform.observability.lines import LINES
from agon.platform.observability.redaction import redact

if TYPE_CHECKING:
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

_TAGS = ("role", "logger", "route", "request_id", "trace_id", "event")
_OF_THE_CLIENT = ("sentry_sdk", "urllib3")
_DROPPED = ("breadcrumbs", "extra", "modules", "request", "server_name", "threads")
# Identifiers of the protocol, 32 hexadecimal digits, that would pass for secrets.
_KEPT = ("event_id", "timestamp", "level", "platform", "release", "environment", "sdk", "type")


def configure_error_tracking(
    dsn: str | None, *, environment: str, version: str, transport: "type[Transport] | None" = None
) -> None:
    """Send what is logged as an error with its exception; does nothing without a DSN.

    Args:
        dsn: of the project at the service.
        environment: development, test or production.
        version: of the program.
        transport: how events travel; HTTPS in the background when not given.

    Raises:
        RuntimeError: the client is not installed.
        ValueError: the DSN is not one; the message does not repeat it.
    """
    stop_error_tracking()
    if not dsn:
        return
    sdk = _import_client()
    try:
        sdk.init(dsn=dsn, release=f"agon@{version}", environment=environment, transport=transport, **_OPTIONS)
    except ValueError:  # the client's own message holds the DSN
        message = "the error tracking DSN is not one; it looks like https://key@host/project"
        raise ValueError(message) from None
    LINES.on_error = _Reporter(sdk)


def stop_error_tracking(timeout: float = 2.0) -> None:
    """Send what is waiting, for at most `timeout` seconds, and stop; blocks."""
    reporter, LINES.on_error = LINES.on_error, None
    if isinstance(reporter, _Reporter):
        reporter.close(timeout)


class _Reporter:
    """Sends the error of a log line, tagged with what the line says of its request."""

    def __init__(self, sdk: Any) -> None:
        self._sdk = sdk

    def __call__(self, error: BaseException, line: Mapping[str, object]) -> None:
        if str(line.get("logger", "")).startswith(_OF_THE_CLIENT):
            return  # what went wrong while sending would be sent, and go wrong
        with self._sdk.new_scope() as scope:
            scope.set_tags({name: str(line[name]) for name in _TAGS if name in line})
            if "account_id" in line:
                scope.set_user({"id": str(line["account_id"])})
            scope.set_level("fatal" if line["level"] == "critical" else "error")
            self._sdk.capture_exception(error)

    def close(self, timeout: float) -> None:
        self._sdk.get_client().close(timeout=timeout)


def _import_client() -> Any:
    try:
        import sentry_sdk
    except ImportError as error:
        message = "error tracking needs its client: install agon[sentry], or leave the DSN empty"
        raise RuntimeError(message) from error
    return sentry_sdk


def _drop(crumb: object, hint: object) -> None:
    """Breadcrumbs are not kept."""
    del crumb, hint


def _scrub_event(event: "Event", hint: "Hint") -> "Event | None":
    """The last word on every event before it leaves."""
    del hint
    fields = cast("dict[str, Any]", event)
    kept = {name: fields[name] for name in _KEPT if name in fields}
    rest = {name: value for name, value in fields.items() if name not in _KEPT and name not in _DROPPED}
    return cast("Event", {**redact(rest), **kept})


_OPTIONS: dict[str, Any] = {
    "before_send": _scrub_event,
    "before_breadcrumb": _drop,
    "max_breadcrumbs": 0,
    "default_integrations": False,  # they patch libraries and hooks, and add arguments of the command line
    "auto_enabling_integrations": False,
    "include_local_variables": False,
    "include_source_context": False,
    "max_request_body_size": "never",
    "auto_session_tracking": False,
    "send_client_reports": False,
    "enable_backpressure_handling": False,
    "enable_metrics": False,
    "enable_logs": False,
    "propagate_traces": False,
    "spotlight": False,
    "shutdown_timeout": 2,
}
