"""PgQueuer's statements, with what a worker needs beyond them.

All times here are the database's own: jobs are due, and workers are alive, by one clock that they share.
"""

import dataclasses
from datetime import timedelta

import msgspec
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.adapters.persistence.query_helpers import cell
from pgqueuer.domain.models import Job as PickedJob
from pgqueuer.domain.models import TracebackRecord
from pgqueuer.domain.types import JOB_STATUS, QueueEntrypoint, QueueManagerId

SUSPECT_PREFIX = "suspect:"
"""Jobs that may have killed their worker wait under their name with this before it, in a lane of one place; a run that
ends, however badly, clears them."""
LONGEST_ERROR = 8_000
"""Characters of a traceback that are kept with a job; its end tells most."""

_FINISH = f"""
    with ended as (
        select * from unnest($1::bigint[], $2::text[], $3::text[], $4::jsonb[])
            as ended (id, status, error, traceback)
    ), deleted as (
        delete from pgqueuer job using ended
        where job.id = ended.id and ended.status <> 'failed'
          and job.status = 'picked' and job.queue_manager_id = $5::uuid
        returning job.id, job.entrypoint, job.priority, ended.status, ended.traceback
    ), held as (
        update pgqueuer job
        set status = 'failed', attempts = attempts + 1, updated = now(), queue_manager_id = null, slot = null,
            entrypoint = regexp_replace(entrypoint, '^{SUSPECT_PREFIX}', ''), last_error = ended.error
        from ended
        where job.id = ended.id and ended.status = 'failed'
          and job.status = 'picked' and job.queue_manager_id = $5::uuid
        returning job.id, job.entrypoint, job.priority, ended.status, ended.traceback
    )
    insert into pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    select id, status::pgqueuer_status, entrypoint, priority, traceback
    from (select * from deleted union all select * from held) as gone
    where status <> 'successful'
"""  # noqa: S608 - what is put in is a constant
_RETRY = f"""
    with waiting as (
        update pgqueuer job
        set status = 'queued', execute_after = now() + $2::interval, attempts = attempts + 1, updated = now(),
            queue_manager_id = null, slot = null, last_error = $3,
            entrypoint = regexp_replace(entrypoint, '^{SUSPECT_PREFIX}', '')
        where id = $1 and status = 'picked' and queue_manager_id = $5::uuid
        returning id, entrypoint, priority
    )
    insert into pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    select id, 'queued', entrypoint, priority, $4::jsonb from waiting
"""  # noqa: S608 - what is put in is a constant
_HAND_BACK = """
    update pgqueuer set status = 'queued', execute_after = now(), updated = now(), queue_manager_id = null, slot = null
    where status = 'picked' and queue_manager_id = $1::uuid
"""
_NEXT_DUE = """
    select min(due.at) - now() as eta
    from unnest($1::text[]) as kind
    cross join lateral (
        select execute_after as at from pgqueuer
        where entrypoint = kind and status = 'queued' and execute_after > now()
        order by execute_after limit 1
    ) as due
"""


@dataclasses.dataclass
class Claims(Queries):
    """The queue as one worker sees it.

    A worker changes only jobs that are still its own: one that was taken for dead, and is not, must not undo what
    another worker does with the same job. Why a job failed last is kept in its row: the log is lost in a crash.
    """

    worker_id: QueueManagerId = dataclasses.field(kw_only=True)

    async def log_jobs(self, job_status: list[tuple[PickedJob, JOB_STATUS, TracebackRecord | None]]) -> None:
        """Delete what is done, keep what failed; leave what was cancelled, which only happens to hand it back."""
        ended = [each for each in job_status if each[1] != "canceled"]
        if ended:
            await self.driver.execute(
                _FINISH,
                [job.id for job, _, _ in ended],
                [status for _, status, _ in ended],
                [_text(record) for _, _, record in ended],
                [_json(record) for _, _, record in ended],
                self.worker_id,
            )

    async def retry_job(self, job: PickedJob, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        """Let a job wait and be run again; one more attempt is counted."""
        await self.driver.execute(
            _RETRY, job.id, delay, _text(traceback_record), _json(traceback_record), self.worker_id
        )

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        """Time until the next job that waits is due; looks at one row of each kind, however many wait."""
        rows = await self.driver.fetch(_NEXT_DUE, entrypoints)
        return None if rows[0]["eta"] is None else cell(rows[0], "eta", timedelta)

    async def hand_back(self) -> None:
        """Give back every job that is still this worker's; no attempt is counted."""
        await self.driver.execute(_HAND_BACK, self.worker_id)


def _text(record: TracebackRecord | None) -> str | None:
    return None if record is None else storable(record.traceback)


def storable(text: str) -> str:
    """A text as a column can hold it: cut to what is worth keeping, without NUL and lone surrogates."""
    return text[-LONGEST_ERROR:].replace("\x00", "").encode(errors="replace").decode()


def _json(record: TracebackRecord | None) -> str | None:
    if record is None:
        return None
    kept = {"exception_type": record.exception_type, "traceback": _text(record), "timestamp": record.timestamp}
    return msgspec.json.encode(kept).decode()
