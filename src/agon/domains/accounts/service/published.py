"""The published keys as this process knows them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from agon.domains.accounts.errors import TokenInvalid
from agon.domains.accounts.service.keys import KeyStore, SigningKey
from agon.kernel.tx import ReadTx

T = TypeVar("T")

_MAXIMUM_AGE = 60.0
_UNKNOWN_KEY_INTERVAL = 1.0


class Reader(Protocol):
    """Runs one read on the primary database, such as `Database.fetch`: a replica that lags would revive sessions."""

    def __call__(self, read: Callable[[ReadTx], Awaitable[T]]) -> Awaitable[T]: ...


class PublishedKeys:
    """Knows the keys, and asks the database again when told that they changed, after a minute, or for an unknown one.

    Args:
        store: opens stored keys.
        read: runs a read on the primary database.
        unknown_key_interval: seconds between two questions on account of unknown keys; tokens with made-up keys
            wait that long at most and cannot hammer the database.
        timer: measures ages, in seconds.
    """

    def __init__(
        self,
        store: KeyStore,
        read: Reader,
        *,
        unknown_key_interval: float = _UNKNOWN_KEY_INTERVAL,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._read = read
        self._interval = unknown_key_interval
        self._timer = timer
        self._keys: dict[str, SigningKey] = {}
        self._loaded_at = float("-inf")
        self._stale = True
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """Ask the database before these keys are used again."""
        self._stale = True

    async def signing(self) -> SigningKey | None:
        """The key that signs, with its private half; None while none was ever made.

        Raises:
            DatabaseUnavailable: the keys have to be asked for and cannot be.
        """
        if self._needs_loading():
            await self._load_unless(lambda: not self._needs_loading())
        return next((key for key in self._keys.values() if key.private is not None), None)

    async def all(self) -> list[SigningKey]:
        """Every published key, the one that signs first."""
        await self.signing()
        return list(self._keys.values())

    async def verifying(self, kid: str) -> SigningKey:
        """The published key of this name.

        Raises:
            TokenInvalid: there is none.
            DatabaseUnavailable: the keys have to be asked for and cannot be.
        """
        if self._needs_loading() or kid not in self._keys:
            asked_at = self._timer()
            await self._load_unless(lambda: self._loaded_at >= asked_at and not self._stale)
        key = self._keys.get(kid)
        if key is None:
            raise TokenInvalid
        return key

    def _needs_loading(self) -> bool:
        return self._stale or self._timer() - self._loaded_at > _MAXIMUM_AGE

    async def _load_unless(self, done: Callable[[], bool]) -> None:
        """Ask the database, once for all who wait."""
        async with self._lock:
            if done():
                return
            pause = self._loaded_at + self._interval - self._timer()
            if pause > 0 and not self._stale:
                await asyncio.sleep(pause)
            started = self._timer()
            self._stale = False
            try:
                found = await self._read(lambda tx: self._store.published(tx, self._keys))
            except BaseException:
                self._stale = True
                raise
            self._keys = {key.kid: key for key in found}
            self._loaded_at = started
