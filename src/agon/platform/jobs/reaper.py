"""Takes back the jobs of workers that died."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from agon.platform.database.dedicated import DedicatedConnection
from agon.platform.jobs.execution import FIRST_DELAY, LONGEST_DELAY
from agon.platform.jobs.handlers import DEFAULT_ATTEMPTS

_REAP = f"""
    with stale as (
        select job.id, job.attempts + 1 >= coalesce(kind.most, {DEFAULT_ATTEMPTS}) as dead
        from pgqueuer job
        left join unnest($2::text[], $3::integer[]) as kind (name, most) on kind.name = job.entrypoint
        where job.status = 'picked' and job.heartbeat < now() - $1::interval
        order by job.heartbeat
        limit 100
        for update of job skip locked
    )
    update pgqueuer job
    set status = case when stale.dead then 'failed' else 'queued' end::pgqueuer_status,
        attempts = attempts + 1,
        execute_after = now() + least({FIRST_DELAY} * power(2, least(attempts, 16)), {LONGEST_DELAY})
            * (0.5 + random() / 2) * interval '1 second',
        last_error = 'The worker that ran this job died, or was cut off, before it ended.',
        updated = now(), queue_manager_id = null, slot = null
    from stale
    where job.id = stale.id
    returning job.id, job.entrypoint, stale.dead
"""  # noqa: S608 - the numbers are constants


class Reaped(msgspec.Struct, frozen=True):
    """A job whose worker died; `dead` when that was its last attempt."""

    job_id: int
    name: str
    dead: bool


async def reap(connection: DedicatedConnection, crash_timeout: float, most: Mapping[str, int]) -> list[Reaped]:
    """Take back the jobs whose workers gave no sign of life for `crash_timeout` seconds.

    An attempt is counted, since the job may be what killed the worker: after its last attempt it is kept as a dead
    letter. Others that ran beside it are counted too; the waits before the next run are spread, so that they do not
    meet again.

    Just after a connection was made it does nothing: while the database was out of reach nobody could give a sign.

    Args:
        connection: the worker's own.
        crash_timeout: seconds.
        most: how many attempts each kind of job has, by name.
    """
    if connection.connected_for() < crash_timeout:
        return []
    rows = await connection.fetch(_REAP, timedelta(seconds=crash_timeout), list(most), list(most.values()))
    return [Reaped(*row) for row in rows]
