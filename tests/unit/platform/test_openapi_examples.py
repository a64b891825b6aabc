"""Examples in the description are what its schemas allow, and real answers can be held to it."""

from typing import Any

import pytest

from agon.platform.http.openapi.describe import describe
from agon.platform.http.openapi.examples import example
from tests.architecture.described_answers import Described, validator
from tests.unit.platform import openapi_sample as sample


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return describe(sample.described(sample.ROUTES), sample.DECLARED)


def test_declared_examples_win(description):
    make = description["paths"]["/api/v1/things"]["post"]["requestBody"]["content"]["application/json"]
    assert make["example"] == {"name": "chair", "parts": [{"name": "leg"}]}
    key = description["paths"]["/api/v1/things/key"]["post"]["responses"]["201"]["content"]["application/json"]
    assert key["example"] == {"size": 7}


def test_every_example_is_what_its_schema_allows(description):
    checked = 0
    for path in description["paths"].values():
        for each in path.values():
            contents = [each.get("requestBody", {}).get("content", {})]
            contents += [answer.get("content", {}) for answer in each["responses"].values()]
            for content in contents:
                for media in content.values():
                    if "schema" in media and "example" in media:
                        validator(media["schema"], description).validate(media["example"])
                        checked += 1
    assert checked == 6
    for problem in description["components"]["examples"].values():
        validator({"$ref": "#/components/schemas/Problem"}, description).validate(problem["value"])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 12},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^[0-9]{6}$"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "uuid"},
        {"type": "integer", "minimum": 7},
        {"type": "integer", "exclusiveMinimum": 7},
        {"type": "integer", "maximum": 0},
        {"type": "number", "minimum": 0.5, "maximum": 0.7},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 0},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]},
        {"const": 3},
        {"enum": ["b", "a"]},
    ],
)
def test_examples_are_made_of_what_a_schema_allows(schema):
    found = example(schema, {}, whole=True)
    assert found is not None
    validator(schema, {"components": {}}).validate(found)


def test_examples_of_types_that_hold_themselves_come_to_an_end():
    itself = {"$ref": "#/components/schemas/Tree"}
    tree = {"type": "object", "required": ["branches"], "properties": {"branches": {"type": "array", "items": itself}}}
    found = example(itself, {"Tree": tree}, whole=True)
    assert found["branches"][0]["branches"]
    validator(itself, {"components": {"schemas": {"Tree": tree}}}).validate(found)


def test_answers_are_held_to_the_description(description):
    described = Described(description)
    described.check("POST", "/api/v1/things/key", 201, "application/json", {"size": 1})
    problem = description["components"]["examples"]["THINGS_SOLD_OUT"]["value"]
    described.check("POST", "/api/v1/things", 409, "application/problem+json; charset=utf-8", problem)
    described.check("DELETE", "/api/v1/things/7", 204, "", None)
    for wrong in (
        ("POST", "/api/v1/things/key", 201, "application/json", {"size": "1"}),
        ("POST", "/api/v1/things/key", 201, "text/html", {"size": 1}),
        ("POST", "/api/v1/things", 409, "application/problem+json", {**problem, "code": "OTHER"}),
        ("DELETE", "/api/v1/things/7", 204, "application/json", {}),
        ("GET", "/api/v1/nothing", 200, "application/json", {}),
    ):
        with pytest.raises(Exception, match=r"is not|described"):
            described.check(*wrong)
