"""Errors as text: their class, message and traceback, without secrets and without the values of statements."""

import re
import traceback
from collections.abc import Iterator
from typing import cast

from agon.platform.observability.patterns import HIDDEN, scrub

_MOST_FRAMES = 40
_MOST_CAUSES = 20
_DATA_EXCEPTION = "22"
"""The class of SQLSTATEs whose messages quote a value (PostgreSQL, appendix A)."""
_REFUSED_ARGUMENT = "invalid input for query argument"
_BEFORE_VALUE = re.compile(r"[^\d\"'«»‹›„“”‘’]*")


def describe_error(error: BaseException) -> str:
    """The class of an error and its message."""
    return f"{type(error).__qualname__}: {scrub(_without_values(text_of(error), error))}"


def format_error(error: BaseException) -> str:
    """A traceback with causes, without the values of variables."""
    lines = traceback.TracebackException.from_exception(error, limit=-_MOST_FRAMES, capture_locals=False, compact=True)
    return scrub(_without_values("".join(lines.format()).rstrip(), error))


def text_of(value: object) -> str:
    """What an object says of itself; its own fault must not become the fault of whoever logs it."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  any code may stand behind `str`
        return f"[{type(value).__qualname__} has no text: {type(error).__qualname__}]"


def _without_values(text: str, error: BaseException) -> str:
    """The text without what errors of the database and its driver quote of a statement's values.

    They are known by what they are, not by how they are worded: PostgreSQL's messages are many, and may be translated.
    """
    for one in _chain(error):
        message = text_of(one)
        if message.startswith(_REFUSED_ARGUMENT):
            text = text.replace(message, f"{_REFUSED_ARGUMENT} {HIDDEN}")
            for cause in _chain(one):
                if cause is not one and text_of(cause):
                    text = text.replace(f": {text_of(cause)}", f": {HIDDEN}")
        elif str(getattr(one, "sqlstate", None) or "").startswith(_DATA_EXCEPTION):
            before = _BEFORE_VALUE.match(message)
            kept = before[0] if before else ""
            text = text.replace(message, message if kept == message else f"{kept}{HIDDEN}")
    return text


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its causes and contexts and the members of groups, each once."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MOST_CAUSES:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [each for each in (one.__cause__, one.__context__) if each is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += cast("tuple[BaseException, ...]", one.exceptions)
