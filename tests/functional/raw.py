"""HTTP over a plain socket, for requests that no client would send."""

import asyncio
import json
from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What came back; status 0 where the server said nothing and closed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers.get("content-type") == "application/problem+json", (self.headers, self.body)
        return json.loads(self.body)


CLOSED = Answer(0, {}, b"")


async def exchange(port: int, request: bytes, *, client: str | None = None, within: float = 5.0) -> Answer:
    """Send these bytes and read one answer.

    Args:
        port: of the server on this machine.
        request: everything that is sent.
        client: the address to connect from.
        within: seconds.

    Raises:
        TimeoutError: there was none in time, and the connection is still open.
    """
    local = None if client is None else (client, 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local, limit=2**22)
    try:
        async with asyncio.timeout(within):
            writer.write(request)
            return await _answer(reader, bodiless=request.startswith(b"HEAD "))
    except ConnectionError:
        return CLOSED
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, *, bodiless: bool) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial:  # an answer that stops in its middle
            raise
        return CLOSED
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    status = int(first.split(" ")[1])
    if 100 <= status < 200:
        return await _answer(reader, bodiless=bodiless)
    length = headers.get("content-length")
    if bodiless:
        return Answer(status, headers, b"")
    body = await reader.read() if length is None else await reader.readexactly(int(length))
    return Answer(status, headers, body)


def request(
    method: str,
    target: str | bytes,
    body: bytes = b"",
    *,
    headers: list[tuple[str | bytes, str | bytes]] | None = None,
    kind: str | None = "application/json",
) -> bytes:
    """A request as bytes, complete and framed, whatever is in it."""
    lines: list[bytes] = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1", b"host: 127.0.0.1"]
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers or []]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(b"content-length: %d" % len(body))
        if kind is not None:
            lines.append(b"content-type: " + kind.encode())
    return b"\r\n".join([*lines, b"connection: close", b"", body])


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
