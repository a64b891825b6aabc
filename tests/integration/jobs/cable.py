"""The line between a program and its database, which a test can cut, or hold still."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Cable:
    """Passes bytes between clients and a server until it is cut."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        self._host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
        self._server_port = int(query.get("port", [parts.port or 5432])[0])
        self._parts = parts
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    @property
    def dsn(self) -> str:
        user = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(("postgresql", f"{user}@127.0.0.1:{self.port}", self._parts.path, "", ""))

    async def join(self) -> None:
        """Let clients through (again)."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()

    def hold(self) -> None:
        """Pass nothing on, but leave connections as they are."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._host.startswith("/"):
            server = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._server_port}")
        else:
            server = await asyncio.open_connection(self._host, self._server_port)
        both = {writer, server[1]}
        self._writers |= both
        try:
            await asyncio.gather(self._pass(reader, server[1]), self._pass(server[0], writer))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def cable_to(dsn: str) -> AsyncGenerator[Cable, None]:
    cable = Cable(dsn)
    await cable.join()
    try:
        yield cable
    finally:
        cable.release()
        cable.cut()
        await asyncio.sleep(0.05)
