"""No answer holds what is private, but for the owner's own answers, each with its reason."""

from typing import Any

import pytest

from agon.platform.http.openapi.describe import describe
from tests.architecture.answer_privacy import looks_private, private_examples, private_members
from tests.architecture.declared_errors import declared_errors

_OWN_TOKENS = "signing in gives the caller its own tokens"
_OWN_EMAIL = "the address of the account that asks, shown to nobody else"
ALLOWED = {
    ("auth.key_set", "keys"): "public keys, made to be read by everyone (RFC 7517)",
    ("auth.key_set", "keys[].*"): "the members of a JSON Web Key; a test of accounts holds them to the public ones",
    ("auth.login", "access_token"): _OWN_TOKENS,
    ("auth.login", "refresh_token"): _OWN_TOKENS,
    ("auth.login", "user.email"): _OWN_EMAIL,
    ("auth.login", "user.email_verified"): _OWN_EMAIL,
    ("auth.read_account", "email"): _OWN_EMAIL,
    ("auth.read_account", "email_verified"): _OWN_EMAIL,
    ("auth.refresh", "access_token"): _OWN_TOKENS,
    ("auth.refresh", "refresh_token"): _OWN_TOKENS,
    ("auth.register", "access_token"): _OWN_TOKENS,
    ("auth.register", "refresh_token"): _OWN_TOKENS,
    ("auth.register", "user.email"): _OWN_EMAIL,
    ("auth.register", "user.email_verified"): _OWN_EMAIL,
    ("auth.setup", "access_token"): _OWN_TOKENS,
    ("auth.setup", "refresh_token"): _OWN_TOKENS,
    ("auth.setup", "user.email"): _OWN_EMAIL,
    ("auth.setup", "user.email_verified"): _OWN_EMAIL,
    ("auth.validate", "email"): _OWN_EMAIL,
    ("documentation.openapi", "*"): "the description itself, made of the code and of nobody's data",
}
"""Members of answers that are named like something private, or are not known, and why they may be there."""

ALLOWED_EXAMPLES = {
    (operation, "an e-mail address")
    for operation in ("auth.login", "auth.read_account", "auth.register", "auth.setup", "auth.validate")
}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    from agon.roles.api import described

    return describe(described(), declared_errors())


def test_nothing_private_is_answered(description):
    assert set(private_members(description)) - ALLOWED.keys() == set()
    assert set(private_examples(description)) - ALLOWED_EXAMPLES == set()


def test_what_is_allowed_is_there(description):
    """An entry that allows nothing any more would allow it again unseen."""
    assert ALLOWED.keys() - set(private_members(description)) == set()
    assert ALLOWED_EXAMPLES - set(private_examples(description)) == set()


def test_only_the_owner_of_an_account_is_allowed_more(description):
    personal = {operation for operation, member in ALLOWED if "*" not in member and member != "keys"}
    paths = {each["operationId"]: path for path, all_of in description["paths"].items() for each in all_of.values()}
    assert {operation for operation in personal if not paths[operation].startswith("/api/v1/auth/")} == set()


@pytest.mark.parametrize(
    "name",
    [
        "email",
        "owner_email",
        "ownerEmail",
        "ip",
        "ip_prefix",
        "lastIP",
        "access_token",
        "password_hash",
        "api_keys",
        "user_agent",
    ],
)
def test_private_names(name):
    assert looks_private(name)


@pytest.mark.parametrize(
    "name", ["shipping", "tier", "description", "display_name", "keyboard", "hashtag_count", "recipient"]
)
def test_names_that_are_none(name):
    assert not looks_private(name)


PLAYER = {"$ref": "#/components/schemas/Player"}


def holding(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members}


def answered(schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    """A description with one operation that answers this."""
    player = {"type": "object", "properties": {"name": {"type": "string"}, "friend": PLAYER}}
    content = {"application/json": {"schema": schema, "example": example}}
    operation = {"operationId": "planted.read", "responses": {"200": {"content": content}}}
    return {"paths": {"/planted": {"get": operation}}, "components": {"schemas": {"Player": player}}}


@pytest.mark.parametrize(
    ("schema", "member"),
    [
        (holding(email={"type": "string"}), "email"),
        ({"type": "array", "items": holding(last_ip={"type": "string"})}, "[].last_ip"),
        ({"anyOf": [{"type": "null"}, holding(a=holding(token={"type": "string"}))]}, "a.token"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "*"),
        (holding(data={"type": "object"}), "data.*"),
        (holding(data={}), "data.*"),
        ({}, "*"),
    ],
)
def test_planted_members_are_found(schema, member):
    assert ("planted.read", member) in set(private_members(answered(schema)))


def test_a_planted_member_of_a_named_type_is_found():
    planted = answered({"type": "object", "additionalProperties": PLAYER})
    assert list(private_members(planted)) == []
    planted["components"]["schemas"]["Player"]["properties"]["phone"] = {"type": "string"}
    assert list(private_members(planted)) == [("planted.read", "*.phone")]


@pytest.mark.parametrize(
    ("example", "what"),
    [
        ({"name": "ada@example.org"}, "an e-mail address"),
        ([{"seen": "203.0.113.7"}], "an IP address"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIx.c2ln", "a token"),
    ],
)
def test_planted_examples_are_found(example, what):
    assert list(private_examples(answered(PLAYER, example))) == [("planted.read", what)]
    assert list(private_examples(answered(PLAYER, {"name": "Ada", "version": "1.2.3"}))) == []
