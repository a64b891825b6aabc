"""How one log line is made: fields from the call and the context, secrets taken out, one JSON object or one row."""

import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

from agon.platform.context import RequestContext, current
from agon.platform.observability import traces
from agon.platform.observability.error_text import format_error
from agon.platform.observability.patterns import scrub
from agon.platform.observability.redaction import redact

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_BREAKS = re.compile(r"[\t\n\x0b-\x1f\x7f-\x9f\u2028\u2029]")

_NO_REQUEST = RequestContext().request_id

Line = dict[str, object]
ErrorHook = Callable[[BaseException, Mapping[str, object]], None]
ExceptionInfo = (
    bool
    | BaseException
    | tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
    | None
)


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class LogLines:
    """Makes and writes lines; there is one in a process, configured in place, so that loggers may be made early.

    Until it is configured it already writes redacted JSON to standard error.
    """

    def __init__(self) -> None:
        self.threshold = 20
        self.lost = 0
        """Lines that could not be written: the disk is full, or whoever read the stream is gone."""
        self.on_error: ErrorHook | None = None
        """Called with the error of each line at level error or above, and with the line."""
        self._always: Line = {"service": "agon"}
        self._stream: BinaryIO | None = None
        self._render: Callable[[Line], bytes] = render_json

    def configure(self, *, threshold: int, always: Line, render: Callable[[Line], bytes], stream: BinaryIO) -> None:
        self.threshold = threshold
        self._always = always
        self._render = render
        self._stream = stream

    def __call__(self, logger: object, level: str, event: MutableMapping[str, Any]) -> bytes:
        """Make the line, as structlog's last processor. Whatever the fields hold, logging does not fail the caller."""
        try:
            return self._make(getattr(logger, "name", None), level, event)
        except Exception as error:  # noqa: BLE001  any code may stand behind a logged value
            line: Line = {"time": _now(), "level": "error", "event": "a log line could not be made", **self._always}
            return render_json(line | {"error": type(error).__qualname__})

    def write(self, line: bytes) -> None:
        stream = sys.stderr.buffer if self._stream is None else self._stream
        try:
            stream.write(line)
            stream.flush()
        except (OSError, ValueError, RuntimeError):  # full, closed, or written to by a signal handler meanwhile
            self.lost += 1

    def _make(self, name: str | None, level: str, event: MutableMapping[str, Any]) -> bytes:
        error = _error_of(event.pop("exc_info", None))
        line: Line = {"time": _now(), "level": level, "event": scrub(str(event.pop("event", "")))}
        line |= self._always
        if name is not None:
            line["logger"] = name
        _add_context(line)
        for field, value in redact(event).items():
            line[f"{field}_" if field in line else field] = value
        if error is not None:
            line["error"] = type(error).__qualname__
            line["exception"] = format_error(error)
            if self.on_error is not None and level in {"error", "critical"}:
                self._report(self.on_error, error, line)
        return self._render(line)

    def _report(self, hook: ErrorHook, error: BaseException, line: Line) -> None:
        try:
            hook(error, line)
        except Exception as fault:  # noqa: BLE001  the tracker's fault must not hide the error that is being logged
            line["error_tracking"] = f"failed: {type(fault).__qualname__}"


def _add_context(line: Line) -> None:
    """Whose request or job the line belongs to; never the client's address."""
    context = current()
    if context.request_id != _NO_REQUEST:
        line["request_id"] = context.request_id
        if context.route:
            line["route"] = context.route
        if context.principal is not None:
            line["account_id"] = context.principal.account_id
    if traces.enabled():
        line |= traces.current_ids()


def render_json(line: Line) -> bytes:
    try:
        return _JSON.encode(line) + b"\n"
    except (UnicodeEncodeError, TypeError, OverflowError):
        return _JSON.encode(_plain(line)) + b"\n"


def console_renderer(*, colors: bool) -> Callable[[Line], bytes]:
    """Rows for people; control characters are shown as escapes, so that a value cannot forge a row."""
    from structlog.dev import ConsoleRenderer, plain_traceback

    renderer = ConsoleRenderer(
        colors=colors, timestamp_key="time", sort_keys=False, exception_formatter=plain_traceback
    )

    def render(line: Line) -> bytes:
        row = {name: _one_row(name, value) for name, value in _plain(line).items() if name != "service"}
        return f"{renderer(None, '', row)}\n".encode(errors="backslashreplace")

    return render


def _one_row(name: str, value: object) -> object:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return (_CONTROL if name == "exception" else _LINE_BREAKS).sub(lambda match: repr(match[0])[1:-1], text)


def _plain(value: Any) -> Any:
    """The value as JSON has it, with half surrogate pairs written as escapes."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_plain(str(name)): _plain(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  any mapping
    if isinstance(value, list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  any list
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def _error_of(exc_info: ExceptionInfo) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return sys.exc_info()[1] if exc_info else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_JSON = msgspec.json.Encoder(enc_hook=str)

LINES = LogLines()
