"""What the parts of a process tell the metrics and traces."""

import asyncio
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from agon.platform.breakers import State
from agon.platform.context import current
from agon.platform.database.pool import Pool
from agon.platform.jobs.observing import Outcome
from agon.platform.load_status import Load, LoadStatus, Measure, Threshold
from agon.platform.observability import metrics, traces
from agon.platform.observability.errors import configure_error_tracking, stop_error_tracking
from agon.platform.observability.logs import LogFormat, configure_logs
from agon.platform.settings.model import Settings
from agon.platform.settings.stores import LoadSettings

_STATES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
_SAMPLE_SECONDS = 5.0
_DELIVERY = "event:"


class JobTelemetry:
    """Told of every job: one measurement and, where traces are on, one span each."""

    def span(self, name: str, trace_parent: str | None) -> AbstractContextManager[Any]:
        if not traces.enabled():
            return traces.NO_SPAN
        return _job_span(name, trace_parent)

    def finished(self, name: str, outcome: Outcome, seconds: float, lag: float) -> None:
        metrics.JOBS.add(name, outcome.value)
        metrics.JOB_DURATION.observe(seconds, name)
        if name.startswith(_DELIVERY):
            metrics.OUTBOX_LAG.observe(lag)


@contextmanager
def _job_span(name: str, trace_parent: str | None) -> Generator[None]:
    with traces.span(name, traces.SpanKind.CONSUMER, {"agon.job": name}, trace_parent):
        current().trace_parent = traces.inject()  # stored with the events and jobs of this one
        yield


def breaker_changed(name: str, state: State) -> None:
    """A breaker opened, closed, or lets a try through."""
    metrics.BREAKER_TRANSITIONS.add(name, state.value)
    metrics.BREAKER_STATE.set(_STATES[state], name)


def load_changed(load: Load) -> None:
    """The process is healthy, degraded or critical now."""
    metrics.LOAD_STATUS.set(int(load))


def thresholds(settings: LoadSettings) -> dict[Measure, Threshold]:
    """What the settings call degraded and critical, in seconds."""
    return {
        Measure.POOL_WAIT: Threshold(settings.pool_wait_degraded_ms / 1000, settings.pool_wait_critical_ms / 1000),
        Measure.LOOP_LAG: Threshold(settings.loop_lag_degraded_ms / 1000, settings.loop_lag_critical_ms / 1000),
        Measure.DATABASE: Threshold(settings.database_p95_degraded_ms / 1000, settings.database_p95_critical_ms / 1000),
    }


def watch_pool_waits(load: LoadStatus) -> Any:
    """What a pool calls with its name and how long a connection was waited for."""

    def waited(pool: str, seconds: float) -> None:
        metrics.DATABASE_POOL_WAIT.observe(seconds, pool)
        load.record(Measure.POOL_WAIT, seconds)

    return waited


def configure(settings: Settings, role: str, version: str) -> None:
    """Start logs, and traces and error tracking where the settings ask for them."""
    configure_logs(
        level=settings.log.level.value, line_format=LogFormat(settings.log.format.value), role=role, version=version
    )
    tracing, dsn = settings.tracing, settings.sentry.dsn
    traces.configure_traces(
        otlp_endpoint=tracing.otlp_endpoint, role=role, version=version, sample_ratio=tracing.sample_ratio
    )
    configure_error_tracking(
        None if dsn is None else dsn.get_secret_value(), environment=settings.environment.value, version=version
    )


async def finish() -> None:
    """Send what is still waiting to be sent; never takes longer than some seconds."""
    await asyncio.to_thread(traces.shutdown_traces)
    await asyncio.to_thread(stop_error_tracking)


async def sample(pools: tuple[Pool, ...]) -> None:
    """Show how many connections are in use and idle, and how late the event loop is; runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        for pool in pools:
            lent, idle = pool.usage()
            metrics.DATABASE_POOL_CONNECTIONS.set(lent, pool.options.name, "used")
            metrics.DATABASE_POOL_CONNECTIONS.set(idle, pool.options.name, "idle")
        due = loop.time() + _SAMPLE_SECONDS
        await asyncio.sleep(_SAMPLE_SECONDS)
        metrics.EVENT_LOOP_LAG.set(max(0.0, loop.time() - due))
