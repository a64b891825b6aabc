"""Compression of answers: zstd where the client takes it, else gzip."""

import zlib

import zstandard

from agon.platform.http.asgi import Message, Send

_SMALLEST = 1024
_COMPRESSIBLE = (
    b"application/json",
    b"application/problem+json",
    b"text/",
    b"application/javascript",
    b"image/svg+xml",
)
_GZIP_WINDOW = 31


def accepted_encoding(header: bytes) -> bytes | None:
    """The encoding to use for an Accept-Encoding header: `zstd`, `gzip`, or None for as it is."""
    offered = {
        part.split(b";")[0].strip() for part in header.lower().split(b",") if b"q=0" not in part.replace(b" ", b"")
    }
    return next((each for each in (b"zstd", b"gzip") if each in offered), None)


def compressed(body: bytes, encoding: bytes) -> bytes:
    if encoding == b"zstd":
        return zstandard.ZstdCompressor(level=3).compress(body)
    packer = zlib.compressobj(level=5, wbits=_GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


class CompressingSend:
    """Passes messages on, and compresses a body that comes whole, is worth it and is of a kind that shrinks.

    A streamed body is passed on as it comes: it is never gathered in memory.
    """

    __slots__ = ("_encoding", "_send", "_start")

    def __init__(self, send: Send, encoding: bytes) -> None:
        self._send = send
        self._encoding = encoding
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if message["type"] == "http.response.body":
                self._compress(start, message)
            await self._send(start)
        await self._send(message)

    def _compress(self, start: Message, message: Message) -> None:
        body: bytes = message.get("body", b"")
        headers: list[tuple[bytes, bytes]] = list(start.get("headers", []))
        by_name = dict(headers)
        kind = by_name.get(b"content-type", b"")
        if not kind.startswith(_COMPRESSIBLE):
            return
        headers.append((b"vary", b"Accept-Encoding"))
        if len(body) >= _SMALLEST and not message.get("more_body") and b"content-encoding" not in by_name:
            message["body"] = compressed(body, self._encoding)
            headers = [(name, value) for name, value in headers if name != b"content-length"]
            headers += [
                (b"content-encoding", self._encoding),
                (b"content-length", str(len(message["body"])).encode()),
            ]
        start["headers"] = headers
