"""Every operation is described in full, and the committed description is the one of the code."""

import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from agon.platform.http.openapi.describe import as_json, describe
from agon.platform.http.operations import Operation
from agon.platform.http.permissions import PERMISSIONS
from agon.platform.settings.limits import LimitSettings
from tests.architecture.declared_errors import declared_errors
from tests.architecture.described_answers import validator

REPOSITORY = Path(__file__).resolve().parents[2]

UNLIMITED = {
    "health.live": "a probe has to be answered always",
    "health.ready": "a probe has to be answered always",
    "health.metrics": "asked for by monitoring, with a token",
}
"""The operations that count in no limit, with the reason."""


@pytest.fixture(scope="module")
def declared():
    return declared_errors()


@pytest.fixture(scope="module")
def description(declared) -> dict[str, Any]:
    from agon.roles.api import described

    return describe(described(), declared)


@pytest.fixture(scope="module")
def operations() -> dict[str, Operation]:
    """Every operation that is routed, also those of pages, which the description leaves out."""
    from agon.roles.api import routes

    return {route.opt["operation"].id: route.opt["operation"] for route in routes()}


def every(description) -> list[dict[str, Any]]:
    return [operation for path in description["paths"].values() for operation in path.values()]


def test_every_route_is_an_operation():
    """Also those that the framework would add: without an operation there is neither a permission nor a limit."""
    from agon.roles.api import described

    undeclared = [
        f"{handler.http_methods} {route.path}"
        for route in described().routes
        for handler in route.route_handlers
        if "operation" not in handler.opt and handler.http_methods != {"OPTIONS"}
    ]
    assert undeclared == []


def test_ids_are_unique(operations):
    from agon.roles.api import routes

    assert len(operations) == len(routes())


def test_it_is_valid(description):
    assert [str(error) for error in OpenAPIV31SpecValidator(description).iter_errors()] == []


def test_every_operation_says_what_it_is(operations):
    for each in operations.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", each.id), each.id
        assert re.fullmatch(r"[A-Z].{2,70}[^.\s]", each.summary), f"{each.id}: a summary is a short line without a stop"
        assert each.permission in PERMISSIONS, each.id


def test_every_area_is_described(description):
    assert [tag["name"] for tag in description["tags"] if len(tag["description"]) < 10] == []


def test_every_limit_is_one_of_the_settings(operations):
    for each in operations.values():
        assert set(each.limits) <= LimitSettings.model_fields.keys(), each.id
        assert bool(each.limits) != (each.id in UNLIMITED), each.id


def test_no_key_is_demanded_in_vain(operations):
    """Answers with secrets are not recorded, and visitors have no keys: there a key would promise what is not kept."""
    for each in operations.values():
        assert not (each.keyed and (each.secret or not each.permission.signed_in)), each.id
        assert not (each.keyed and each.method != "POST"), each.id


def test_forms_are_for_pages_only(description, operations):
    assert [each["operationId"] for each in every(description) if operations[each["operationId"]].form] == []


def test_every_error_of_an_operation_is_declared(description, declared, operations):
    for each in operations.values():
        for error in (*each.errors, each.limited_as):
            assert declared[error.code] is error, f"{each.id}: {error}"
    for each in every(description):
        assert set(each["x-error-codes"]) <= description["components"]["examples"].keys()


def test_every_body_and_every_answer_has_an_example_that_its_schema_allows(description):
    for each in every(description):
        contents = [each.get("requestBody", {}).get("content", {})]
        contents += [answer.get("content", {}) for status, answer in each["responses"].items() if status < "4"]
        for content in contents:
            for media in content.values():
                if "schema" in media:
                    found = [
                        str(error.message)
                        for error in validator(media["schema"], description).iter_errors(media["example"])
                    ]
                    assert found == [], f"{each['operationId']}: declare an example"


def test_the_committed_description_is_current(declared):
    from agon.roles.api import described

    committed = (REPOSITORY / "docs/reference/openapi.json").read_bytes()
    assert committed == as_json(described(), declared), "run make docs"
