"""The background work: which jobs there are, and what is due by a timetable."""

from agon.platform.jobs.worker import Worker, WorkerOptions
from agon.roles.observing import JobTelemetry
from agon.roles.site import Site


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
        options=options,
        observer=JobTelemetry(),
    )
