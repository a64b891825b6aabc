"""Samples: calls as one types them, and JSON as one reads it."""

import re
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from markupsafe import Markup, escape

_TEXT = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rf"(?P<key>{_TEXT})(?=:)|(?P<text>{_TEXT})|(?P<value>-?\d[\d.eE+-]*|true|false|null)")


def pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def coloured(value: Any) -> Markup:
    """JSON with its keys, texts and values marked, for the style sheet to colour."""
    text, done, parts = pretty(value), 0, list[Markup]()
    for match in _TOKEN.finditer(text):
        parts.append(escape(text[done : match.start()]))
        parts.append(Markup('<span class="{}">{}</span>').format(match.lastgroup, match.group()))
        done = match.end()
    parts.append(escape(text[done:]))
    return Markup("").join(parts)


def curl(base_url: str, path: str, method: str, operation: dict[str, Any]) -> str:
    """A call of an operation with curl, its example as the body.

    Args:
        base_url: such as `https://agon.example`.
        path: with its parameters in braces.
        method: in small letters.
        operation: from the description.
    """
    query: dict[str, str] = {}
    for each in operation.get("parameters", []):
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(_value(each["schema"])))
        elif each["in"] == "query" and each["required"]:
            query[each["name"]] = _value(each["schema"])
    address = f"{base_url}{path}" + (f"?{urlencode(query)}" if query else "")
    words = [f"curl {'' if method == 'get' else f'-X {method.upper()} '}{_quoted(address)}"]
    if operation["security"] and operation["security"][0]:
        words.append('-H "Authorization: Bearer $TOKEN"')
    if operation.get("x-idempotency") == "required":
        words.append('-H "Idempotency-Key: $(uuidgen)"')
    if body := operation.get("requestBody"):
        words.append("-H 'Content-Type: application/json'")
        words.append(f"-d {_quoted(pretty(body['content']['application/json']['example']))}")
    return " \\\n  ".join(words)


def _value(schema: dict[str, Any]) -> str:
    by_format = {"uuid": "0198c5f2-6b1e-7c3a-9d40-2f8e6a1b7c55", "date-time": "2026-03-14T09:26:53Z"}
    return str(schema.get("default") or schema.get("minimum") or by_format.get(schema.get("format", ""), "text"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
