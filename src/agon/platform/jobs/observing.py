"""What the worker tells whoever watches it."""

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Any, Protocol


class Outcome(StrEnum):
    """How one run of a job ended."""

    DONE = "done"
    RETRIED = "retried"
    """It failed, and will be run again."""
    DEAD = "dead"
    """It failed for the last time, and is kept until someone requeues or discards it."""
    DROPPED = "dropped"
    """It failed, and is due again by its timetable anyway."""
    CRASHED = "crashed"
    """Its worker died with it, and it will be run again."""
    HANDED_BACK = "handed_back"
    """The worker is stopping; another one will run it."""


class JobObserver(Protocol):
    """Told of every job, for metrics, traces and alarms.

    Names are those of the queue: `event:{subscriber}`, `periodic:{name}`, or the job's own.
    """

    def span(self, name: str, trace_parent: str | None) -> AbstractContextManager[Any]:
        """Surrounds one run; `trace_parent` is the W3C context of what caused the job."""
        ...

    def finished(self, name: str, outcome: Outcome, seconds: float, lag: float) -> None:
        """One run has ended.

        Args:
            name: of the job.
            outcome: how it ended.
            seconds: it took; 0 where that is not known (crashed).
            lag: seconds between the event, or the moment a job was due, and the beginning of the run.
        """
        ...


class SilentJobs:
    """Observes nothing."""

    def span(self, name: str, trace_parent: str | None) -> AbstractContextManager[Any]:
        del name, trace_parent
        return nullcontext()

    def finished(self, name: str, outcome: Outcome, seconds: float, lag: float) -> None:
        """Forget it."""
