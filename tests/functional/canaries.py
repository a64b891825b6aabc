"""Secrets to plant, and where to look for them."""

import base64
import gzip
import json
import random
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import quote

_ONSETS = "bdfgklmnprstvz"
_VOWELS = "aeiou"


class Canaries:
    """Makes secrets that look like nothing: not like tokens, which anything that knows their shape would hide."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.planted: dict[str, str] = {}
        """Each secret, and where it was planted."""

    def word(self) -> str:
        return "".join(self._chance.choice(_ONSETS) + self._chance.choice(_VOWELS) for _ in range(6))

    def plant(self, where: str) -> str:
        """A secret of one word."""
        return self.remember(self.word(), where)

    def phrase(self, where: str) -> str:
        """A secret of two words, such as people choose for passwords."""
        return self.remember(f"{self.word()} {self.word()}", where)

    def email(self, where: str) -> str:
        name = self.plant(where)
        return f"{name}@example.com"

    def remember(self, secret: str, where: str) -> str:
        self.planted[secret] = where
        return secret

    def found_in(self, text: str | bytes) -> list[str]:
        """Where those secrets were planted that stand in a text, in clear or in a usual encoding."""
        searched = (text if isinstance(text, str) else text.decode("utf-8", "replace")).lower()
        return sorted(
            {where for secret, where in self.planted.items() if any(each in searched for each in _spellings(secret))}
        )


def _spellings(secret: str) -> set[str]:
    raw = secret.encode()
    return {
        secret.lower(),
        quote(secret).lower(),
        json.dumps(secret)[1:-1].lower(),
        base64.b64encode(raw).rstrip(b"=").decode().lower(),
        raw.hex(),
    }


class Collector:
    """A server that takes whatever is sent to it: traces, errors."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                collector.bodies.append(_unpacked(raw, self.headers.get("content-encoding", "")))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.port = self._server.server_port

    @property
    def text(self) -> bytes:
        return b"\n".join(self.bodies)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _unpacked(raw: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(raw)
    if encoding == "deflate":
        return zlib.decompress(raw)
    return raw
