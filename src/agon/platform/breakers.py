"""Circuit breakers: what keeps failing is left alone for a while, so that it can recover and callers do not wait.

The counting and the states are pybreaker's. Added here is what asyncio needs: calls that overlap, one trial at a time
while half open, and cancelled calls, which say nothing about the part they called.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from enum import StrEnum
from types import TracebackType
from typing import NoReturn, TypeVar

import structlog
from pybreaker import STATE_OPEN, CircuitBreaker, CircuitBreakerListener, CircuitBreakerState

from agon.kernel.errors import DomainError, Refusal

T = TypeVar("T")

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 10.0
SUCCESSES_TO_CLOSE = 2
_TRIAL_RETRY_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class BreakerOpen(DomainError):
    code = "DEPENDENCY_UNAVAILABLE"
    refusal = Refusal.UNAVAILABLE
    title = "A service that this needs is failing and is given time to recover."


class State(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


class _Failed(Exception):
    """How a failure is told to pybreaker, which counts what is raised."""


class Breaker:
    """Guards the calls to one part: `async with breaker:` around a call, or `await breaker.call(function)`.

    Closed, it counts failures in a row; open, it refuses at once; after a while it lets single calls through, and
    enough successes close it. A failure is any `Exception` that is not among `ignored`.

    Args:
        name: the part (`mail`, `storage`).
        ignored: exceptions that mean the part works (a recipient it does not know); they count as successes.
        failures: failures in a row that open it.
        open_seconds: how long it refuses before it tries again.
        successes: successes in a row that close it.
        on_change: is told the name and the new state.
        now: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        name: str,
        *,
        ignored: tuple[type[Exception], ...] = (),
        failures: int = FAILURES_TO_OPEN,
        open_seconds: float = OPEN_SECONDS,
        successes: int = SUCCESSES_TO_CLOSE,
        on_change: Callable[[str, State], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._ignored = ignored
        self._open_seconds = open_seconds
        self._on_change = on_change
        self._now = now
        self._opened_at = 0.0
        self._trying = False
        self._entered: ContextVar[tuple[CircuitBreakerState, ...]] = ContextVar(f"agon_breaker_{name}", default=())
        self._circuit = CircuitBreaker(
            fail_max=failures,
            success_threshold=successes,
            throw_new_error_on_trip=False,
            listeners=[_Listener(self._changed)],
            name=name,
        )

    @property
    def state(self) -> State:
        return State(self._circuit.current_state)

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Call the function, or refuse.

        Raises:
            BreakerOpen: not called; `retry_after` says when to try again.
        """
        async with self:
            return await function()

    async def __aenter__(self) -> None:
        self._entered.set((*self._entered.get(), self._admit()))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        *outer, state = self._entered.get()
        self._entered.set(tuple(outer))
        if self._circuit.state is not state:
            return  # the call began before the last change of state: its outcome is old news
        self._trying = False
        if error is None or isinstance(error, self._ignored):
            self._circuit.call(_succeed)
        elif isinstance(error, Exception):
            with suppress(_Failed):  # the caller raises the error itself
                self._circuit.call(_fail)

    def _admit(self) -> CircuitBreakerState:
        if self._circuit.current_state == STATE_OPEN:
            left = self._opened_at + self._open_seconds - self._now()
            if left > 0:
                raise BreakerOpen(data={"part": self.name}, retry_after=left)
            self._circuit.half_open()
        if self.state is State.HALF_OPEN:
            if self._trying:
                raise BreakerOpen(data={"part": self.name}, retry_after=_TRIAL_RETRY_SECONDS)
            self._trying = True
        return self._circuit.state

    def _changed(self, state: State) -> None:
        self._trying = False
        if state is State.OPEN:
            self._opened_at = self._now()
        _log.log(30 if state is State.OPEN else 20, "breaker_changed", part=self.name, state=state.value)
        if self._on_change is not None:
            self._on_change(self.name, state)


class Breakers:
    """The breakers of a process, each made when first asked for."""

    def __init__(self, *, on_change: Callable[[str, State], None] | None = None) -> None:
        self._on_change = on_change
        self._breakers: dict[str, Breaker] = {}

    def get(self, name: str, *, ignored: tuple[type[Exception], ...] = ()) -> Breaker:
        """The breaker of a part; `ignored` as in `Breaker`, set by whoever asks first."""
        known = self._breakers.get(name)
        if known is None:
            known = self._breakers[name] = Breaker(name, ignored=ignored, on_change=self._on_change)
        return known

    def states(self) -> dict[str, State]:
        """Each breaker's state by name, for health and metrics."""
        return {name: breaker.state for name, breaker in sorted(self._breakers.items())}


class _Listener(CircuitBreakerListener):
    def __init__(self, changed: Callable[[State], None]) -> None:
        self._changed = changed

    def state_change(
        self, cb: CircuitBreaker, old_state: CircuitBreakerState | None, new_state: CircuitBreakerState
    ) -> None:
        del cb, old_state
        self._changed(State(new_state.name))


def _succeed() -> None:
    """What pybreaker counts as a success."""


def _fail() -> NoReturn:
    raise _Failed
