"""Fields: a schema as the flat list that a person reads, with a path for each member."""

from collections.abc import Iterator, Mapping

import msgspec

from agon.platform.http.openapi.schemas import Schema, resolved

_DEEPEST = 4
_NULL = {"type": "null"}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a body or an answer, or a parameter; `path` is such as `sides[].score`."""

    path: str
    kind: str
    required: bool
    bounds: tuple[str, ...]
    choices: tuple[str, ...]
    description: str
    where: str = ""


def members(schema: Schema, components: Mapping[str, Schema], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    """Every member of a schema, those within members too, down to four levels."""
    schema = _plain(schema, dict(components))
    if schema.get("type") == "array":
        yield from members(schema.get("items", {}), components, f"{prefix}[]", depth)
        return
    for branch in schema.get("anyOf", []):
        yield from members(branch, components, prefix, depth)
    required = schema.get("required", [])
    for name, member in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        yield field(path, member, components, required=name in required)
        if depth < _DEEPEST:
            yield from members(member, components, path, depth + 1)


def field(
    path: str, schema: Schema, components: Mapping[str, Schema], *, required: bool, where: str = "", about: str = ""
) -> Field:
    """One member, or one parameter."""
    plain = _plain(schema, dict(components))
    inner = _plain(plain.get("items", {}), dict(components)) if plain.get("type") == "array" else {}
    named = "$ref" in schema or "properties" in plain
    return Field(
        path=path,
        kind=_kind(schema, dict(components)),
        required=required,
        bounds=tuple(_bounds(plain)),
        choices=tuple(str(each) for each in plain.get("enum", inner.get("enum", []))),
        description=about or schema.get("description") or ("" if named else plain.get("description", "")),
        where=where,
    )


def _plain(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The schema itself, without a reference and without the choice of null."""
    branches = [each for each in schema.get("anyOf", []) if each != _NULL]
    if len(branches) == 1:
        return {**_plain(branches[0], components), **{key: schema[key] for key in schema if key != "anyOf"}}
    if "$ref" in schema:
        return {**resolved(schema, components), **{key: schema[key] for key in schema if key != "$ref"}}
    return schema


def _kind(schema: Schema, components: dict[str, Schema]) -> str:
    branches = schema.get("anyOf", [])
    if branches:
        return " or ".join(_kind(each, components) for each in branches)
    plain = _plain(schema, components)
    if "enum" in plain or "const" in plain:
        return "string"
    kind = str(plain.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(plain['items'], components)}" if "items" in plain else "list"
    return {"date-time": "time", "uuid": "UUID", "date": "date"}.get(str(plain.get("format")), kind)


def _bounds(schema: Schema) -> Iterator[str]:
    yield from _range("", schema.get("minimum"), schema.get("maximum"))
    yield from _range(" characters", schema.get("minLength"), schema.get("maxLength"))
    yield from _range(" items", schema.get("minItems"), schema.get("maxItems"))
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema:
        yield f"less than {schema['exclusiveMaximum']}"
    if "pattern" in schema:
        yield f"matches {schema['pattern']}"
    if schema.get("uniqueItems"):
        yield "each once"
    if schema.get("default") not in (None, "", [], {}):
        yield f"default {msgspec.json.encode(schema['default']).decode().strip(chr(34))}"


def _range(unit: str, least: float | None, most: float | None) -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}{unit}" if least != most else f"{least:,}{unit}"
    elif most is not None:
        yield f"at most {most:,}{unit}"
    elif least is not None:
        yield f"at least {least:,}{unit}"
