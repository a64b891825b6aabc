"""Everything that other code says, through the standard library's logging or by failing, as our own log lines."""

import logging
import sys
import threading
from collections.abc import Mapping
from numbers import Number
from types import TracebackType
from typing import Any

from structlog.contextvars import merge_contextvars

from agon.platform.observability.lines import LINES
from agon.platform.observability.patterns import HIDDEN, mentions_secret
from agon.platform.observability.redaction import redact, redact_value

# What these say below the level would be secrets, or noise in every request.
_FLOORS = {
    "uvicorn.error": logging.WARNING,  # prints the URLs of sockets, tickets included, and at debug their frames
    "websockets": logging.WARNING,  # prints headers and frames
    "httpcore": logging.WARNING,  # prints headers
    "httpx": logging.WARNING,  # prints URLs
    "urllib3": logging.WARNING,
    "sqlalchemy": logging.WARNING,  # prints statements with their values
    "multipart": logging.INFO,  # prints bodies
    "python_multipart": logging.INFO,
    "botocore": logging.INFO,  # prints signatures
    "redis": logging.INFO,
    "PIL": logging.INFO,
    "asyncio": logging.INFO,
}
_OUR_OWN_HANDLING = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "pgqueuer", "alembic")


LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class LineHandler(logging.Handler):
    """Turns records of the standard library into log lines."""

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug")
        _write(record, level, {"event": _message_of(record), "exc_info": record.exc_info})


def capture_standard_logging(threshold: int) -> None:
    """Make the root logger write log lines from this level on, and take away what others have put in its place."""
    root = logging.getLogger()
    root.handlers[:] = [LineHandler()]
    root.setLevel(threshold)
    for name in _OUR_OWN_HANDLING:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, floor in _FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, threshold))
    access = logging.getLogger("uvicorn.access")  # requests are logged by the HTTP edge, without their query strings
    access.handlers.clear()
    access.propagate = False


def capture_uncaught_errors() -> None:
    """Log what ends a thread or the process, warnings, and what is raised where nobody can catch it."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _write(None, "critical", {"event": "uncaught error", "exc_info": error})


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    where = getattr(unraisable.object, "__qualname__", type(unraisable.object).__qualname__)
    _write(None, "error", {"event": "error that could not be raised", "where": where, "exc_info": unraisable.exc_value})


def _uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else ""
    _write(None, "error", {"event": "uncaught error in a thread", "thread": name, "exc_info": failure.exc_value})


def _write(logger: object, level: str, event: dict[str, Any]) -> None:
    LINES.write(LINES(logger, level, merge_contextvars(logger, level, event)))


def _message_of(record: logging.LogRecord) -> str:
    """The text of a record, whose arguments are redacted before they lose their names in it."""
    template = str(record.msg)
    if not record.args:
        return template
    hide = mentions_secret(template)
    try:
        return template % _redact_arguments(record.args, hide=hide)
    except Exception as error:  # noqa: BLE001  any code may stand behind an argument
        return f"{template} (arguments do not fit: {type(error).__qualname__})"


def _redact_arguments(arguments: tuple[object, ...] | Mapping[str, object], *, hide: bool) -> object:
    if isinstance(arguments, Mapping):
        return redact(arguments)
    return tuple(HIDDEN if hide and isinstance(item, str | bytes) else _redact_argument(item) for item in arguments)


def _redact_argument(value: object) -> object:
    """Containers are redacted by the names in them; numbers stay, `%d` needs them; texts are scrubbed with the rest."""
    return value if isinstance(value, str | Number) else redact_value(value)
