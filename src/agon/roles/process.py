"""Processes: what each role runs, and how it stops."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from agon import __version__
from agon.platform.http.service_routes import metrics_application
from agon.platform.settings.model import Settings
from agon.roles.announcement import announce
from agon.roles.api import build_api
from agon.roles.http_server import HttpServer, listen
from agon.roles.observing import configure, finish
from agon.roles.site import Site, open_site
from agon.roles.work import build_worker, watch_queue

_log = structlog.get_logger(__name__)
Stop = Callable[[], Awaitable[None]]


class RoleEnded(Exception):
    """A part that runs for as long as the process ended by itself; why is in the log."""


async def serve_everything(settings: Settings) -> None:
    """All roles in one process; brings its database up to date first."""
    await _run(settings, "serve", http=True, jobs=True, migrate=True)


async def serve_api(settings: Settings) -> None:
    """The HTTP side alone."""
    await _run(settings, "api", http=True, jobs=False, migrate=False)


async def serve_worker(settings: Settings) -> None:
    """The background work alone."""
    await _run(settings, "worker", http=False, jobs=True, migrate=False)


async def _run(settings: Settings, role: str, *, http: bool, jobs: bool, migrate: bool) -> None:
    stopping = _stop_signal()
    configure(settings, role, __version__)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(finish)
        listening = listen(settings.http.host, settings.http.port) if http else None
        if listening is not None:
            stack.callback(listening.close)
        site = await stack.enter_async_context(open_site(settings, role, migrate=migrate))
        ends: list[asyncio.Task[None]] = []
        if jobs:
            await stack.enter_async_context(_working(site, ends))
        if settings.http.metrics_port is not None:
            metrics = listen(settings.http.host, settings.http.metrics_port)
            await stack.enter_async_context(_serving(HttpServer(metrics_application(), metrics, drain_seconds=1), ends))
        if listening is not None:
            server = HttpServer(build_api(site), listening, drain_seconds=settings.http.drain_seconds)
            await stack.enter_async_context(_serving(server, ends))
            await announce(site, listening.getsockname()[1])
        await _until_told(stopping, ends)
        _log.info("shutdown_begun")
        site.health.begin_shutdown()
        if http:
            await asyncio.sleep(settings.http.shutdown_grace_seconds)
    _log.info("shutdown_complete")


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; a second one ends the process as it would without us."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
    return stopping


async def _until_told(stopping: asyncio.Event, ends: list[asyncio.Task[None]]) -> None:
    """Wait for a signal.

    Raises:
        RoleEnded: something that never ends did; better to stop as a whole than to go on in part.
    """
    told = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([told, *ends], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    for task in ends:
        if task in done:
            error = None if task.cancelled() else task.exception()
            _log.error("role_ended", part=task.get_name(), exc_info=error)
            message = f"{task.get_name()} ended by itself"
            raise RoleEnded(message) from error


@asynccontextmanager
async def _working(site: Site, ends: list[asyncio.Task[None]]) -> AsyncGenerator[None]:
    worker = build_worker(site)
    task = asyncio.create_task(worker.run(), name="worker")
    ends.append(task)
    measuring = asyncio.create_task(watch_queue(site.database), name="queue-figures")
    try:
        yield
    finally:
        measuring.cancel()
        await worker.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(task, measuring, return_exceptions=True)


@asynccontextmanager
async def _serving(server: HttpServer, ends: list[asyncio.Task[None]]) -> AsyncGenerator[None]:
    ends.append(await server.start())
    try:
        yield
    finally:
        await server.stop()
