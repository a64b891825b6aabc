"""Conditional reads: whoever has the newest version already is not sent it again."""

import hashlib
from typing import Any

from litestar import Request, Response

from agon.platform.http.answers import Encoded
from agon.platform.http.edge import JSON


def entity_tag(body: bytes) -> str:
    """A weak entity tag: equal bodies have equal ones, whatever they were compressed with (RFC 9110, 8.8.3)."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def conditional(
    request: Request[Any, Any, Any],
    body: bytes,
    *,
    media_type: str = JSON,
    max_age: int = 60,
    tag: str | None = None,
) -> Response[bytes]:
    """Answer a public read, with 304 where the client's copy is the newest.

    Args:
        request: whose `If-None-Match` counts.
        body: the whole answer.
        media_type: of the body.
        max_age: seconds for which caches may go on without asking.
        tag: the body's entity tag, where it is known already.
    """
    current = tag or entity_tag(body)
    headers = {"ETag": current, "Cache-Control": f"public, max-age={max_age}"}
    known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    if current in known or current.removeprefix("W/") in known or "*" in known:
        return Encoded(b"", 304, media_type, headers)
    return Encoded(body, 200, media_type, headers)
