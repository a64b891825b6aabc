"""Holds real answers to what the description of the API says of them."""

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator


def validator(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Validator:
    """A validator of one schema of a description; references reach its components."""
    whole = {**schema, "components": description["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


class Described:
    """The answers of an API as its description has them."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._description = description
        self._paths = {
            re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))): operations
            for path, operations in description["paths"].items()
        }

    def check(self, method: str, path: str, status: int, media_type: str, body: Any) -> None:
        """Fail unless this answer is one that the description allows; `body` is decoded JSON, None for none."""
        response = self._response(method, path, status)
        content = response.get("content", {})
        if not content:
            assert body is None, f"{method} {path} answers {status} with a body, and is described without"
            return
        kind = media_type.partition(";")[0]
        assert kind in content, f"{method} {path} answers {status} with {kind}, described are {sorted(content)}"
        if "schema" in content[kind]:
            validator(content[kind]["schema"], self._description).validate(body)

    def _response(self, method: str, path: str, status: int) -> Mapping[str, Any]:
        for pattern, operations in self._paths.items():
            if pattern.fullmatch(path) and method.lower() in operations:
                responses = operations[method.lower()]["responses"]
                response = responses.get(str(status), responses["default"])
                reference = response.get("$ref")
                return (
                    self._description["components"]["responses"][reference.rpartition("/")[2]]
                    if reference
                    else response
                )
        raise AssertionError(f"{method} {path} is not described")
