"""Endpoints as the description sees them: what each operation declares, takes and answers."""

from collections.abc import Mapping
from http import HTTPMethod
from inspect import cleandoc
from types import NoneType
from typing import Any, cast, get_type_hints

import msgspec
from litestar import Litestar
from litestar.constants import RESERVED_KWARGS
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.types import Empty
from litestar.typing import FieldDefinition

from agon.platform.http.conditional import conditional
from agon.platform.http.edge import EDGE
from agon.platform.http.operations import Operation, injected_names

_Responses = Mapping[int, Any]


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter; `where` is OpenAPI's word for its place. `bounds` are keywords of JSON Schema."""

    name: str
    where: str
    type: Any
    required: bool
    default: Any
    description: str
    bounds: dict[str, Any]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One operation at its path; `body` and `answer` are types, the body's None where there is none."""

    operation: Operation
    path: str
    module: str
    status: int
    media_type: str
    inputs: tuple[Input, ...]
    body: Any
    answer: Any
    others: tuple[tuple[int, Any], ...]
    """Further answers that are no refusals: status and type, as given to the handler as `responses`."""
    reads_database: bool
    revalidates: bool
    """Whether it answers 304 to whoever has the newest answer already."""

    @property
    def method(self) -> str:
        return self.operation.method.lower()

    @property
    def description(self) -> str:
        return cleandoc(self.operation.description)

    @property
    def idempotency(self) -> str | None:
        """What becomes of an Idempotency-Key: `required`, `honoured` or `ignored`; None where none is sent."""
        if self.operation.method != HTTPMethod.POST:
            return None
        if self.operation.keyed:
            return "required"
        if self.operation.secret or not self.operation.permission.reads_credentials:
            return "ignored"
        return "honoured"


def endpoints(litestar: Litestar) -> list[Endpoint]:
    """Every endpoint that is part of the API, by path and method."""
    found = [
        _endpoint(handler, route.path_format)
        for route in litestar.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "operation" in handler.opt and handler.resolve_include_in_schema()
    ]
    return sorted(found, key=lambda each: (each.path, each.operation.method))


def _endpoint(handler: HTTPRouteHandler, path: str) -> Endpoint:
    operation: Operation = handler.opt["operation"]
    signature = handler.parsed_fn_signature
    body = signature.parameters.get("data")
    media_type = handler.media_type
    return Endpoint(
        operation=operation,
        path=path,
        module=handler.fn.__module__,
        status=handler.status_code,
        media_type=media_type.value if isinstance(media_type, MediaType) else str(media_type or MediaType.JSON.value),
        inputs=_inputs(handler, path),
        body=None if body is None else get_type_hints(handler.fn, include_extras=True)["data"],
        answer=_answer(signature.return_type),
        others=tuple(
            (status, each.data_container) for status, each in cast("_Responses", handler.responses or {}).items()
        ),
        reads_database=EDGE in injected_names(handler.opt["endpoint"]) or operation.permission.reads_credentials,
        revalidates=conditional.__name__ in handler.opt["endpoint"].__code__.co_names,  # whoever calls it, does
    )


def _answer(returned: FieldDefinition) -> Any:
    """The T of `Answer[T]`."""
    answer = returned.inner_types[0] if returned.inner_types else returned
    return None if answer.annotation in (None, NoneType) else answer.raw


def _inputs(handler: HTTPRouteHandler, path: str) -> tuple[Input, ...]:
    return tuple(
        _input(name, field, path)
        for name, field in handler.parsed_fn_signature.parameters.items()
        if name not in RESERVED_KWARGS
    )


def _input(name: str, field: FieldDefinition, path: str) -> Input:
    declared = field.kwarg_definition
    details = declared if isinstance(declared, ParameterKwarg) else ParameterKwarg()
    in_path = f"{{{name}}}" in path
    default = None if field.default is Empty else field.default
    return Input(
        name=details.name or name,
        where="path" if in_path else details.param_type.value,
        type=field.annotation,
        required=in_path or (field.default is Empty and not field.is_optional and details.required is not False),
        default=default,
        description=details.description or "",
        bounds=_bounds(details),
    )


def _bounds(details: ParameterKwarg) -> dict[str, Any]:
    """What Litestar holds a parameter to, in the words of JSON Schema."""
    bounds = {
        "minimum": details.ge,
        "exclusiveMinimum": details.gt,
        "maximum": details.le,
        "exclusiveMaximum": details.lt,
        "multipleOf": details.multiple_of,
        "minLength": details.min_length,
        "maxLength": details.max_length,
        "minItems": details.min_items,
        "maxItems": details.max_items,
        "pattern": details.pattern,
    }
    return {keyword: bound for keyword, bound in bounds.items() if bound is not None}
