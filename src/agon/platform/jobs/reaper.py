"""Takes back the jobs of workers that died."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from agon.platform.database.dedicated import DedicatedConnection
from agon.platform.jobs.claims import SUSPECT_PREFIX
from agon.platform.jobs.execution import FIRST_DELAY, LONGEST_DELAY
from agon.platform.jobs.handlers import DEFAULT_ATTEMPTS

_REAP = f"""
    with stale as (
        select id, entrypoint, attempts, heartbeat, queue_manager_id as worker,
               entrypoint like '{SUSPECT_PREFIX}%' as suspect,
               regexp_replace(entrypoint, '^{SUSPECT_PREFIX}', '') as kind
        from pgqueuer
        where status = 'picked' and heartbeat < now() - $1::interval
        order by queue_manager_id, id
        limit 500
        for update skip locked
    ), judged as (
        select stale.*, heartbeat < now() - 2 * $1::interval as lost, count(*) over others = 1 as alone,
               bool_or(suspect) over others as any_suspect,
               attempts + 1 >= coalesce(kinds.most, {DEFAULT_ATTEMPTS}) as last,
               exists (select from pgqueuer as other
                       where other.queue_manager_id = stale.worker and other.status = 'picked'
                         and other.heartbeat >= now() - $1::interval) as worker_lives
        from stale
        left join unnest($2::text[], $3::integer[]) as kinds (name, most) on kinds.name = stale.kind
        window others as (partition by worker)
    ), verdict as (
        select id, kind, suspect, not worker_lives and (suspect or not any_suspect) as blamed,
               not worker_lives and (suspect or alone) and last as dead
        from judged
        where lost or not worker_lives
    )
    update pgqueuer job
    set status = case when dead then 'failed' else 'queued' end::pgqueuer_status,
        entrypoint = case when dead then kind when blamed then '{SUSPECT_PREFIX}' || kind else entrypoint end,
        attempts = attempts + blamed::integer,
        execute_after = now() + case when blamed
            then least({FIRST_DELAY} * power(2, least(attempts, 16)), {LONGEST_DELAY}) * (0.5 + random() / 2) else 0
            end * interval '1 second',
        last_error = case when blamed then 'The worker that ran this job died before it ended.' else last_error end,
        updated = now(), queue_manager_id = null, slot = null
    from verdict
    where job.id = verdict.id
    returning job.id, verdict.kind, verdict.dead
"""  # noqa: S608 - what is put in are constants


class Reaped(msgspec.Struct, frozen=True):
    """A job whose worker died; `dead` when that was its last attempt."""

    job_id: int
    name: str
    dead: bool


async def reap(connection: DedicatedConnection, crash_timeout: float, most: Mapping[str, int]) -> list[Reaped]:
    """Take back the jobs whose workers gave no sign of life for `crash_timeout` seconds.

    Any of the jobs that a worker had when it died may have killed it. All become suspects, and an attempt is counted:
    a worker runs one suspect at a time. When a worker dies with a suspect, that is the one to blame: it alone becomes
    a dead letter after its last attempt, and what ran beside it does not suffer.

    A job that gives no sign while its worker does was picked, but the answer never arrived: it only waits anew.

    Just after a connection was made nothing is done: while the database was out of reach nobody could give a sign.

    Args:
        connection: the worker's own.
        crash_timeout: seconds.
        most: how many attempts each kind of job has, by name.
    """
    if connection.connected_for() < crash_timeout:
        return []
    rows = await connection.fetch(_REAP, timedelta(seconds=crash_timeout), list(most), list(most.values()))
    return [Reaped(*row) for row in rows]
