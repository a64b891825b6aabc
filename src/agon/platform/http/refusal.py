"""Problem answers where there is no route yet: plain ASGI messages."""

import msgspec

from agon.platform.context import current
from agon.platform.http.asgi import Send
from agon.platform.http.problems import PROBLEM_JSON, Problem


async def refuse(send: Send, status: int, code: str, title: str, headers: dict[str, str] | None = None) -> None:
    """Send a whole problem answer."""
    problem = Problem(f"/docs/errors#{code}", title, status, title, code, current().request_id)
    body = msgspec.json.encode(problem)
    more = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (headers or {}).items()]
    start = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": False})
