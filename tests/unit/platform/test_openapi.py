"""The description of the API: valid, stable, and saying of each operation what its declaration says."""

import copy
from typing import Any

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from openapi_spec_validator import OpenAPIV31SpecValidator

from agon.platform.http.edge import Answer
from agon.platform.http.openapi.describe import as_json, describe
from agon.platform.http.operations import Operation
from agon.platform.http.permissions import ANYONE
from tests.unit.platform import openapi_sample as sample

EDGE_WIDE = {
    "HEADERS_TOO_LARGE",
    "HOST_INVALID",
    "HTTPS_REQUIRED",
    "INTERNAL_ERROR",
    "METHOD_NOT_ALLOWED",
    "NOT_FOUND",
    "REQUEST_INVALID",
    "SERVICE_UNAVAILABLE",
}
BODY = {"BODY_TOO_LARGE", "MEDIA_TYPE_UNSUPPORTED"}
TOKENS = {"AUTH_REQUIRED", "AUTH_TOKEN_BAD", "RATE_LIMITED"}
STORED = {"THINGS_VALIDATION_ERROR", "VALUE_INVALID", "DATABASE_UNAVAILABLE"}
KEYS = {"IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_PROGRESS"}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return describe(sample.described(sample.ROUTES), sample.DECLARED)


def operation(description: dict[str, Any], wanted: str) -> dict[str, Any]:
    return next(
        each for path in description["paths"].values() for each in path.values() if each["operationId"] == wanted
    )


def parameters(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in described["parameters"]}


def test_it_is_valid_openapi(description):
    assert list(OpenAPIV31SpecValidator(description).iter_errors()) == []


def test_the_validator_finds_what_is_not(description):
    broken = copy.deepcopy(description)
    operation(broken, "things.make")["parameters"][0]["in"] = "nowhere"
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_it_is_the_same_whatever_the_order_of_the_routes():
    backwards = as_json(sample.described(sample.ROUTES[::-1]), dict(reversed(sample.DECLARED.items())))
    assert backwards == as_json(sample.described(sample.ROUTES), sample.DECLARED)


def test_it_is_committed_as_lines():
    written = as_json(sample.described(sample.ROUTES), sample.DECLARED)
    assert written.endswith(b"}\n")
    assert written.count(b"\n") > 500


def test_it_says_what_it_describes(description):
    assert description["openapi"].startswith("3.1.")
    assert description["info"]["license"]["identifier"] == "Apache-2.0"
    assert description["servers"] == [{"url": "/", "description": "The server that this description comes from."}]
    assert description["tags"] == [{"name": "things", "description": sample.__doc__}]


def test_hidden_operations_are_left_out(description):
    assert "/hidden" not in description["paths"]


def test_every_refusal_is_a_problem(description):
    """Litestar's own error shape appears nowhere."""
    assert "status_code" not in msgspec.json.encode(description).decode()
    for path in description["paths"].values():
        for each in path.values():
            refused = {
                status: answer for status, answer in each["responses"].items() if status >= "4" and status != "default"
            }
            assert refused
            for status, answer in refused.items():
                content = answer["content"]["application/problem+json"]
                codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
                assert set(content["examples"]) == set(codes)
                for code in codes:
                    example = description["components"]["examples"][code]["value"]
                    assert (example["code"], str(example["status"])) == (code, status)
            assert each["responses"]["default"] == {"$ref": "#/components/responses/EdgeWide"}


@pytest.mark.parametrize(
    ("wanted", "codes"),
    [
        ("things.make", {"THINGS_SOLD_OUT"} | TOKENS | STORED | BODY | KEYS),
        ("things.buy", {"IDEMPOTENCY_KEY_REQUIRED"} | TOKENS | STORED | KEYS),
        ("things.key", {"IDEMPOTENCY_KEY_INVALID"} | TOKENS | STORED | BODY),
        ("things.list", {"THINGS_TOO_MANY_LOOKS", "CURSOR_INVALID"} | TOKENS | STORED),
        ("things.drop", {"AUTH_FORBIDDEN"} | TOKENS | STORED),
        ("things.public", {"RATE_LIMITED"}),
    ],
)
def test_every_code_that_can_occur_is_listed(description, wanted, codes):
    described = operation(description, wanted)
    assert set(described["x-error-codes"]) == codes
    answered = {
        code
        for answer in described["responses"].values()
        for content in answer.get("content", {}).values()
        for code in content.get("examples", {})
    }
    assert answered - EDGE_WIDE == codes


def test_a_status_that_is_named_names_what_any_request_may_meet_with_it(description):
    """`default` does not count for it."""
    answers = operation(description, "things.drop")["responses"]
    named = {
        status: set(answers[status]["content"]["application/problem+json"]["examples"]) for status in ("400", "503")
    }
    assert {status: codes & EDGE_WIDE for status, codes in named.items()} == {
        "400": {"HOST_INVALID", "REQUEST_INVALID"},
        "503": {"SERVICE_UNAVAILABLE"},
    }


def test_what_any_request_may_meet_is_said_once(description):
    content = description["components"]["responses"]["EdgeWide"]["content"]["application/problem+json"]
    assert set(content["examples"]) == EDGE_WIDE


