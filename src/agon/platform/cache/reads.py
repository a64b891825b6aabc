"""Declarations of cached reads: what a domain says about each, in one place."""

from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

T = TypeVar("T")

DEFAULT_SECONDS = 300.0

CACHED_READS: dict[str, "CachedRead[Any]"] = {}
"""Every declared cached read by its name."""


def cache_key(domain: str, entity: str, item: str | int | UUID) -> str:
    """The key of an item's cached value, `agon:{domain}:{entity}:{id}`; nothing else builds one."""
    return f"agon:{domain}:{entity}:{item}"


class CachedRead(Generic[T]):
    """One read whose answer is kept.

    Args:
        domain: whose it is.
        entity: what is read; `{domain}.{entity}` is its name in metrics.
        kind: the type of the value, encoded as JSON; `bytes` for one that is encoded already.
        ttl: how many seconds an answer lives.
        tags: what makes it stale, as the writers name it (`tx.invalidate`); `{id}` stands for the id of the item.
        stale_tolerant: whether it may live longer (2 or 5 times) while the process is loaded, and be served beyond its
            time when what it is read from is unavailable. Never for sessions, sanctions, inventory or balances.
    """

    def __init__(
        self,
        domain: str,
        entity: str,
        kind: type[T],
        *,
        ttl: float = DEFAULT_SECONDS,
        tags: tuple[str, ...],
        stale_tolerant: bool = False,
    ) -> None:
        self.name = f"{domain}.{entity}"
        if CACHED_READS.setdefault(self.name, self) is not self:
            message = f"cached read {self.name} is declared twice"
            raise TypeError(message)
        self.domain = domain
        self.entity = entity
        self.kind = kind
        self.ttl = ttl
        self.tags = tags
        self.stale_tolerant = stale_tolerant
        self._decoder = msgspec.json.Decoder(kind)

    def key(self, item: str | int | UUID) -> str:
        return cache_key(self.domain, self.entity, item)

    def tags_of(self, item: str | int | UUID) -> tuple[str, ...]:
        """The tags of the answer for one item."""
        return tuple(tag.replace("{id}", str(item)) for tag in self.tags)

    def encode(self, value: T) -> bytes:
        return value if isinstance(value, bytes) else msgspec.json.encode(value)

    def decode(self, body: bytes) -> T:
        return self._decoder.decode(body) if self.kind is not bytes else body  # pyright: ignore[reportReturnType] - T is bytes here
