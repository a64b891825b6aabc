"""A load of HTTP requests over plain sockets, cheap enough not to be what is measured."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Result:
    """What a load measured; latencies in seconds."""

    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        return len(self.latencies)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        return int(head[9:12]), await self._reader.readexactly(length) if length else b""

    def close(self) -> None:
        self._writer.close()


def request(method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def run_load(
    port: int,
    make: Callable[[int], bytes],
    *,
    requests: int,
    connections: int = 8,
    on_answer: Callable[[bytes], None] | None = None,
) -> Result:
    """Send so many requests over so many connections, each as soon as the last was answered.

    Args:
        port: of the server on 127.0.0.1.
        make: the request with this number.
        requests: in all.
        connections: at once.
        on_answer: is given the body of each answer.
    """
    result = Result()
    numbers = iter(range(requests))

    async def work() -> None:
        connection = await Connection(port).open()
        for number in numbers:
            message = make(number)
            began = time.perf_counter()
            status, body = await connection.ask(message)
            result.latencies.append(time.perf_counter() - began)
            result.statuses[status] = result.statuses.get(status, 0) + 1
            if on_answer is not None:
                on_answer(body)
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    result.seconds = time.perf_counter() - began
    return result


async def run_paced(port: int, make: Callable[[int], bytes], *, rate: float, seconds: float) -> Result:
    """Send requests at a steady rate, whether or not earlier ones were answered; latencies count from when due."""
    result = Result()
    began = time.perf_counter()
    free: list[Connection] = []

    async def one(number: int) -> None:
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = free.pop() if free else await Connection(port).open()
        status, _ = await connection.ask(make(number))
        result.latencies.append(time.perf_counter() - due)
        result.statuses[status] = result.statuses.get(status, 0) + 1
        free.append(connection)

    await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
    for connection in free:
        connection.close()
    result.seconds = time.perf_counter() - began
    return result
