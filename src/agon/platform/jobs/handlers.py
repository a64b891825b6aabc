"""What can be done in the background: the handlers of jobs, as domains declare them in their `jobs.py`."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from agon.kernel.events import Job

J = TypeVar("J", bound=Job)

DEFAULT_ATTEMPTS = 8
"""With waits doubling from a second this spans about four minutes: a restart of anything, not a long outage."""
DEFAULT_TIMEOUT = 60.0


class JobHandler(msgspec.Struct, frozen=True):
    """Runs the jobs of one kind, at least once each.

    `run` is given the job outside any transaction, does its input and output there, and opens short transactions
    itself. It may be run again after it succeeded (its worker died before saying so), and twice at once (its worker
    was taken for dead), so it asks for nothing that it cannot ask for twice: it takes an idempotency key from the
    job, or looks first whether the work is done.
    """

    job: type[Job]
    run: Callable[[Any], Awaitable[None]]
    max_attempts: int = DEFAULT_ATTEMPTS
    """Runs that may end badly before the job is kept as a dead letter."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds after which a run is cancelled and counts as failed."""
    lane: str = "jobs"
    """Jobs of one lane share its places in a worker, and wait for each other; those of another lane do not."""


def job_handler(
    job: type[J],
    run: Callable[[J], Awaitable[None]],
    *,
    max_attempts: int = DEFAULT_ATTEMPTS,
    timeout: float = DEFAULT_TIMEOUT,
    lane: str = "jobs",
) -> JobHandler:
    """Declare what runs one kind of job."""
    return JobHandler(job, run, max_attempts, timeout, lane)
