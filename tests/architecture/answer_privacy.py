"""Walks every member of every answer of a description, in search of what nobody should be told of another."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_WORDS = """
    address addresses agent birthday card cookie cookies credential credentials device digest email emails fingerprint
    hash hashes iban ip ips key keys latitude longitude mail mails otp passcode passphrase password passwords pepper
    phone pin private recovery salt secret secrets seed signature token tokens totp
"""
PRIVATE_WORDS = frozenset(_WORDS.split())
"""A member whose name has one of these words is private until its reason is written down."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PREFIX = "#/components/schemas/"

_LOOKS = {
    "an e-mail address": re.compile(r"[^@\s\"]+@[^@\s\"]+\.[a-z]+"),
    "an IP address": re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"),
    "a token": re.compile(r"\beyJ[\w-]+\.[\w-]+"),
}

Found = tuple[str, str]
"""The operation's id and the member's path, such as `items[].owner.email`."""


def private_members(description: Mapping[str, Any]) -> Iterator[Found]:
    """Every member of a successful answer that is named like something private, or whose members are not known."""
    for operation, content in answers(description):
        yield from ((operation, path) for path in _walk(content.get("schema", {}), description, "", ()))


def private_examples(description: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every answer whose example holds something that looks private: the operation's id and what it looks like."""
    for operation, content in answers(description):
        text = str(content.get("example", ""))
        yield from ((operation, what) for what, pattern in _LOOKS.items() if pattern.search(text))


def answers(description: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The content of every answer that is no problem, with the operation's id."""
    for operations in description["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                for kind, content in response.get("content", {}).items():
                    if kind != "application/problem+json":
                        yield operation["operationId"], content


def looks_private(name: str) -> bool:
    """Whether a name has one of the private words in it: `ownerEmail`, `ip_prefix`, but not `shipping`."""
    return any(word.lower() in PRIVATE_WORDS for word in _WORD.findall(name))


def _walk(
    schema: Mapping[str, Any], description: Mapping[str, Any], path: str, above: tuple[str, ...]
) -> Iterator[str]:
    reference = schema.get("$ref", "")
    if reference:
        if reference not in above:
            named = description["components"]["schemas"][reference.removeprefix(_PREFIX)]
            yield from _walk(named, description, path, (*above, reference))
        return
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _walk(each, description, path, above)
    for name, member in schema.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        if looks_private(name):
            yield inner
        yield from _walk(member, description, inner, above)
    for each in (schema.get("items"), *schema.get("prefixItems", ())):
        if isinstance(each, Mapping):
            yield from _walk(each, description, f"{path}[]", above)
    values, inside = schema.get("additionalProperties"), f"{path}.*" if path else "*"
    if isinstance(values, Mapping) and "$ref" in values:
        yield from _walk(values, description, inside, above)
    elif values or _is_open(schema):
        yield inside


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Whether anything at all may stand here."""
    telling = {"type", "enum", "const", "anyOf", "oneOf", "allOf"} & schema.keys()
    return not telling or (schema.get("type") == "object" and "properties" not in schema)
