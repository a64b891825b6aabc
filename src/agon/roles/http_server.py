"""The HTTP server: uvicorn, told when to stop by us and not by signals of its own."""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any, cast

import uvicorn

from agon.platform.http.asgi import App


class AddressInUse(Exception):
    """Something else listens there; the message names it."""


def listen(host: str, port: int) -> socket.socket:
    """Take an address before anything else is started; port 0 takes a free one.

    Raises:
        AddressInUse: it is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        message = f"cannot listen on {host}:{port} ({error.strerror}); choose another with AGON_HOST and AGON_PORT"
        raise AddressInUse(message) from error
    taken.listen(2048)
    taken.setblocking(False)
    return taken


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the program: it has more to stop than this server."""
        yield


class HttpServer:
    """Serves an application on a listening socket until stopped."""

    def __init__(self, application: App, listening: socket.socket, *, drain_seconds: float) -> None:
        configuration = uvicorn.Config(
            cast("Any", application),
            http="httptools",
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            log_level=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
            h11_max_incomplete_event_size=64 * 1024,
        )
        self._server = _Server(configuration)
        self._listening = listening
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None]:
        """Accept connections; returns when it does, with the task that ends when serving does."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listening]), name="http-server")
        while not self._server.started:
            if self._task.done():
                self._task.result()
                message = "the HTTP server ended at once"
                raise RuntimeError(message)
            await asyncio.sleep(0.005)
        return self._task

    async def stop(self) -> None:
        """Accept no more, and finish what is under way, at most for the time to drain."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None
