"""Logs: one JSON object a line, from this code and from libraries alike, with the context of the request.

Modules log through `structlog.get_logger(__name__)`; what they say goes where `configure_logs` has sent it.
"""

import logging
import sys
from typing import Any, BinaryIO

import structlog
from structlog.contextvars import merge_contextvars

from agon.platform.observability.lines import LINES, LogFormat, console_renderer, render_json
from agon.platform.observability.standard_logging import LEVELS, capture_standard_logging, capture_uncaught_errors

__all__ = ["LogFormat", "Logger", "configure_logs"]


class Logger(structlog.BoundLoggerBase):
    """Logs events with fields; a level that is off costs one comparison."""

    def debug(self, event: str, *arguments: object, **fields: object) -> None:
        if LINES.threshold <= logging.DEBUG:
            self._log("debug", event, arguments, fields)

    def info(self, event: str, *arguments: object, **fields: object) -> None:
        if LINES.threshold <= logging.INFO:
            self._log("info", event, arguments, fields)

    def warning(self, event: str, *arguments: object, **fields: object) -> None:
        if LINES.threshold <= logging.WARNING:
            self._log("warning", event, arguments, fields)

    def error(self, event: str, *arguments: object, **fields: object) -> None:
        if LINES.threshold <= logging.ERROR:
            self._log("error", event, arguments, fields)

    def exception(self, event: str, *arguments: object, **fields: object) -> None:
        """Log at level error, with the exception that is being handled."""
        if LINES.threshold <= logging.ERROR:
            self._log("error", event, arguments, {"exc_info": True, **fields})

    def critical(self, event: str, *arguments: object, **fields: object) -> None:
        self._log("critical", event, arguments, fields)

    def log(self, level: int, event: str, *arguments: object, **fields: object) -> None:
        """Log at a level given by its number in the standard library."""
        if level >= LINES.threshold:
            name = next((name for name, number in reversed(LEVELS.items()) if level >= number), "debug")
            self._log(name, event, arguments, fields)

    def _log(self, level: str, event: str, arguments: tuple[object, ...], fields: dict[str, object]) -> None:
        if arguments:
            fields["positional"] = arguments
        self._proxy_to_logger(level, event, **fields)


class _Output:
    """What structlog hands finished lines to, under the name of the level; knows whose lines they are."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def write(self, line: bytes) -> None:
        LINES.write(line)

    debug = info = warning = error = critical = write


_PROCESSORS: list[Any] = [merge_contextvars, LINES]


def configure_logs(
    *,
    level: str = "info",
    line_format: LogFormat = LogFormat.JSON,
    role: str,
    version: str,
    stream: BinaryIO | None = None,
) -> None:
    """Send the logs of this program and of every library, warnings and uncaught errors to one stream.

    Args:
        level: debug, info, warning, error or critical.
        line_format: JSON objects, or rows for people.
        role: of this process (`api`, `worker` …), in every line.
        version: of the program, in every line.
        stream: standard error when not given.

    Raises:
        ValueError: there is no such level.
    """
    if level not in LEVELS:
        message = f"there is no log level {level!r}; levels are {', '.join(LEVELS)}"
        raise ValueError(message)
    target = sys.stderr.buffer if stream is None else stream
    render = render_json if line_format is LogFormat.JSON else console_renderer(colors=target.isatty())
    always: dict[str, object] = {"service": "agon", "role": role, "version": version}
    LINES.configure(threshold=LEVELS[level], always=always, render=render, stream=target)
    structlog.configure(
        processors=_PROCESSORS, wrapper_class=Logger, logger_factory=_Output, cache_logger_on_first_use=True
    )
    capture_standard_logging(LEVELS[level])
    capture_uncaught_errors()