def test_permissions_and_limits_are_told(description):
    told = {
        each["operationId"]: (each["x-permission"], each["x-rate-limits"], each["security"])
        for path in description["paths"].values()
        for each in path.values()
    }
    token = {"access_token": []}
    assert told["things.make"] == ("signed_in", ["writes"], [token])
    assert told["things.list"] == ("visitor", ["reads"], [{}, token])
    assert told["things.drop"] == ("admin", ["writes"], [token])
    assert told["things.public"] == ("anyone", ["public"], [])


@pytest.mark.parametrize(
    ("wanted", "required", "what", "replayed"),
    [
        ("things.make", False, "honoured", True),
        ("things.buy", True, "required", True),
        ("things.key", False, "ignored", False),
    ],
)
def test_idempotency_keys(description, wanted, required, what, replayed):
    described = operation(description, wanted)
    header = parameters(described)["Idempotency-Key"]
    assert (header["required"], described["x-idempotency"]) == (required, what)
    assert ("ignored" in header["description"]) == (what == "ignored")
    success = next(iter(described["responses"].values()))
    assert ("Idempotent-Replayed" in success["headers"]) == replayed


def test_only_posts_have_idempotency_keys(description):
    assert "Idempotency-Key" not in parameters(operation(description, "things.drop"))


def test_limit_headers_are_on_answers(description):
    described = operation(description, "things.list")["responses"]
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= described["200"]["headers"].keys()
    assert "Retry-After" in described["429"]["headers"]
    assert "WWW-Authenticate" in described["401"]["headers"]


def test_conditional_reads_are_seen(description):
    described = operation(description, "things.public")
    assert "ETag" in described["responses"]["200"]["headers"]
    assert "content" not in described["responses"]["304"]
    assert parameters(described)["If-None-Match"]["in"] == "header"
    assert "304" not in operation(description, "things.list")["responses"]


def test_parameters_have_the_bounds_that_are_checked(description):
    found = parameters(operation(description, "things.list"))
    assert found["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert found["limit"]["description"] == "How many."
    assert found["cursor"]["schema"] == {"type": "string"}
    assert found["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}
    assert found["from"]["schema"] == {"type": "integer", "minimum": 1, "default": 1}
    assert not any(each["required"] for each in found.values())
    path = parameters(operation(description, "things.drop"))["thing_id"]
    assert (path["in"], path["required"], path["schema"]["format"]) == ("path", True, "uuid")


def test_parts_of_the_composition_are_no_parameters(description):
    assert parameters(operation(description, "things.make")).keys() == {"Idempotency-Key"}


def test_bodies_are_what_is_decoded(description):
    new = description["components"]["schemas"]["NewThing"]
    assert new["required"] == ["name", "parts"]
    assert new["description"] == "What is made.\n\nWith its parts."
    assert new["properties"]["name"] | {"description": ""} == {
        "type": "string", "minLength": 3, "maxLength": 30, "pattern": "^[a-z]+$", "description": "",
    }  # fmt: skip
    assert new["properties"]["colour"]["default"] == "red"
    assert "default" not in description["components"]["schemas"]["Colour"]
    assert description["components"]["schemas"]["Part"]["additionalProperties"] is False


def test_times_are_told_from_text(description):
    members = description["components"]["schemas"]["Thing"]["properties"]
    time = {"type": "string", "format": "date-time"}
    assert members["made_at"] == time
    assert members["looked_at"]["items"] == time
    assert members["changed"]["additionalProperties"] == time
    assert members["sold_at"]["anyOf"] == [time, {"type": "null"}]
    assert description["components"]["schemas"]["NewThing"]["properties"]["ready_at"]["anyOf"][0] == time


def test_answers_are_complete(description):
    """What is only answered leaves nothing out; what is taken, too, may leave out what has a default."""
    schemas = description["components"]["schemas"]
    assert schemas["Thing"]["required"] == ["thing_id", "parts", "made_at", "looked_at", "changed", "sold_at"]
    assert "default" not in schemas["Thing"]["properties"]["sold_at"]
    assert schemas["Part"]["required"] == ["name"]
    assert schemas["Slim"]["required"] == ["size"]


def test_no_content_has_none(description):
    answer = operation(description, "things.drop")["responses"]["204"]
    assert "content" not in answer


def test_answers_of_other_statuses_are_described():
    async def wait() -> Answer[sample.Slim]:
        raise NotImplementedError

    waiting = handler(wait, responses={202: ResponseSpec(sample.Part)})
    responses = describe(sample.described([waiting]), {})["paths"]["/wait"]["post"]["responses"]
    assert responses["202"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Part"}
    assert responses["201"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Slim"}


class Twin(msgspec.Struct):
    size: int


class Elsewhere:
    class Twin(msgspec.Struct):
        width: int


def test_two_types_of_one_name_are_refused():
    async def one() -> Answer[Twin]:
        raise NotImplementedError

    async def two() -> Answer[Elsewhere.Twin]:
        raise NotImplementedError

    with pytest.raises(TypeError, match="shares its name"):
        describe(sample.described([handler(one), handler(two)]), {})


def handler(function: Any, **more: Any) -> HTTPRouteHandler:
    """A route of a function's name, past the list of declared operations."""
    name = function.__name__
    declared = Operation(
        id=f"things.{name}", method="POST", path=f"/{name}", summary=name, permission=ANYONE, limits=()
    )
    return HTTPRouteHandler(f"/{name}", http_method="POST", opt={"operation": declared, "endpoint": function}, **more)(
        function
    )
