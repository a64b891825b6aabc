"""Secrets planted into every way that leads into the logs: none may come out."""

import dataclasses
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given, settings
from structlog.contextvars import bind_contextvars

from agon.platform.observability.lines import LogFormat
from tests.unit.platform.observability_support import PASSPHRASES, SECRET_NAMES, SHAPED, assert_hidden, captured_logs

log = structlog.get_logger("agon.test")
library = logging.getLogger("library")


class _Struct(msgspec.Struct):
    note: str


@dataclasses.dataclass
class _Record:
    note: str


class _Talkative:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return f"<Talkative {self._text}>"


def _say(event: str, *arguments: str) -> None:
    log.info(event, *arguments)


def _raise_and_log(error: Exception) -> None:
    held = str(error)  # a variable of the frame, which must not be shown
    try:
        if held is not None:
            raise error
    except Exception:
        log.exception("failed")


def _chained(secret: str) -> None:
    try:
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise KeyError("outer") from error
    except KeyError:
        log.exception("failed")


def _noted(secret: str) -> Exception:
    error = ValueError("noted")
    error.add_note(f"seen: {secret}")
    return error


def _library_exception(secret: str) -> None:
    try:
        raise ValueError(f"for {secret}")
    except ValueError:
        library.exception("failed")


def _warn(secret: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"about {secret} here", UserWarning, stacklevel=1)


def _thread(secret: str) -> None:
    def fail() -> None:
        raise ValueError(secret)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def _unraisable(secret: str) -> None:
    class Unclosable:
        def __del__(self) -> None:
            raise ValueError(secret)

    Unclosable()


BY_SHAPE: dict[str, Callable[[str], Any]] = {
    "event": lambda secret: _say(f"saw {secret} go by"),
    "field": lambda secret: log.info("saw", note=secret),
    "bound field": lambda secret: log.bind(note=f"x {secret}").info("saw"),
    "context": lambda secret: (bind_contextvars(note=f"({secret})"), log.info("saw")),
    "nested": lambda secret: log.info("saw", note={"a": [{"b": (secret, {secret})}]}),
    "key": lambda secret: log.info("saw", note={secret: 1}),
    "struct": lambda secret: log.info("saw", note=_Struct(secret)),
    "dataclass": lambda secret: log.info("saw", note=[_Record(secret)]),
    "object": lambda secret: log.info("saw", note=_Talkative(secret)),
    "error as field": lambda secret: log.info("saw", note=ValueError(secret)),
    "error": lambda secret: _raise_and_log(ValueError(secret)),
    "error arguments": lambda secret: _raise_and_log(ValueError("x", {"note": [secret]}, 5)),
    "key error": lambda secret: _raise_and_log(KeyError(secret)),
    "cause": _chained,
    "note of an error": lambda secret: _raise_and_log(_noted(secret)),
    "group": lambda secret: _raise_and_log(ExceptionGroup("several", [ValueError(secret), KeyError("x")])),
    "positional": lambda secret: _say("saw", secret),
    "library text": lambda secret: library.warning(f"saw {secret}"),
    "library argument": lambda secret: library.warning("saw %s and %r", secret, secret),
    "library structure": lambda secret: library.warning("saw %s", {"a": [secret]}),
    "library mapping": lambda secret: library.warning("saw %(note)s", {"note": secret}),
    "library object": lambda secret: library.warning("saw %r", _Talkative(secret)),
    "library misfit": lambda secret: library.warning("saw %d", secret),
    "library error": _library_exception,
    "warning": _warn,
    "uncaught": lambda secret: sys.excepthook(ValueError, ValueError(secret), None),
    "thread": _thread,
    "unraisable": _unraisable,
}

BY_NAME: dict[str, Callable[[str, str], Any]] = {
    "field": lambda name, secret: log.info("saw", **{name: secret}),
    "bound field": lambda name, secret: log.bind(**{name: secret}).info("saw"),
    "context": lambda name, secret: (bind_contextvars(**{name: secret}), log.info("saw")),
    "number": lambda name, secret: log.info("saw", note={name: int(secret.split()[0], 16)}),
    "nested": lambda name, secret: log.info("saw", note=[{"a": {name: [secret]}}]),
    "header": lambda name, secret: log.info("saw", headers=[(name.encode(), secret.encode()), (name, secret)]),
    "error": lambda name, secret: _raise_and_log(ValueError({name: secret})),
    "error text": lambda name, secret: _raise_and_log(ValueError(f"cannot use {name}={secret!r} here")),
    "library mapping": lambda name, secret: library.warning(f"saw %({name})s", {name: secret}),
    "library structure": lambda name, secret: library.warning("saw %s", [{name: secret}]),
    "library argument": lambda name, secret: library.warning(f"{name} %s", secret),
    "uncaught": lambda name, secret: sys.excepthook(ValueError, ValueError({"a": {name: secret}}), None),
}


@pytest.mark.parametrize("line_format", LogFormat)
@pytest.mark.parametrize("way", BY_SHAPE)
def test_no_secret_that_can_be_recognised_comes_out(way: str, line_format: LogFormat) -> None:
    with captured_logs(line_format=line_format) as logs:

        @given(SHAPED)
        @settings(max_examples=100 if line_format is LogFormat.JSON else 25)
        def plant(secret: str) -> None:
            logs.forget()
            BY_SHAPE[way](secret)
            assert logs.text
            assert_hidden(secret, logs.text)

        plant()


@pytest.mark.parametrize("line_format", LogFormat)
@pytest.mark.parametrize("way", BY_NAME)
def test_no_secret_under_its_name_comes_out(way: str, line_format: LogFormat) -> None:
    with captured_logs(line_format=line_format) as logs:

        @given(SECRET_NAMES, PASSPHRASES)
        @settings(max_examples=100 if line_format is LogFormat.JSON else 25)
        def plant(name: str, secret: str) -> None:
            logs.forget()
            BY_NAME[way](name, secret)
            assert logs.text
            for word in secret.split():
                assert word not in logs.text
                assert str(int(word, 16)) not in logs.text

        plant()
