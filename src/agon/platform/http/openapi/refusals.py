"""Which refusals an operation can be answered with: those that it declares, and those of the edge around it."""

from collections.abc import Iterable, Mapping

import msgspec

from agon.kernel.errors import DomainError, Refusal, ValidationFailed
from agon.kernel.paging import CursorInvalid
from agon.platform.database.errors import DatabaseUnavailable, ValueInvalid
from agon.platform.http import errors
from agon.platform.http.openapi.endpoints import Endpoint
from agon.platform.http.problems import STATUS

CREDENTIALS = "AUTH_TOKEN_"
"""How the codes begin that say what is wrong with an access token."""
VALIDATION = "_VALIDATION_ERROR"


class Coded(msgspec.Struct, frozen=True, order=True):
    """A refusal as HTTP has it."""

    status: int
    code: str
    title: str
    limited: bool = False


EDGE_WIDE = (
    Coded(308, "HTTPS_REQUIRED", "Plain HTTP is not served here."),
    Coded(400, "HOST_INVALID", "The request's Host is not one that this server answers to."),
    Coded(400, "REQUEST_INVALID", errors.RequestInvalid.title),
    Coded(404, "NOT_FOUND", errors.NotFound.title),
    Coded(405, "METHOD_NOT_ALLOWED", "There is something at this address, but not for this method."),
    Coded(431, "HEADERS_TOO_LARGE", "The headers of the request are too large."),
    Coded(500, "INTERNAL_ERROR", "Something went wrong here; the request's id finds it in the log."),
    Coded(503, "SERVICE_UNAVAILABLE", errors.ServiceUnavailable.title),
)
"""What any request may be answered with, whatever it asks for."""


def coded(error: type[DomainError]) -> Coded:
    return Coded(STATUS[error.refusal].value, error.code, error.title, error.refusal is Refusal.LIMITED)


def possible(endpoint: Endpoint, declared: Mapping[str, type[DomainError]]) -> list[Coded]:
    """Every refusal that an operation can be answered with, but for those of `EDGE_WIDE`; by status and code.

    Args:
        endpoint: the operation.
        declared: every declared refusal by its code.
    """
    found = {coded(error) for error in (*endpoint.operation.errors, *_of_the_edge(endpoint, declared))}
    if endpoint.body is not None or endpoint.inputs:
        found.add(validation(endpoint.operation.area, declared))
    return sorted(found)


def validation(area: str, declared: Mapping[str, type[DomainError]]) -> Coded:
    """The refusal of malformed input in an area."""
    code = f"{area}{VALIDATION}"
    own = declared.get(code)
    return coded(own) if own else Coded(STATUS[Refusal.INVALID].value, code, ValidationFailed.title)


def is_common(code: str) -> bool:
    """Whether a refusal is the edge's, and not what sets an operation apart."""
    return code in _COMMON or code.startswith(CREDENTIALS) or code.endswith(VALIDATION)


_COMMON = {each.code for each in EDGE_WIDE} | {
    each.code
    for each in (
        CursorInvalid,
        DatabaseUnavailable,
        ValueInvalid,
        errors.AuthForbidden,
        errors.AuthRequired,
        errors.BodyTooLarge,
        errors.IdempotencyInProgress,
        errors.IdempotencyKeyInvalid,
        errors.IdempotencyKeyRequired,
        errors.IdempotencyKeyReused,
        errors.MediaTypeUnsupported,
        errors.RateLimited,
    )
}


def _of_the_edge(endpoint: Endpoint, declared: Mapping[str, type[DomainError]]) -> Iterable[type[DomainError]]:
    operation = endpoint.operation
    if operation.limits:
        yield operation.limited_as
    if operation.permission.reads_credentials:
        yield errors.AuthRequired
        yield errors.RateLimited  # bad tokens count as anonymous requests, whatever the operation's own limit is
        yield from (error for code, error in declared.items() if code.startswith(CREDENTIALS))
    if operation.permission.role is not None:
        yield errors.AuthForbidden
    if endpoint.reads_database:
        yield DatabaseUnavailable
    yield from _of_input(endpoint)


def _of_input(endpoint: Endpoint) -> Iterable[type[DomainError]]:
    if endpoint.body is not None:
        yield errors.BodyTooLarge
        yield errors.MediaTypeUnsupported
    if endpoint.reads_database and (endpoint.body is not None or endpoint.inputs):
        yield ValueInvalid
    if any(each.name == "cursor" for each in endpoint.inputs):
        yield CursorInvalid
    if endpoint.idempotency is not None:
        yield errors.IdempotencyKeyInvalid
    if endpoint.idempotency == "required":
        yield errors.IdempotencyKeyRequired
    if endpoint.idempotency in ("required", "honoured"):
        yield errors.IdempotencyInProgress
        yield errors.IdempotencyKeyReused
