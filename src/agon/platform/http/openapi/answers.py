"""Answers in the description: success, refusals by status, and what any request may meet."""

from http import HTTPStatus
from itertools import groupby
from typing import Any

from agon.platform.http.openapi.endpoints import Endpoint
from agon.platform.http.openapi.examples import example
from agon.platform.http.openapi.refusals import EDGE_WIDE, VALIDATION, Coded
from agon.platform.http.openapi.schemas import PREFIX, Schema, Schemas, has_json
from agon.platform.http.problems import PROBLEM_JSON

REQUEST_ID = "0198c5f2-7d20-7e11-8a3c-5b9d04c2e6f1"
_HEADERS = "#/components/headers/"
_EXAMPLES = "#/components/examples/"

HEADERS: dict[str, tuple[Schema, str]] = {
    "ETag": ({"type": "string"}, "Names this version of the answer; send it back as If-None-Match."),
    "Idempotent-Replayed": (
        {"type": "string", "const": "true"},
        "Only there when the answer is the recorded one of the first call with this Idempotency-Key.",
    ),
    "Retry-After": ({"type": "integer", "minimum": 1}, "Seconds after which trying again makes sense."),
    "WWW-Authenticate": ({"type": "string"}, "How to authenticate (RFC 6750)."),
    "X-RateLimit-Limit": ({"type": "integer", "minimum": 0}, "Requests that the tightest limit allows in its window."),
    "X-RateLimit-Remaining": ({"type": "integer", "minimum": 0}, "Requests that are left of it."),
    "X-RateLimit-Reset": ({"type": "integer", "minimum": 0}, "Seconds until it is full again."),
    "X-Request-ID": ({"type": "string"}, "The request's id: the one that was sent, or a new one. It finds log lines."),
}
"""The headers of answers, each with its schema and what it says."""

_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def components(refusals: set[Coded]) -> dict[str, Any]:
    """What the answers of all operations refer to."""
    coded = sorted(refusals | set(EDGE_WIDE), key=lambda each: each.code)
    return {
        "headers": {name: {"schema": schema, "description": text} for name, (schema, text) in HEADERS.items()},
        "examples": {each.code: {"summary": each.title, "value": _problem(each)} for each in coded},
        "responses": {"EdgeWide": _edge_wide()},
    }


def answers(endpoint: Endpoint, schemas: Schemas, refusals: list[Coded]) -> dict[str, Any]:
    """Every answer of an operation by its status."""
    described = {str(endpoint.status): _success(endpoint, schemas)}
    for status, kind in endpoint.others:
        headers = _headers("X-Request-ID", *_limits(endpoint))
        content = _content(schemas.of(kind), schemas, None)
        described[str(status)] = {"description": HTTPStatus(status).phrase, "headers": headers, "content": content}
    if endpoint.revalidates:
        headers = _headers("X-Request-ID", "ETag", *_limits(endpoint))
        described["304"] = {"description": "The answer has not changed since the ETag.", "headers": headers}
    for status, group in groupby(refusals, key=lambda each: each.status):
        # `default` stands for statuses that are not named here, so a named one has to name all that it may hold.
        everywhere = (each for each in EDGE_WIDE if each.status == status)
        described[str(status)] = _refused(HTTPStatus(status), sorted({*group, *everywhere}))
    described["default"] = {"$ref": "#/components/responses/EdgeWide"}
    return described


def _success(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    names = ["X-Request-ID", *_limits(endpoint)]
    if endpoint.idempotency in ("required", "honoured"):
        names.append("Idempotent-Replayed")
    if endpoint.revalidates:
        names.append("ETag")
    described: dict[str, Any] = {"description": HTTPStatus(endpoint.status).phrase, "headers": _headers(*names)}
    if has_json(endpoint):
        described["content"] = _content(schemas.of(endpoint.answer), schemas, endpoint.operation.answer_example)
    elif endpoint.answer is not None:
        declared = endpoint.operation.answer_example
        described["content"] = {endpoint.media_type: {} if declared is None else {"example": declared}}
    return described


def _content(schema: Schema, schemas: Schemas, declared: Any) -> dict[str, Any]:
    value = declared if declared is not None else example(schema, schemas.components, whole=True)
    return {"application/json": {"schema": schema, "example": value}}


def _limits(endpoint: Endpoint) -> tuple[str, ...]:
    return _LIMITS if endpoint.operation.limits else ()


def _refused(status: HTTPStatus, refusals: list[Coded]) -> dict[str, Any]:
    headers = ["X-Request-ID"]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append("WWW-Authenticate")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers += [*_LIMITS, "Retry-After"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append("Retry-After")
    codes = [each.code for each in refusals]
    return {
        "description": f"Refused: {', '.join(codes)}.",
        "headers": _headers(*headers),
        "content": _problems(codes),
    }


def _edge_wide() -> dict[str, Any]:
    codes = [each.code for each in EDGE_WIDE]
    return {
        "description": f"What any request may be answered with: {', '.join(codes)}.",
        "headers": _headers("X-Request-ID"),
        "content": _problems(codes),
    }


def _problems(codes: list[str]) -> dict[str, Any]:
    schema = {"allOf": [{"$ref": f"{PREFIX}Problem"}, {"properties": {"code": {"enum": codes}}}]}
    return {PROBLEM_JSON: {"schema": schema, "examples": {code: {"$ref": _EXAMPLES + code} for code in codes}}}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": _HEADERS + name} for name in names}


def _problem(refusal: Coded) -> dict[str, Any]:
    """What the answer of a refusal looks like."""
    problem: dict[str, Any] = {
        "type": f"/docs/errors#{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.title,
        "code": refusal.code,
        "request_id": REQUEST_ID,
    }
    if refusal.code.endswith(VALIDATION):
        problem["errors"] = [{"field": "name", "code": "required", "message": "Object missing required field `name`"}]
    if refusal.limited:
        problem |= {"limit": 120, "remaining": 0, "reset_at": "2026-03-14T09:27:00Z"}
    return problem
