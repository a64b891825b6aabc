"""Examples: those that operations declare, else what their schemas allow."""

import re
from typing import Any

import msgspec

from agon.platform.http.openapi.schemas import Schema, resolved

_FORMATS = {
    "uuid": "0198c5f2-6b1e-7c3a-9d40-2f8e6a1b7c55",
    "date-time": "2026-03-14T09:26:53Z",
    "date": "2026-03-14",
    "duration": "PT15M",
    "decimal": "12.50",
}
_NAMED = {
    "email": "ada@example.org",
    "username": "ada",
    "display_name": "Ada Lovelace",
    "password": "correct horse battery staple",
    "locale": "en",
    "roles": "player",
    "scope": "global",
    "title": "Spring Open",
    "next_cursor": "WyIyMDI2LTAzLTE0VDA5OjI2OjUzWiJd",
}
"""What members of these names look like; the rest is made of their schemas alone."""
_DEEPEST = 6


def example(schema: Schema, components: dict[str, Schema], *, whole: bool, name: str = "", depth: int = 0) -> Any:
    """A value that a schema allows.

    Args:
        schema: what to make a value for.
        components: what it may refer to.
        whole: with all members, as answers have them; else with the required ones.
        name: of the member that the value is for.
        depth: how deep inside the first schema this is; types may hold themselves.
    """
    schema = {**resolved(schema, components), **{key: schema[key] for key in schema if key != "$ref"}}
    if (given := _given(schema)) is not msgspec.UNSET:
        return given
    if branches := schema.get("anyOf"):
        return example(branches[0], components, whole=whole, name=name, depth=depth)
    if schema.get("type") == "object":
        return _object(schema, components, whole=whole, depth=depth)
    if schema.get("type") == "array":
        item: Schema = {} if depth >= _DEEPEST else schema.get("items", {})
        inside = example(item, components, whole=whole, name=name, depth=depth + 1) if item else None
        length = min(max(1, schema.get("minItems", 1)), schema.get("maxItems", 100))
        return [] if inside is None else [inside] * length
    return _single(schema, name)


def _single(schema: Schema, name: str) -> Any:
    match schema.get("type"):
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            number = max(1, schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))
            return min(number, schema.get("maximum", number))
        case "boolean":
            return True
        case _:
            return None


def _given(schema: Schema) -> Any:
    """The value that the schema itself names."""
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    return msgspec.UNSET


def _object(schema: Schema, components: dict[str, Schema], *, whole: bool, depth: int) -> dict[str, Any]:
    members: dict[str, Schema] = schema.get("properties", {})
    wanted = members if whole and depth < _DEEPEST else schema.get("required", [])
    if isinstance(schema.get("additionalProperties"), dict):
        return {"name": example(schema["additionalProperties"], components, whole=whole, depth=depth + 1)}
    return {
        name: example(members[name], components, whole=whole, name=name, depth=depth + 1)
        for name in members
        if name in wanted
    }


def _text(schema: Schema, name: str) -> str:
    text = _FORMATS.get(schema.get("format", "")) or _NAMED.get(name) or name.replace("_", " ") or "text"
    if (pattern := schema.get("pattern")) and not re.search(pattern, text):
        text = next((each for each in ("ada", "spring-open", "ADA", "123456") if re.search(pattern, each)), text)
    return text.ljust(schema.get("minLength", 0), "-")[: schema.get("maxLength")]
