"""Operations: what each route declares about itself, and the decorator that makes it a route."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Literal, TypedDict, TypeVar, Unpack, cast, get_type_hints

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from agon.kernel.errors import DomainError
from agon.platform.http.errors import RateLimited
from agon.platform.http.permissions import Permission

T = TypeVar("T")


class _Marker:
    """Marks a parameter that composition provides."""


Injected = Annotated[T, _Marker()]
"""A part that composition provides by the parameter's name."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Parts = Callable[[str, Request[Any, Any, Any]], Any]
"""Gives a part by its name, for a request."""
_REQUEST = "request"

OPERATIONS: dict[str, "Operation"] = {}
"""Every declared operation by its id."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a route is, for the edge, the API description and the tests that hold every route to its word.

    `limits` are categories of rate limits, all of which are counted. `keyed` operations demand an
    Idempotency-Key. An answer that holds secrets (`secret`) is never recorded for replay. A body is JSON, or that of
    a page's `form`.
    """

    id: str
    method: str
    path: str
    summary: str
    permission: Permission
    limits: tuple[str, ...]
    errors: tuple[type[DomainError], ...] = ()
    limited_as: type[DomainError] = RateLimited
    keyed: bool = False
    secret: bool = False
    takes_body: bool = False
    form: bool = False
    description: str = ""
    example: Any = None
    answer_example: Any = None

    @property
    def area(self) -> str:
        """The first part of the id in capitals: `auth.login` belongs to AUTH."""
        return self.id.partition(".")[0].upper()


class _Details(TypedDict, total=False):
    """What `route` takes beyond what every route says: fields of `Operation`, and three of Litestar's handler.

    `responses` are answers with other statuses that are no refusals.
    """

    keyed: bool
    secret: bool
    form: bool
    limited_as: type[DomainError]
    example: Any
    answer_example: Any
    include_in_schema: bool
    media_type: str
    responses: Mapping[int, ResponseSpec]


_FOR_LITESTAR = ("include_in_schema", "media_type", "responses")


def route(
    method: Method,
    path: str,
    *,
    operation: str,
    summary: str,
    permission: Permission,
    limits: tuple[str, ...],
    errors: tuple[type[DomainError], ...] = (),
    status: int | None = None,
    **details: Unpack[_Details],
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Declare a route.

    Args:
        method: the HTTP method.
        path: the full path, such as `/api/v1/auth/register`.
        operation: the stable id, `{area}.{verb}`.
        summary: one short sentence.
        permission: who may call it.
        limits: the rate-limit categories that it counts in.
        errors: the refusals that belong to this operation (those of the edge are added).
        status: the status of success; 200, for POST 201 and for DELETE 204 when not given.
        details: further fields of `Operation` and of Litestar's handler.
    """
    given: dict[str, Any] = dict(details)
    shown = {name: given.pop(name) for name in _FOR_LITESTAR if name in given}
    said = {"summary": summary, "permission": permission, "limits": limits, "errors": errors, **given}

    def decorate(function: Callable[..., Any]) -> HTTPRouteHandler:
        declared = _declare(function, id=operation, method=method, path=path, **said)
        return HTTPRouteHandler(
            path,
            http_method=method,
            status_code=status,
            opt={"operation": declared, "endpoint": function},
            **shown,
        )(provided_with_parts(function))

    return decorate


def _declare(function: Callable[..., Any], **said: Any) -> Operation:
    takes_body = "data" in function.__annotations__
    declared = Operation(takes_body=takes_body, description=(function.__doc__ or "").strip(), **said)
    if OPERATIONS.setdefault(declared.id, declared) != declared:
        message = f"operation {declared.id} is declared twice"
        raise TypeError(message)
    return declared


def provided_with_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """An endpoint as Litestar is shown it: without the parameters that composition provides.

    Litestar's own injection starts a group of tasks as soon as an endpoint asks for two parts, which costs more than
    the rest of a small request.
    """
    hints = get_type_hints(function, include_extras=True)
    injected = tuple(injected_names(function))
    taken = [each for each in signature(function).parameters.values() if each.name not in injected]
    wants_request = any(each.name == _REQUEST for each in taken)

    async def endpoint(request: Request[Any, Any, Any], **given: Any) -> Any:
        parts: Parts = cast("Any", request.app).parts
        if wants_request:
            given[_REQUEST] = request
        return await function(**given, **{name: parts(name, request) for name in injected})

    if not wants_request:
        taken.insert(0, Parameter(_REQUEST, Parameter.KEYWORD_ONLY, annotation=Request[Any, Any, Any]))
    taken = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in taken]
    shown: Any = endpoint
    shown.__signature__ = Signature(taken, return_annotation=hints.get("return"))
    shown.__annotations__ = {each.name: hints.get(each.name, each.annotation) for each in taken}
    shown.__annotations__["return"] = hints.get("return")
    shown.__name__, shown.__qualname__ = function.__name__, function.__qualname__
    shown.__module__, shown.__doc__ = function.__module__, function.__doc__
    return endpoint


def injected_names(function: Callable[..., Any]) -> set[str]:
    """The parameters of an endpoint that composition provides."""
    hints = get_type_hints(function, include_extras=True)
    return {
        name for name, hint in hints.items() for each in getattr(hint, "__metadata__", ()) if isinstance(each, _Marker)
    }
