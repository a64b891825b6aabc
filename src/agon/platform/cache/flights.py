"""One load at a time: whoever asks for what is being loaded waits for it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class _Loaded(msgspec.Struct, Generic[T], frozen=True):
    value: T


class _Failed(msgspec.Struct, frozen=True):
    error: Exception


class _Abandoned(msgspec.Struct, frozen=True):
    """The one that loaded was cancelled."""


class Flights(Generic[T]):
    """Shares loads among those who ask at the same time.

    The first one loads, in its own task and with its own resources; the others wait. When it is cancelled, one of the
    others loads instead. Its error is theirs too.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[_Loaded[T] | _Failed | _Abandoned]] = {}

    async def share(self, ticket: Hashable, load: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Load, or wait for who loads the same; also says whether this was the one that loaded.

        Args:
            ticket: what is loaded; equal tickets share.
            load: how.
        """
        while (running := self._running.get(ticket)) is not None:
            outcome = await asyncio.shield(running)  # one who stops waiting does not stop the others
            if isinstance(outcome, _Loaded):
                return outcome.value, False
            if isinstance(outcome, _Failed):
                raise outcome.error
        return await self._lead(ticket, load), True

    async def _lead(self, ticket: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        running = self._running[ticket] = asyncio.get_running_loop().create_future()
        outcome: _Loaded[T] | _Failed | _Abandoned = _Abandoned()
        try:
            value = await load()
            outcome = _Loaded(value)
        except Exception as error:
            outcome = _Failed(error)
            raise
        else:
            return value
        finally:
            del self._running[ticket]
            running.set_result(outcome)
