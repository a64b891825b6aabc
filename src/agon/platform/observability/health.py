"""Whether the parts of the program work: asked seldom, answered often, without anything of HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from datetime import datetime
from enum import StrEnum

import msgspec
import structlog

from agon.kernel.clock import Clock
from agon.platform.observability.error_text import describe_error

CHECK_SECONDS = 2.0
KEEP_SECONDS = 1.0

_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when the part works. Raises `Degraded` when it works badly, anything else when it does not."""


class Component(StrEnum):
    """The parts that health is reported of."""

    DATABASE = "database"
    READ_DATABASE = "read_database"
    CACHE = "cache"
    BUS = "bus"
    STORAGE = "storage"
    MAIL = "mail"
    TOKEN_RPC = "token_rpc"  # noqa: S105  the name of a part
    JOBS = "jobs"


class Status(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Degraded(Exception):
    """Raised by a check: the part works, but not as it should; the message says how."""


class ComponentHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part; how long its check took, and why it is not healthy, are for staff only."""

    status: Status
    duration_ms: float | None = None
    error: str | None = None


class HealthReport(msgspec.Struct, frozen=True):
    """The state of the whole and of each part that is in use."""

    status: Status
    timestamp: datetime
    components: dict[Component, ComponentHealth]


class Health:
    """The state of the parts. A flood of questions costs one check of each part a second.

    Args:
        checks: of the parts that this process uses; the database is always among them.
        migrations: returns when the schema is the one this program needs, raises otherwise.
        clock: for the time of the report.
        check_seconds: after which a check counts as failed.
        keep_seconds: for how long its result answers.
    """

    def __init__(
        self,
        checks: Mapping[Component, Check],
        *,
        migrations: Check,
        clock: Clock,
        check_seconds: float = CHECK_SECONDS,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._clock = clock
        self._probes = {
            name: _Probe(name.value, check, check_seconds, keep_seconds) for name, check in sorted(checks.items())
        }
        self._database = self._probes[Component.DATABASE]
        self._migrations = _Probe("migrations", migrations, check_seconds, keep_seconds)
        self._shutting_down = False

    async def report(self, *, detailed: bool = False) -> HealthReport:
        """The state of every part; with errors and durations only where `detailed`."""
        results = await asyncio.gather(*(probe.result() for probe in self._probes.values()))
        components = dict(zip(self._probes, results, strict=True))
        if components[Component.DATABASE].status is Status.UNHEALTHY:
            status = Status.UNHEALTHY
        elif any(result.status is not Status.HEALTHY for result in results):
            status = Status.DEGRADED
        else:
            status = Status.HEALTHY
        if not detailed:
            components = {name: ComponentHealth(result.status) for name, result in components.items()}
        return HealthReport(status, self._clock.now(), components)

    async def ready(self) -> bool:
        """Whether requests should come here; everything else that is degraded leaves this true."""
        if self._shutting_down:
            return False
        database, migrations = await asyncio.gather(self._database.result(), self._migrations.result())
        return (
            not self._shutting_down
            and database.status is not Status.UNHEALTHY
            and migrations.status is not Status.UNHEALTHY
        )

    def begin_shutdown(self) -> None:
        """From now on this process is not ready."""
        self._shutting_down = True


class _Probe:
    """One check: run at most once at a time, its result kept for a moment."""

    def __init__(self, name: str, check: Check, check_seconds: float, keep_seconds: float) -> None:
        self._name = name
        self._check = check
        self._check_seconds = check_seconds
        self._keep_seconds = keep_seconds
        self._last = ComponentHealth(Status.HEALTHY)
        self._fresh_until = float("-inf")
        self._flight: asyncio.Task[ComponentHealth] | None = None
        self._running: asyncio.Future[None] | None = None

    async def result(self) -> ComponentHealth:
        loop = asyncio.get_running_loop()
        if loop.time() < self._fresh_until:
            return self._last
        if self._flight is None or self._flight.done():
            # Whoever asks first must not lend its request's context to a check that answers others too.
            self._flight = loop.create_task(self._run(), name=f"health {self._name}", context=Context())
        return await asyncio.shield(self._flight)

    async def _run(self) -> ComponentHealth:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, error = await self._judge()
        self._log_change(status, error)
        self._last = ComponentHealth(status, round((loop.time() - began) * 1000, 1), error)
        self._fresh_until = loop.time() + self._keep_seconds
        return self._last

    async def _judge(self) -> tuple[Status, str | None]:
        if self._running is not None and not self._running.done():
            return Status.UNHEALTHY, "the last check still hangs"
        # Waited for, not wrapped in a timeout: a check that does not heed its cancellation must not hold the answer.
        self._running = asyncio.ensure_future(self._check())
        self._running.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({self._running}, timeout=self._check_seconds)
        if not done:
            self._running.cancel()
            return Status.UNHEALTHY, f"no answer within {self._check_seconds:g} s"
        if self._running.cancelled():
            return Status.UNHEALTHY, "the check was cancelled"
        error = self._running.exception()
        if error is None:
            return Status.HEALTHY, None
        return Status.DEGRADED if isinstance(error, Degraded) else Status.UNHEALTHY, describe_error(error)

    def _log_change(self, status: Status, error: str | None) -> None:
        if status is not self._last.status:
            write = _log.info if status is Status.HEALTHY else _log.warning
            write("health_changed", component=self._name, status=status.value, reason=error)


def _retrieve(check: asyncio.Future[None]) -> None:
    """Take the error of a check that ended after it was given up, so that asyncio does not report it as forgotten."""
    if not check.cancelled():
        check.exception()
