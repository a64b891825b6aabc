"""Views: the description, arranged as the pages show it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from markupsafe import Markup

from agon.platform.http.access import PER_ADDRESS
from agon.platform.http.documentation.fields import Field, field, members
from agon.platform.http.documentation.samples import coloured, curl
from agon.platform.http.openapi.refusals import is_common
from agon.platform.http.openapi.schemas import Schema
from agon.platform.http.permissions import ANYONE, SIGNED_IN, VISITOR

_WHO = {
    ANYONE.name: "anyone",
    VISITOR.name: "anyone, signed in or not",
    SIGNED_IN.name: "signed in",
}
_EXPLAINED = ("Idempotency-Key", "If-None-Match")
"""Parameters that mean the same wherever they are; the overview explains them."""
_IDEMPOTENCY = {
    "required": "Idempotency-Key required",
    "honoured": "Idempotency-Key honoured",
}


class RefusalView(msgspec.Struct, frozen=True):
    status: int
    code: str
    title: str


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as its section shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    permission: str
    limits: tuple[str, ...]
    idempotency: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_about: str
    call: str
    status: str
    answer: Markup | None
    answer_fields: tuple[Field, ...]
    own: tuple[RefusalView, ...]
    common: tuple[RefusalView, ...]


class AreaView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    operations: tuple[OperationView, ...]

    @property
    def href(self) -> str:
        return f"/docs/api/{self.name}"


def areas(description: Mapping[str, Any], base_url: str, limits: Mapping[str, int]) -> list[AreaView]:
    """Every area with its operations.

    Args:
        description: of the API.
        base_url: the address that examples call.
        limits: requests a minute by category, as far as they are to be told.
    """
    view = _Viewer(description, base_url, limits)
    found: dict[str, list[OperationView]] = {tag["name"]: [] for tag in description["tags"]}
    by_use = sorted(description["paths"].items(), key=lambda each: not each[0].startswith("/api/"))
    for path, methods in by_use:
        for method, operation in methods.items():
            found[operation["tags"][0]].append(view.operation(path, method, operation))
    return [
        AreaView(name=tag["name"], description=tag["description"], operations=tuple(found[tag["name"]]))
        for tag in description["tags"]
    ]


class _Viewer:
    def __init__(self, description: Mapping[str, Any], base_url: str, limits: Mapping[str, int]) -> None:
        self._components: dict[str, Schema] = description["components"]["schemas"]
        self._examples: dict[str, Any] = description["components"]["examples"]
        self._base_url = base_url
        self._limits = limits

    def operation(self, path: str, method: str, operation: dict[str, Any]) -> OperationView:
        body = _json(operation.get("requestBody", {}))
        status = next(iter(operation["responses"]))
        answer = _json(operation["responses"][status])
        refusals = [self._refusal(code) for code in operation["x-error-codes"]]
        refusals.sort(key=lambda each: (each.status, each.code))
        return OperationView(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            permission=_who(operation["x-permission"]),
            limits=tuple(self._limit(category) for category in operation["x-rate-limits"]),
            idempotency=_IDEMPOTENCY.get(operation.get("x-idempotency", ""), ""),
            parameters=tuple(self._parameters(operation)),
            body=self._members(body),
            body_about=self._about(body),
            call=curl(self._base_url, path, method, operation),
            status=status,
            answer=coloured(answer["example"]) if "example" in answer else None,
            answer_fields=self._members(answer),
            own=tuple(each for each in refusals if not is_common(each.code)),
            common=tuple(each for each in refusals if is_common(each.code)),
        )

    def _members(self, media: Mapping[str, Any]) -> tuple[Field, ...]:
        return tuple(members(media["schema"], self._components)) if "schema" in media else ()

    def _about(self, media: Mapping[str, Any]) -> str:
        name = str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]
        return self._components.get(name, {}).get("description", "")

    def _parameters(self, operation: dict[str, Any]) -> list[Field]:
        return [
            field(
                each["name"],
                each["schema"],
                self._components,
                required=each["required"],
                where=each["in"],
                about=each.get("description", ""),
            )
            for each in operation["parameters"]
            if each["name"] not in _EXPLAINED
        ]

    def _refusal(self, code: str) -> RefusalView:
        example = self._examples[code]
        return RefusalView(example["value"]["status"], code, example["summary"])

    def _limit(self, category: str) -> str:
        whose = "address" if category in PER_ADDRESS else "account"
        if category not in self._limits:
            return f"{category}, per {whose}"
        return f"{category}, {self._limits[category]:,} a minute per {whose}"


def _who(permission: str) -> str:
    return _WHO.get(permission, f"the {permission} role")


def _json(described: Mapping[str, Any]) -> Mapping[str, Any]:
    return described.get("content", {}).get("application/json", {})
