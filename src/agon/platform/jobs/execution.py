"""Runs one job: its circumstances, its time limit, and what becomes of it when it fails."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from pgqueuer.core.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context
from pgqueuer.domain.models import Job as PickedJob

from agon.kernel.clock import Clock
from agon.kernel.errors import DomainError
from agon.platform.context import RequestContext, enter
from agon.platform.jobs.observing import JobObserver, Outcome

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0
_log = structlog.get_logger(__name__)


class JobTimedOut(Exception):
    """A run took longer than its kind of job is given."""


class JobCancelled(Exception):
    """A handler let a cancellation out that nobody had asked for."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker must know about one kind of job; `name` is the one in the queue."""

    name: str
    actor: str
    run: Callable[[bytes], Awaitable[None]]
    """Is given the job's payload."""
    lane: str
    max_attempts: int
    timeout: float
    kept_when_failed: bool = True
    """Whether a job that failed for the last time is kept as a dead letter."""
    since_created: bool = False
    """Whether its lag counts from when it was stored (an event's delivery) rather than from when it was due."""


class Shift(msgspec.Struct):
    """What the jobs of one worker share."""

    clock: Clock
    observer: JobObserver
    running: dict["asyncio.Task[Any]", str] = msgspec.field(default_factory=dict["asyncio.Task[Any]", str])
    """The runs that go on now, with the names of their jobs."""
    stopping: bool = False


def delay_after(attempts: int, error: Exception | None = None) -> timedelta:
    """How long to wait before the next run: doubling from a second to five minutes, spread so that jobs that failed
    together do not come back together; longer where the refusal says when trying again makes sense.

    Args:
        attempts: runs that failed before this one.
        error: why this one did.
    """
    seconds = min(FIRST_DELAY * 2.0 ** min(attempts, 16), LONGEST_DELAY)
    seconds *= random.uniform(0.5, 1)  # noqa: S311 - jitter
    if isinstance(error, DomainError) and error.retry_after is not None:
        seconds = max(seconds, error.retry_after)
    return timedelta(seconds=seconds)


class Execution(AbstractEntrypointExecutor):
    """Runs the jobs of one kind for PgQueuer."""

    def __init__(self, work: Work, shift: Shift) -> None:
        super().__init__(
            EntrypointExecutorParameters(
                concurrency_limit=0,
                func=self._never_called,
                on_failure="hold" if work.kept_when_failed else "delete",
            )
        )
        self._work = work
        self._shift = shift

    async def execute(self, job: PickedJob, context: Context) -> None:
        """Run a job.

        Raises:
            RetryRequested: it failed, and is to be run again.
            CancelledError: the worker is stopping; the job is handed back.
            Exception: it failed for the last time.
        """
        del context
        task = asyncio.current_task()
        if self._shift.stopping or task is None:
            raise asyncio.CancelledError
        self._shift.running[task] = self._work.name
        began = time.perf_counter()
        lag = self._lag(job)
        try:
            await self._run(job)
        except asyncio.CancelledError as error:
            if task.cancelling():
                self._report(Outcome.HANDED_BACK, began, lag)
                raise
            self._fail(job, JobCancelled(self._work.name), error, began, lag)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is that job's failure, not the worker's
            self._fail(job, error, error, began, lag)
        else:
            self._report(Outcome.DONE, began, lag)
        finally:
            del self._shift.running[task]

    async def _run(self, job: PickedJob) -> None:
        work = self._work
        headers = job.headers or {}
        trace_parent = _text(headers.get("traceparent"))
        enter(
            RequestContext(
                request_id=_text(headers.get("request_id")) or "-",
                method="JOB",
                route=work.name,
                trace_parent=trace_parent,
                actor=work.actor,
            )
        )
        with self._shift.observer.span(work.name, trace_parent):
            limit = asyncio.timeout(work.timeout)
            try:
                async with limit:
                    await work.run(job.payload or b"")
            except TimeoutError as error:
                if not limit.expired():
                    raise
                message = f"{work.name} took longer than {work.timeout:g} s"
                raise JobTimedOut(message) from error

    def _fail(self, job: PickedJob, error: Exception, cause: BaseException, began: float, lag: float) -> None:
        """Decide what becomes of a job that failed, and tell PgQueuer by raising."""
        attempt, most = job.attempts + 1, self._work.max_attempts
        reason = {"job": self._work.name, "job_id": job.id, "attempt": attempt, "error": type(error).__name__}
        if attempt < most:
            delay = delay_after(job.attempts, error)
            _log.warning("job_failed", **reason, retry_in_seconds=round(delay.total_seconds(), 1))
            self._report(Outcome.RETRIED, began, lag)
            raise RetryRequested(delay, reason=str(error)) from cause
        _log.error("job_dead" if self._work.kept_when_failed else "job_dropped", **reason)
        self._report(Outcome.DEAD if self._work.kept_when_failed else Outcome.DROPPED, began, lag)
        raise error

    def _report(self, outcome: Outcome, began: float, lag: float) -> None:
        self._shift.observer.finished(self._work.name, outcome, time.perf_counter() - began, lag)

    def _lag(self, job: PickedJob) -> float:
        since: datetime = job.created if self._work.since_created else max(job.created, job.execute_after)
        return max((self._shift.clock.now() - since).total_seconds(), 0.0)

    async def _never_called(self, job: PickedJob) -> None:
        raise NotImplementedError


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
