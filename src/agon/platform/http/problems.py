"""Problem answers (RFC 9457): the one place where refusals and faults become HTTP."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from agon.kernel.errors import DomainError, FieldError, Refusal, ValidationFailed
from agon.platform.context import current
from agon.platform.http.answers import Encoded
from agon.platform.http.errors import (
    BodyTooLarge,
    NotFound,
    RequestInvalid,
    ServiceUnavailable,
)

PROBLEM_JSON = "application/problem+json"
STATUS: dict[Refusal, HTTPStatus] = {
    Refusal.INVALID: HTTPStatus.BAD_REQUEST,
    Refusal.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Refusal.INSUFFICIENT: HTTPStatus.PAYMENT_REQUIRED,
    Refusal.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Refusal.MISSING: HTTPStatus.NOT_FOUND,
    Refusal.CONFLICT: HTTPStatus.CONFLICT,
    Refusal.GONE: HTTPStatus.GONE,
    Refusal.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Refusal.UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Refusal.LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What each kind of refusal is in HTTP."""

_FIELD_PATH = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_ENUM_VALUE = re.compile(r"^(Invalid enum value) .*", re.DOTALL)
_MISSING_FIELD = re.compile(r"missing required field `(.+?)`")
_log = structlog.get_logger(__name__)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error answer; a code's own data stands beside these members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] = []


def problem_for(error: DomainError, area: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body that a refusal is answered with.

    Args:
        error: the refusal.
        area: the operation's area, whose `<AREA>_VALIDATION_ERROR` stands for malformed input.
    """
    code = error.code if hasattr(error, "code") else f"{area or 'REQUEST'}_VALIDATION_ERROR"
    status = STATUS[error.refusal]
    body = Problem(
        type=f"/docs/errors#{code}",
        title=error.title,
        status=status,
        detail=error.detail,
        code=code,
        request_id=current().request_id,
        errors=list(error.errors),
    )
    members = {**msgspec.to_builtins(body), **error.data}
    return status, _headers(error, status), msgspec.json.encode(members)


def _headers(error: DomainError, status: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        code = "" if error.code == "AUTH_REQUIRED" else ', error="invalid_token"'
        headers["WWW-Authenticate"] = f'Bearer realm="agon"{code}'
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return headers


def answer(error: DomainError, area: str | None = None, more: Mapping[str, str] | None = None) -> Response[bytes]:
    """A refusal as a response."""
    status, headers, body = problem_for(error, area)
    return Encoded(body, status, PROBLEM_JSON, {**headers, **(more or {})})


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception; nothing of a fault is told beyond the request's id."""
    operation = _operation(request)
    area = operation.area if operation is not None else None
    if isinstance(error, DomainError):
        return answer(error, area)
    if isinstance(error, ValidationException):
        return answer(ValidationFailed(errors=_field_errors(error)), area)
    if isinstance(error, SerializationException | UnicodeDecodeError | RecursionError | msgspec.DecodeError):
        return answer(ValidationFailed("The body of the request is not valid JSON."), area)
    if isinstance(error, HTTPException):
        return _answer_http(error, area)
    _log.error("request_failed", exc_info=error)
    return _fault()


def _operation(request: Request[Any, Any, Any]) -> Any:
    scope: dict[str, Any] = dict(request.scope)
    handler = scope.get("route_handler")  # absent where no route matched
    return None if handler is None else handler.opt.get("operation")


def _answer_http(error: HTTPException, area: str | None) -> Response[bytes]:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(NotFound())
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", error.headers)
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return answer(BodyTooLarge())
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return answer(ServiceUnavailable(retry_after=1))
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer(ValidationFailed() if area else RequestInvalid(), area)
    _log.error("request_failed", exc_info=error)
    return _fault()


def _fault() -> Response[bytes]:
    return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")


def _plain(status: HTTPStatus, code: str, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    problem = Problem(
        type=f"/docs/errors#{code}",
        title=status.phrase,
        status=status,
        detail=status.description or status.phrase,
        code=code,
        request_id=current().request_id,
    )
    return Encoded(msgspec.json.encode(problem), status, PROBLEM_JSON, headers or {})


def _field_errors(error: ValidationException) -> tuple[FieldError, ...]:
    """What Litestar says of a parameter, or of the body, as field errors."""
    found: list[FieldError] = []
    for each in error.extra if isinstance(error.extra, list) else []:
        if each.get("message") == "'data'":  # how Litestar says that there was no body at all
            found.append(FieldError("", "required", "The request needs a body."))
        else:
            found.append(field_error(str(each.get("message", "invalid")), str(each.get("key", ""))))
    return tuple(found)


def field_error(message: str, key: str = "") -> FieldError:
    """A message of msgspec as a field error: `Expected … - at `$.email`` names the field `email`."""
    path = _FIELD_PATH.search(message)
    field = path.group(1) if path else ""
    if missing := _MISSING_FIELD.search(message):
        field = f"{field}.{missing.group(1)}" if field else missing.group(1)
    text = _ENUM_VALUE.sub(r"\1", _FIELD_PATH.sub("", message))  # what was sent is not repeated
    return FieldError(field or key, "required" if missing else "invalid", text)
