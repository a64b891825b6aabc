"""Jobs as those see and handle them who keep Agon running."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from agon.contracts.audit import AuditAction
from agon.kernel.audit import AuditEntry
from agon.kernel.errors import DomainError, Refusal
from agon.kernel.paging import Page, PageRequest, page_of
from agon.kernel.tx import Query, ReadTx, Tx
from agon.platform.events.outbox import DELIVERY_PREFIX, Delivery


class JobNotFound(DomainError):
    code = "JOB_NOT_FOUND"
    refusal = Refusal.MISSING
    title = "There is no such job (any more)."


class JobNotDead(DomainError):
    code = "JOB_NOT_DEAD"
    refusal = Refusal.CONFLICT
    title = "Only a job that failed for the last time can be requeued or discarded."


class JobWaitsAlready(DomainError):
    code = "JOB_WAITS_ALREADY"
    refusal = Refusal.CONFLICT
    title = "A newer job for the same work is waiting or running; this one can only be discarded."


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    SCHEDULED = "scheduled"
    """Waits for its time: a later one, or the next run after a failure."""
    RUNNING = "running"
    DEAD = "dead"


class JobCount(msgspec.Struct, frozen=True):
    """How many jobs of one kind are in one state, and since when the oldest was due (for dead ones: was stored)."""

    name: str
    state: str
    count: int
    oldest: datetime


class JobRow(msgspec.Struct, frozen=True):
    """A job; `suspect` when it may have killed its worker, and is run alone."""

    id: int
    name: str
    state: str
    attempts: int
    suspect: bool
    created_at: datetime
    due_at: datetime
    key: str | None
    last_error: str | None
    request_id: str | None
    payload: bytes


class Failure(msgspec.Struct, frozen=True):
    """One run that failed; the list of them is lost when the database crashes, and kept for days only."""

    at: datetime
    traceback: str


class JobDetails(msgspec.Struct, frozen=True):
    job: JobRow
    failures: list[Failure]


_STATE = """case when status = 'failed' then 'dead' when status = 'picked' then 'running'
    when execute_after > $1::timestamptz then 'scheduled' else 'waiting' end"""
_NAME = "regexp_replace(entrypoint, '^suspect:', '')"
_COLUMNS = f"""id, {_NAME} as name, {_STATE} as state, attempts, entrypoint like 'suspect:%' as suspect,
    created as created_at, execute_after as due_at, dedupe_key as key, last_error,
    headers ->> 'request_id' as request_id, coalesce(payload, '') as payload"""
_WHOLE_QUEUE = "the queue holds what waits, which is little but in trouble, and nothing that is done"

_COUNTS = Query(
    "jobs.counts",
    f"""select {_NAME} as name, {_STATE} as state, count(*) as count,
               min(case when status = 'failed' then created else execute_after end) as oldest
        from pgqueuer group by 1, 2 order by 1, 2""",  # noqa: S608 - constants
    JobCount,
    seq_scan=_WHOLE_QUEUE,
)
_LIST = Query(
    "jobs.list",
    f"""select {_COLUMNS} from pgqueuer
        where ($2::text is null or {_STATE} = $2) and ($3::text is null or {_NAME} = $3)
          and ($4::bigint is null or id < $4)
        order by id desc limit $5""",  # noqa: S608 - constants
    JobRow,
    seq_scan=_WHOLE_QUEUE,
)
_FIND = Query("jobs.find", f"select {_COLUMNS} from pgqueuer where id = $2", JobRow)  # noqa: S608 - constants
_LOCK = Query(
    "jobs.lock",
    f"select {_COLUMNS} from pgqueuer where id = $2 for update",  # noqa: S608 - constants
    JobRow,
)
_FAILURES = Query(
    "jobs.failures",
    """select created as at, coalesce(traceback ->> 'traceback', '') as traceback from pgqueuer_log
       where job_id = $1 and traceback is not null order by created desc limit 20""",
    Failure,
)
_REQUEUE = Query(
    # Of several dead jobs for the same work the newest is taken; where such a job waits already, none is.
    "jobs.requeue",
    """with chosen as (
           select distinct on (coalesce(dedupe_key, id::text)) id from pgqueuer dead
           where status = 'failed' and ($1::bigint is null or id = $1) and ($2::text is null or entrypoint = $2)
             and not exists (select from pgqueuer other
                             where other.dedupe_key = dead.dedupe_key and other.status in ('queued', 'picked'))
           order by coalesce(dedupe_key, id::text), id desc
       )
       update pgqueuer set status = 'queued', attempts = 0, execute_after = now(), updated = now()
       where id in (select id from chosen)""",
    type(None),
)
_DISCARD = Query("jobs.discard", "delete from pgqueuer where id = $1", type(None))
_SETTLE = Query(
    "jobs.settle_delivery",
    """insert into processed_event (subscriber, event_id, occurred_at, processed_at) values ($1, $2, $3, $4)
       on conflict do nothing""",
    type(None),
)


async def count_jobs(tx: ReadTx) -> list[JobCount]:
    """How many jobs of each kind are in each state."""
    return await tx.all(_COUNTS, tx.now)


async def list_jobs(
    tx: ReadTx, request: PageRequest, *, state: JobState | None = None, name: str | None = None
) -> Page[JobRow]:
    """Jobs, newest first."""
    after = request.after(tuple[int])
    rows = await tx.all(
        _LIST, tx.now, None if state is None else state.value, name, after and after[0], request.limit + 1
    )
    return page_of(rows, request.limit, lambda row: (row.id,))


async def show_job(tx: ReadTx, job_id: int) -> JobDetails:
    """A job with its failures, newest first.

    Raises:
        JobNotFound: it is done, or never was.
    """
    job = await tx.one(_FIND, tx.now, job_id)
    if job is None:
        raise JobNotFound
    return JobDetails(job, await tx.all(_FAILURES, job_id))


async def requeue_job(tx: Tx, job_id: int) -> None:
    """Run a dead job again, with all its attempts.

    Raises:
        JobNotFound, JobNotDead: there is no such dead job.
        JobWaitsAlready: another one for the same work (the same key) waits.
    """
    job = await _dead(tx, job_id)
    if not await tx.execute(_REQUEUE, job_id, None):
        raise JobWaitsAlready
    tx.audit(_entry(AuditAction.JOB_REQUEUE, job))


async def requeue_jobs(tx: Tx, name: str) -> int:
    """Run all dead jobs of one kind again, but those whose work another job already does; returns how many."""
    count = await tx.execute(_REQUEUE, None, name)
    tx.audit(AuditEntry(action=AuditAction.JOB_REQUEUE, target_type="job_name", target_id=name, after={"count": count}))
    return count


async def discard_job(tx: Tx, job_id: int, reason: str | None = None) -> None:
    """Give up a dead job. An event that is given up counts as handled: later ones of its subject wait no longer.

    Raises:
        JobNotFound, JobNotDead: there is no such dead job.
    """
    job = await _dead(tx, job_id)
    if job.name.startswith(DELIVERY_PREFIX):
        await _settle(tx, job)
    await tx.execute(_DISCARD, job_id)
    tx.audit(_entry(AuditAction.JOB_DISCARD, job, reason))


async def _settle(tx: Tx, job: JobRow) -> None:
    try:
        delivery = msgspec.json.decode(job.payload, type=Delivery)
        event_id = UUID(delivery.event_id)
    except (msgspec.DecodeError, ValueError):
        return  # it names no event that anything could wait for
    subscriber = job.name.removeprefix(DELIVERY_PREFIX)
    await tx.execute(_SETTLE, subscriber, event_id, delivery.occurred_at, tx.now)


async def _dead(tx: Tx, job_id: int) -> JobRow:
    job = await tx.one(_LOCK, tx.now, job_id)
    if job is None:
        raise JobNotFound
    if job.state != JobState.DEAD:
        raise JobNotDead
    return job


def _entry(action: AuditAction, job: JobRow, reason: str | None = None) -> AuditEntry:
    before = {"name": job.name, "state": job.state, "attempts": job.attempts}
    return AuditEntry(action=action, target_type="job", target_id=str(job.id), before=before, reason=reason)
