"""The background work: which jobs there are, and what is due by a timetable."""

import asyncio
from datetime import timedelta

import structlog

from agon.domains.accounts import jobs as accounts
from agon.platform.database.database import Database
from agon.platform.database.errors import DatabaseUnavailable
from agon.platform.jobs.figures import queue_figures
from agon.platform.jobs.maintenance import maintenance
from agon.platform.jobs.worker import Worker, WorkerOptions
from agon.platform.observability import metrics
from agon.platform.settings.operation import RetentionSettings
from agon.roles.observing import JobTelemetry
from agon.roles.site import Site

_MEASURE_SECONDS = 5.0
_log = structlog.get_logger(__name__)


def build_worker(site: Site) -> Worker:
    """The worker of a site."""
    jobs = site.settings.jobs
    options = WorkerOptions(
        concurrency=jobs.concurrency,
        max_attempts=jobs.max_attempts,
        poll=jobs.poll_seconds,
        crash_timeout=jobs.crash_timeout_seconds,
        stop_timeout=site.settings.http.drain_seconds,
        pgbouncer=site.settings.database.pgbouncer,
    )
    return Worker(
        site.database,
        site.addresses.application,
        site.subscriptions,
        handlers=accounts.job_handlers(site.database, site.mail, f"{site.settings.base_url}/docs/api/auth"),
        periodic=maintenance(site.database, _periods(site.settings.retention)),
        options=options,
        observer=JobTelemetry(),
    )


def _periods(retention: RetentionSettings) -> dict[str, timedelta]:
    """How long rows are kept where the settings say so, by table."""
    events = timedelta(days=retention.event_days)
    return {
        "event": events,
        "processed_event": events,
        "invalidation": timedelta(minutes=retention.invalidation_minutes),
        "idempotency_record": timedelta(hours=retention.idempotency_hours),
        "pgqueuer_log": timedelta(days=retention.job_log_days),
    }


async def watch_queue(database: Database) -> None:
    """Show how much work waits, and for how long; runs until cancelled."""
    known: set[str] = set()
    while True:
        try:
            figures = await database.fetch(queue_figures)
        except DatabaseUnavailable:
            _log.debug("queue_not_measured")
        else:
            known |= figures.depth.keys()
            for name in known:
                metrics.JOB_QUEUE_DEPTH.set(figures.depth.get(name, 0), name)
            metrics.JOB_QUEUE_AGE.set(figures.oldest_seconds)
            metrics.JOBS_DEAD.set(figures.dead)
        await asyncio.sleep(_MEASURE_SECONDS)
