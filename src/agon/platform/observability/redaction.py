"""Values made safe to leave the process: by the names they stand under, at any depth, and by what they look like."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import msgspec

from agon.platform.observability.error_text import describe_error, text_of
from agon.platform.observability.patterns import HARMLESS_ENDINGS, HIDDEN, SECRET_WORDS, SHORT_SECRET_WORDS, scrub

_DEEPEST = 8
_LONGEST = 100
_TOO_DEEP = "[too deep]"

_PRIVATE_WORDS = frozenset({"email", "emails", "ip", "ips", "phone", *SHORT_SECRET_WORDS})
_COMPACT_WORDS = tuple(sorted({re.sub(r"[^a-z]", "", word) for word in SECRET_WORDS} | {"emailaddress", "ipaddress"}))
# What a statement was given. "args" and "parameters" name the same thing in drivers and error trackers.
_STATEMENT_VALUES = frozenset({"args", "arguments", "params", "parameters", "bind_values"})
_HARMLESS = frozenset(HARMLESS_ENDINGS)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# An identifier in its own field is told from a token by its length and alphabet.
_IDENTIFIERS = frozenset({"request_id", "trace_id", "span_id", "parent_span_id", "traceparent", "trace", "event_id"})
_IDENTIFIER = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is hidden whatever it is: `password`, `X-Api-Key`, `refreshToken`, `ip`."""
    return _judge_name(name)[1]


def redact(fields: Mapping[str, object]) -> dict[str, object]:
    """A copy of these fields without secrets, of values that JSON can hold (msgspec writes UUIDs and times itself)."""
    return cast("dict[str, object]", _redact_mapping(fields, 0))


def redact_value(value: object) -> object:
    """A value without the secrets in it, as `redact` makes it."""
    return _redact(value, 0)


def _redact(value: object, depth: int) -> object:
    handler = _HANDLERS.get(type(value))
    return _redact_other(value, depth) if handler is None else handler(value, depth)


def _keep(value: object, _: int) -> object:
    return value


def _redact_text(value: str, _: int) -> str:
    return scrub(value)


def _redact_bytes(value: bytes, _: int) -> str:
    return f"[{len(value)} bytes]"


def _redact_mapping(value: Mapping[Any, object], depth: int) -> object:
    if depth > _DEEPEST:
        return _TOO_DEEP
    redacted: dict[str, object] = {}
    for count, (key, item) in enumerate(value.items()):
        if count == _LONGEST:
            redacted["..."] = f"{len(value) - count} more"
            break
        name = key if type(key) is str else _name_of(key)
        shown_name, secret = _judge_name(name)
        if item is None or type(item) is bool:
            redacted[shown_name] = item
        elif secret:
            redacted[shown_name] = HIDDEN
        elif name in _IDENTIFIERS and type(item) is str and _IDENTIFIER.fullmatch(item):
            redacted[name] = item
        else:
            redacted[shown_name] = _redact(item, depth + 1)
    return redacted


def _redact_sequence(value: Sequence[object] | Set[object], depth: int) -> object:
    if depth > _DEEPEST:
        return _TOO_DEEP
    items = list(value) if len(value) <= _LONGEST else [item for item, _ in zip(value, range(_LONGEST), strict=False)]
    if len(items) == 2 and isinstance(items[0], str | bytes) and is_secret_name(_name_of(items[0])):
        return [_redact(items[0], depth + 1), HIDDEN]  # one pair of a list of headers
    redacted = [_redact(item, depth + 1) for item in items]
    return redacted if len(value) == len(items) else [*redacted, f"{len(value) - len(items)} more"]


def _redact_struct(value: msgspec.Struct, depth: int) -> object:
    return _redact_mapping({name: getattr(value, name, None) for name in value.__struct_fields__}, depth)


def _redact_other(value: object, depth: int) -> object:
    """What is none of the plain types: known families by their parts, anything else by its own description."""
    for family, handler in _FAMILIES:
        if isinstance(value, family):
            return handler(value, depth)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return _redact_mapping({name: getattr(value, name, None) for name in names}, depth)
    return scrub(text_of(value))


@lru_cache(maxsize=4096)
def _judge_name(name: str) -> tuple[str, bool]:
    """A name as it may be shown (a key may be data as well: an address in a map), and whether its value may not."""
    shown = scrub(name)
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _HARMLESS:
        return shown, False
    compact = "".join(words)
    return shown, (
        not _PRIVATE_WORDS.isdisjoint(words)
        or "_".join(words) in _STATEMENT_VALUES
        or any(word in compact for word in _COMPACT_WORDS)
    )


def _name_of(key: object) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else text_of(key)


_Handler = Callable[[Any, int], object]

_HANDLERS: dict[type, _Handler] = {
    str: _redact_text,
    bytes: _redact_bytes,
    dict: _redact_mapping,
    list: _redact_sequence,
    tuple: _redact_sequence,
    timedelta: lambda value, _: value.total_seconds(),
    **dict.fromkeys((int, float, bool, type(None), UUID, datetime, date, time, Decimal), _keep),
}
_FAMILIES: tuple[tuple[type | tuple[type, ...], _Handler], ...] = (
    (type, lambda value, _: value.__qualname__),
    (Enum, lambda value, depth: _redact(value.value, depth)),
    (BaseException, lambda value, _: describe_error(value)),
    (str, lambda value, _: scrub(str(value))),
    ((int, float, datetime, date, time, UUID, Decimal), _keep),
    (Mapping, _redact_mapping),
    ((list, tuple, set, frozenset), _redact_sequence),
    ((bytes, bytearray, memoryview), lambda value, depth: _redact_bytes(bytes(value), depth)),
    (msgspec.Struct, _redact_struct),
)
