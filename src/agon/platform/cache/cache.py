"""Cached reads: answers as encoded bytes, with tags that make them stale the moment a commit says so.

Each tag has a version, and each answer is kept with the versions its tags had before it was loaded; it counts only
while they are the same. So whoever loads while another commits can never leave an old answer behind, and nothing is
ever searched for to be deleted. Versions are random and never come back.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import msgspec
import structlog

from agon.kernel.clock import Clock
from agon.kernel.errors import DomainError, Refusal
from agon.platform.breakers import Breaker
from agon.platform.cache.flights import Flights
from agon.platform.cache.reads import CachedRead
from agon.platform.cache.store import Store, StoreFailed

T = TypeVar("T")

KEYS_IN_MEMORY = 10_000
LONGEST_FACTOR = 5
"""How many times its time to live a stale-tolerant answer is kept, to be judged when it is read."""
LARGEST_BYTES = 1_000_000
_TAG_SECONDS = 86_400.0
_EVERYTHING = "agon:cache-tag:*"
_LOCK_SECONDS = 5.0
_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.02
_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """How a read was answered."""

    HIT = "hit"
    JOINED = "joined"  # with another's load that was running
    MISS = "miss"
    STALE = "stale"  # beyond its time, because the load found its source unavailable
    ERROR = "error"  # loaded, because the cache failed


class Answer(msgspec.Struct, frozen=True):
    """An encoded answer, how many seconds ago it was loaded, and whether that is longer than its time to live."""

    body: bytes
    age: float = 0.0
    stale: bool = False


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """A kept answer.

    It names its key, so that answers of the store that got mixed up could never show one reader's data to another.
    """

    key: str
    versions: tuple[bytes, ...]
    stored_at: float
    body: bytes


class _Seen(msgspec.Struct, frozen=True):
    """What a look into the store showed: the valid entry, and the versions of the tags; none where the store failed."""

    entry: _Entry | None = None
    versions: tuple[bytes, ...] = ()


class Cache:
    """Answers cached reads.

    Args:
        url: `mem://` for this process alone, `redis://` (`valkey://`, …) shared. With `mem://` in several processes
            each has to be told of every commit's tags (`invalidate`).
        clock: what ages are measured by.
        size: how many answers and tags memory keeps.
        load_multiplier: how much longer stale-tolerant answers live now: 1, 2 or 5.
        breaker: guards a shared store.
        on_result: is told the name of the read and how it was answered.
    """

    def __init__(
        self,
        url: str = "mem://",
        *,
        clock: Clock,
        size: int = KEYS_IN_MEMORY,
        load_multiplier: Callable[[], int] = lambda: 1,
        breaker: Breaker | None = None,
        on_result: Callable[[str, Outcome], None] | None = None,
    ) -> None:
        self._store = Store(url, size=size, breaker=breaker or Breaker("cache"))
        self._clock = clock
        self._load_multiplier = load_multiplier
        self._on_result = on_result
        self._flights: Flights[Answer] = Flights()
        self._writing: set[asyncio.Task[None]] = set()
        self._invalidations = 0
        self._lost = 0
        self._made_good = 0

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await asyncio.gather(*self._writing, return_exceptions=True)
        await self._store.close()

    async def read(
        self,
        read: CachedRead[T],
        item: str | int | UUID,
        load: Callable[[], Awaitable[T]],
        *,
        tags: tuple[str, ...] = (),
    ) -> Answer:
        """The encoded answer, from the cache or loaded.

        Never older than the last `invalidate` of one of its tags that had returned, in this process or through the
        same store, before this was called.

        Args:
            read: what is read.
            item: its id; where that has several parts, one text that names them all.
            load: loads it; opens and closes what it needs by itself, since others wait for its answer. Its error goes
                to the caller and to those who wait, and is not kept.
            tags: more tags of this answer, known before it is loaded.
        """
        key = read.key(item)
        names = (_EVERYTHING, *(f"agon:cache-tag:{tag}" for tag in (*read.tags_of(item), *tags)))
        seen = await self._look(key, names)
        if seen.entry is not None:
            answer = self._answer(read, seen.entry)
            if answer.age <= self._life(read):
                self._count(read, Outcome.HIT)
                return answer
        outcome = Outcome.MISS if seen.versions else Outcome.ERROR
        ticket = (key, seen.versions or self._invalidations)
        try:
            answer, loaded = await self._flights.share(ticket, lambda: self._fill(read, key, seen, load))
            if not loaded:
                outcome = Outcome.JOINED
            elif answer.stale:
                outcome = Outcome.STALE
        finally:
            self._count(read, outcome)
        return answer

    async def value(
        self,
        read: CachedRead[T],
        item: str | int | UUID,
        load: Callable[[], Awaitable[T]],
        *,
        tags: tuple[str, ...] = (),
    ) -> T:
        """As `read`, decoded."""
        return read.decode((await self.read(read, item, load, tags=tags)).body)

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Make every answer with one of these tags stale; to be called after the commit that changed them.

        When the store fails, nothing is read from it any more until everything in it has been made stale.
        """
        version = _new_version()
        values = {f"agon:cache-tag:{tag}": version for tag in tags}
        if not values:
            return
        self._invalidations += 1
        if not self._store.shared:
            await self._write(values)
            return
        # A caller that is cancelled, such as a request whose client has gone, has committed all the same.
        task = asyncio.create_task(self._write(values), name="invalidate")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        await asyncio.shield(task)

    async def _write(self, versions: dict[str, bytes]) -> None:
        try:
            await self._store.put(versions, _TAG_SECONDS)
        except StoreFailed:
            self._lost += 1

    async def _make_good(self) -> None:
        """After a lost invalidation: make everything stale."""
        lost = self._lost
        await self._store.put({_EVERYTHING: _new_version()}, _TAG_SECONDS)
        self._made_good = max(self._made_good, lost)

    async def _look(self, key: str, names: tuple[str, ...]) -> _Seen:
        try:
            if self._made_good < self._lost:
                await self._make_good()
            raw, *found = await self._store.get(key, *names)
            if None in found:
                found = await self._with_new_versions(names, found)
        except StoreFailed:
            return _Seen()
        versions = tuple(version for version in found if version is not None)
        if len(versions) < len(names):  # pushed out of memory while being looked at
            return _Seen()
        return _Seen(_decoded(raw, key, versions), versions)

    async def _with_new_versions(self, names: tuple[str, ...], found: list[bytes | None]) -> list[bytes | None]:
        """Give tags without a version one; processes that do so at once all end with the same."""
        for name, version in zip(names, found, strict=True):
            if version is None:
                await self._store.put_new(name, _new_version(), _TAG_SECONDS)
        return list(await self._store.get(*names))

    async def _fill(self, read: CachedRead[T], key: str, seen: _Seen, load: Callable[[], Awaitable[T]]) -> Answer:
        if not (self._store.shared and seen.versions):
            return await self._load(read, key, seen, load)
        lock = f"agon:cache-lock:{key}:{hashlib.blake2b(b''.join(seen.versions), digest_size=8).hexdigest()}"
        owner = secrets.token_hex(8)
        entry, held = await self._entry_or_lock(key, seen, lock, owner)
        try:
            return self._answer(read, entry) if entry is not None else await self._load(read, key, seen, load)
        finally:
            if held:
                await self._unlock(lock, owner)

    async def _entry_or_lock(self, key: str, seen: _Seen, lock: str, owner: str) -> tuple[_Entry | None, bool]:
        """Wait while another process loads the same: until its answer is there, the lock is ours, or for too long."""
        ends = time.monotonic() + _WAIT_SECONDS
        try:
            while not await self._store.lock(lock, owner, _LOCK_SECONDS):
                if time.monotonic() >= ends:
                    return None, False
                await asyncio.sleep(_POLL_SECONDS)
                (raw,) = await self._store.get(key)
                entry = _decoded(raw, key, seen.versions)
                if entry is not None and (seen.entry is None or entry.stored_at > seen.entry.stored_at):
                    return entry, False
        except StoreFailed:
            return None, False
        return None, True

    async def _unlock(self, lock: str, owner: str) -> None:
        try:
            await self._store.unlock(lock, owner)
        except StoreFailed:
            _log.info("cache_lock_left", lock=lock)  # it expires by itself

    async def _load(self, read: CachedRead[T], key: str, seen: _Seen, load: Callable[[], Awaitable[T]]) -> Answer:
        try:
            body = read.encode(await load())
        except DomainError as error:
            if error.refusal is Refusal.UNAVAILABLE and read.stale_tolerant and seen.entry is not None:
                return self._answer(read, seen.entry)
            raise
        if seen.versions and len(body) <= LARGEST_BYTES:
            entry = _Entry(key, seen.versions, self._clock.now().timestamp(), body)
            kept = read.ttl * (LONGEST_FACTOR if read.stale_tolerant else 1)
            try:
                await self._store.put({key: msgspec.msgpack.encode(entry)}, kept)
            except StoreFailed:
                _log.debug("cache_not_kept", read=read.name)
        return Answer(body)

    def _life(self, read: CachedRead[T]) -> float:
        return read.ttl * (self._load_multiplier() if read.stale_tolerant else 1)

    def _answer(self, read: CachedRead[T], entry: _Entry) -> Answer:
        age = max(0.0, self._clock.now().timestamp() - entry.stored_at)
        return Answer(entry.body, age, stale=age > read.ttl)

    def _count(self, read: CachedRead[T], outcome: Outcome) -> None:
        if self._on_result is not None:
            self._on_result(read.name, outcome)


_entry_decoder = msgspec.msgpack.Decoder(_Entry)


def _decoded(raw: bytes | None, key: str, versions: tuple[bytes, ...]) -> _Entry | None:
    """The entry, if it is this key's and its tags have not changed since."""
    if raw is None:
        return None
    try:
        entry = _entry_decoder.decode(raw)
    except msgspec.DecodeError:
        _log.warning("cache_entry_unreadable", key=key)
        return None
    return entry if entry.key == key and entry.versions == versions else None


def _new_version() -> bytes:
    return secrets.token_bytes(8)
