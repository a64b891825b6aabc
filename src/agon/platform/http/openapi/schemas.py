"""Schemas of bodies and answers: what msgspec, which decodes and encodes them, says that it accepts and gives."""

from collections.abc import Iterable, Iterator
from inspect import cleandoc
from typing import Any, cast, get_origin

import msgspec
from msgspec import inspect

from agon.platform.http.openapi.endpoints import Endpoint, Input
from agon.platform.http.problems import Problem

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"
_NULL = {"type": "null"}


class Schemas:
    """The schemas of a set of endpoints; named types are in `components`, the rest refers to them.

    Raises:
        TypeError: two types have one name.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        endpoints = list(endpoints)
        taken = [each.body for each in endpoints if each.body is not None]
        taken += [given.type for each in endpoints for given in each.inputs]
        answered = [each.answer for each in endpoints if has_json(each)]
        answered += [kind for each in endpoints for _, kind in each.others]
        self._types: list[Any] = [*taken, *answered, Problem]
        schemas, components = msgspec.json.schema_components(self._types, ref_template=PREFIX + "{name}")
        self._schemas = list(schemas)
        self.components: dict[str, Schema] = {name: components[name] for name in sorted(components)}
        accepted = set(_reached(self._schemas[: len(taken)], self.components))
        for kind in _structs(self._types):
            name = _name(kind)
            if name not in self.components:
                message = f"{kind.cls} shares its name with another type; the description of the API needs two names"
                raise TypeError(message)
            _say_date_times(kind, self.components[name])
            if name not in accepted:
                _complete(kind, self.components[name])
        for component in self.components.values():
            if "description" in component:
                component["description"] = cleandoc(component["description"])

    def of(self, kind: Any) -> Schema:
        """The schema of a body's or an answer's type."""
        return self._schemas[self._types.index(kind)]

    def of_input(self, given: Input) -> Schema:
        """The schema of a parameter; it is left out to say nothing, so that it is never null."""
        schema = self.of(given.type)
        branches = [each for each in schema.get("anyOf", []) if each != _NULL]
        schema = dict(branches[0]) if len(branches) == 1 else dict(schema)
        schema.update(given.bounds)
        if given.default is not None:
            schema["default"] = msgspec.to_builtins(given.default)
        return schema


def has_json(endpoint: Endpoint) -> bool:
    """Whether the endpoint answers with JSON whose type is known; bytes are encoded by the endpoint itself."""
    return endpoint.answer not in (None, bytes) and endpoint.media_type == "application/json"


def resolved(schema: Schema, components: dict[str, Schema]) -> Schema:
    """The schema that a reference stands for, or the schema itself."""
    reference = schema.get("$ref")
    return components[reference.removeprefix(PREFIX)] if reference else schema


def _reached(schema: object, components: dict[str, Schema]) -> Iterator[str]:
    """The names of all components that schemas lead to."""
    pending, seen = [schema], set[str]()
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += cast("list[object]", part)
        elif isinstance(part, dict):
            members = cast("Schema", part)
            pending += members.values()
            name = str(members.get("$ref", "")).removeprefix(PREFIX)
            if name in components and name not in seen:
                seen.add(name)
                pending.append(components[name])
                yield name


def _name(kind: inspect.StructType) -> str:
    (reference,), _ = msgspec.json.schema_components([kind.cls], ref_template="{name}")
    return reference["$ref"]


def _structs(types: Iterable[Any]) -> list[inspect.StructType]:
    """Every struct among the types and within them."""
    found: dict[Any, inspect.StructType] = {}
    pending: list[Any] = list(inspect.multi_type_info(types))
    while pending:
        kind = pending.pop()
        if not isinstance(kind, inspect.StructType):
            pending += _parts(kind)
        elif kind.cls not in found:
            found[kind.cls] = kind
            pending += [each.type for each in kind.fields]
    return list(found.values())


def _parts(kind: Any) -> list[Any]:
    """The types that a type is made of."""
    match kind:
        case inspect.Metadata():
            return [kind.type]
        case inspect.CollectionType():
            return [kind.item_type]
        case inspect.TupleType():
            return list(kind.item_types)
        case inspect.DictType():
            return [kind.value_type]
        case inspect.UnionType():
            return list(kind.types)
        case _:
            return []


def _say_date_times(kind: inspect.StructType, schema: Schema) -> None:
    """Say which texts are times: msgspec leaves that open where the type does not demand a time zone."""
    for field in kind.fields:
        _say_date_time(field.type, schema["properties"][field.encode_name])


def _say_date_time(kind: inspect.Type, schema: Schema) -> None:
    match kind:
        case inspect.Metadata():
            _say_date_time(kind.type, schema)
        case inspect.DateTimeType():
            schema["format"] = "date-time"
        case inspect.CollectionType() if "items" in schema:
            _say_date_time(kind.item_type, schema["items"])
        case inspect.DictType() if "additionalProperties" in schema:
            _say_date_time(kind.value_type, schema["additionalProperties"])
        case inspect.UnionType() if any(isinstance(each, inspect.DateTimeType) for each in kind.types):
            for branch in schema["anyOf"]:
                if branch == {"type": "string"}:
                    branch["format"] = "date-time"
        case _:
            pass


def _complete(kind: inspect.StructType, schema: Schema) -> None:
    """Require every member of what is only ever answered: nothing is left out there, but for what is unset."""
    struct = get_origin(kind.cls) or kind.cls
    if struct.__struct_config__.omit_defaults:
        return
    unset = {each.encode_name for each in kind.fields if _may_be_unset(each)}
    schema["required"] = [name for name in schema["properties"] if name not in unset]
    for member in schema["properties"].values():
        member.pop("default", None)


def _may_be_unset(field: inspect.Field) -> bool:
    """Whether the field may be UNSET: msgspec says neither that it is required nor what stands for it."""
    return not field.required and field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
