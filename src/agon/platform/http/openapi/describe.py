"""The description as a whole: OpenAPI 3.1, complete for a client that is generated from it."""

import sys
from collections.abc import Mapping
from inspect import cleandoc
from itertools import groupby
from typing import Any

import msgspec
from litestar import Litestar

from agon import __version__
from agon.kernel.errors import ERRORS, DomainError
from agon.platform.http.openapi.answers import answers, components
from agon.platform.http.openapi.endpoints import Endpoint, endpoints
from agon.platform.http.openapi.examples import example
from agon.platform.http.openapi.refusals import Coded, possible
from agon.platform.http.openapi.schemas import Schemas

Description = dict[str, Any]

_ABOUT = (
    "Accounts, matches, ratings, tournaments and economy, as one coherent API. Errors are problem details (RFC 9457) "
    "with a stable `code`; `/docs/errors` has all of them. Answers carry `X-Request-ID`, and where a limit counts, "
    "`X-RateLimit-*`."
)
_IDEMPOTENCY = {
    "required": "Names this call: sent again with the same key and body, it has no second effect and the same answer.",
    "honoured": "Names this call: sent again with the same key and body, it has no second effect and the same answer.",
    "ignored": "Accepted and ignored: an answer that holds secrets is never recorded, and who is not signed in has "
    "no keys.",
}


def describe(litestar: Litestar, declared: Mapping[str, type[DomainError]] = ERRORS) -> Description:
    """The description of an application's API, in a stable order.

    Args:
        litestar: the application, its routes made by `operations.route`.
        declared: every refusal by its code.
    """
    found = endpoints(litestar)
    schemas = Schemas(found)
    refusals = {each.operation.id: possible(each, declared) for each in found}
    paths: dict[str, Any] = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method] = _operation(each, schemas, refusals[each.operation.id])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Agon",
            "summary": "The open platform for competition.",
            "description": _ABOUT,
            "version": __version__,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that this description comes from."}],
        "tags": _tags(found),
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"access_token": _SCHEME},
            **components({refusal for each in refusals.values() for refusal in each}),
        },
    }


def as_json(litestar: Litestar, declared: Mapping[str, type[DomainError]] = ERRORS) -> bytes:
    """The description as it is committed: indented, with a line end."""
    return msgspec.json.format(msgspec.json.encode(describe(litestar, declared)), indent=2) + b"\n"


_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token that signing in gives, as `Authorization: Bearer …`.",
}


def area_of(operation_id: str) -> str:
    """The area that an operation belongs to: `auth` of `auth.login`."""
    return operation_id.partition(".")[0]


def _tags(found: list[Endpoint]) -> list[dict[str, str]]:
    by_area = sorted(found, key=lambda each: area_of(each.operation.id))
    return [
        {"name": area, "description": _about(list(group))}
        for area, group in groupby(by_area, key=lambda each: area_of(each.operation.id))
    ]


def _about(area: list[Endpoint]) -> str:
    """What an area is for: the docstring of the module, or of the package, that holds all its operations."""
    names = sorted({each.module for each in area})
    parts = names[0].split(".")
    while not all(f"{name}.".startswith(f"{'.'.join(parts)}.") for name in names):
        parts.pop()
    module = sys.modules.get(".".join(parts))
    return cleandoc((module and module.__doc__) or "")


def _operation(endpoint: Endpoint, schemas: Schemas, refusals: list[Coded]) -> dict[str, Any]:
    declared = endpoint.operation
    described: dict[str, Any] = {
        "operationId": declared.id,
        "tags": [area_of(declared.id)],
        "summary": declared.summary,
        **({"description": endpoint.description} if endpoint.description else {}),
        "x-permission": declared.permission.name,
        "x-rate-limits": list(declared.limits),
        "x-error-codes": sorted(each.code for each in refusals),
        "security": _security(endpoint),
        "parameters": _parameters(endpoint, schemas),
    }
    if endpoint.idempotency is not None:
        described["x-idempotency"] = endpoint.idempotency
    if endpoint.body is not None:
        schema = schemas.of(endpoint.body)
        value = declared.example if declared.example is not None else example(schema, schemas.components, whole=False)
        content = {"application/json": {"schema": schema, "example": value}}
        described["requestBody"] = {"required": True, "content": content}
    described["responses"] = answers(endpoint, schemas, refusals)
    return described


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    permission = endpoint.operation.permission
    if permission.signed_in:
        return [{"access_token": []}]
    return [{}, {"access_token": []}] if permission.reads_credentials else []


def _parameters(endpoint: Endpoint, schemas: Schemas) -> list[dict[str, Any]]:
    described = [
        {
            "name": each.name,
            "in": each.where,
            "required": each.required,
            **({"description": each.description} if each.description else {}),
            "schema": schemas.of_input(each),
        }
        for each in endpoint.inputs
    ]
    if endpoint.idempotency is not None:
        bounds = {} if endpoint.idempotency == "ignored" else {"minLength": 1, "maxLength": 255}
        key = _header("Idempotency-Key", _IDEMPOTENCY[endpoint.idempotency], bounds)
        described.append({**key, "required": endpoint.idempotency == "required"})
    if endpoint.revalidates:
        described.append(_header("If-None-Match", "The ETag of the answer that you have: 304 if it is the newest.", {}))
    return described


def _header(name: str, description: str, bounds: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "string", **bounds}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}
