"""Verifies the audit log against its chain of seals, and names the first row that is not as it was sealed."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from agon.kernel.tx import Query, ReadTx
from agon.platform.audit.chain import BEGINNING, ROW_COLUMNS, AuditRow, sealed
from agon.platform.audit.sealing import Seal
from agon.platform.database.database import Database

_BATCH = 1_000
"""Rows that are hashed without a pause, some milliseconds."""
_LOWEST = -(2**63)
SEALED_WITHIN = timedelta(minutes=1)


class Break(StrEnum):
    """What is wrong with a row."""

    ALTERED = "altered"
    """The row, its seal or their order was changed, or the seal was forged."""
    DELETED = "deleted"
    """The row is gone; its seal is there."""
    SEAL_MISSING = "seal_missing"
    """A place in the chain is empty: row and seal were deleted."""
    UNSEALED = "unsealed"
    """A row older than a minute has no seal: the job that seals is not running, or it was slipped in behind it."""
    ANCHOR = "anchor"
    """The chain is sound, but not the one whose seal was noted: it was written anew, or cut short."""


class Finding(msgspec.Struct, frozen=True):
    """Where the log is broken: the place in the chain (None where there is none) and the row's number, if known."""

    kind: Break
    position: int | None
    audit_seq: int | None


class Verification(msgspec.Struct, frozen=True):
    """What was found: how many rows are sealed and sound, the head of the chain, and the first fault, if any."""

    rows: int
    head: Seal
    broken: Finding | None


class _Link(msgspec.Struct, frozen=True):
    """A seal, and which row it seals."""

    position: int
    audit_seq: int
    hash: bytes


class _Chunk(msgspec.Struct, frozen=True):
    """A stretch of the log: its last number (None at the end), and its first row that ought to have a seal."""

    until: int | None
    unsealed: int | None


_LINKS = Query(
    "audit.links",
    "select position, audit_seq, hash from audit_seal where position > $1 order by position limit $2",
    _Link,
)
_ROWS = Query(
    "audit.rows",
    f"select {ROW_COLUMNS} from audit_log as log where log.seq = any($1::bigint[])",  # noqa: S608 - a constant
    AuditRow,
)
_CHUNK = Query(
    "audit.chunk",
    """with chunk as (select seq, at from audit_log where seq > $1 order by seq limit $3)
       select max(seq) as until,
              min(seq) filter (where at not between $2 and $4 and not exists
                  (select from audit_seal where audit_seq = seq)) as unsealed
       from chunk""",
    _Chunk,
)


async def verify(database: Database, anchor: Seal | None = None) -> Verification:
    """Go through the whole log, in constant memory.

    Args:
        database: whose log is verified.
        anchor: a seal noted earlier outside the database (the sealing job logs them); the chain must hold it.
    """
    chain = _Chain(anchor)
    while chain.broken is None:
        if not await database.fetch(chain.follow):
            break
    broken = chain.broken or chain.anchor_missing() or await _unsealed(database, database.clock.now())
    return Verification(chain.rows, chain.head, broken)


class _Chain:
    """Follows the chain from its beginning."""

    def __init__(self, anchor: Seal | None) -> None:
        self._anchor = anchor
        self._anchor_seen = anchor is None
        self.rows = 0
        self.head = Seal(0, BEGINNING)
        self.broken: Finding | None = None

    async def follow(self, tx: ReadTx) -> bool:
        """Check the next seals; False when there are no more."""
        links = await tx.all(_LINKS, self.head.position, _BATCH)
        rows = {row.seq: row for row in await tx.all(_ROWS, [link.audit_seq for link in links])}
        for link in links:
            self.broken = self._check(link, rows.get(link.audit_seq))
            if self.broken is not None:
                return False
            self.rows += 1
            self.head = Seal(link.position, link.hash)
            self._anchor_seen = self._anchor_seen or self.head == self._anchor
        return bool(links)

    def _check(self, link: _Link, row: AuditRow | None) -> Finding | None:
        if link.position != self.head.position + 1:
            return Finding(Break.SEAL_MISSING, self.head.position + 1, None)
        if row is None:
            return Finding(Break.DELETED, link.position, link.audit_seq)
        if sealed(self.head.hash, row) != link.hash:
            return Finding(Break.ALTERED, link.position, link.audit_seq)
        return None

    def anchor_missing(self) -> Finding | None:
        if self._anchor_seen or self._anchor is None:
            return None
        return Finding(Break.ANCHOR, self._anchor.position, None)


async def _unsealed(database: Database, now: datetime) -> Finding | None:
    """The first row without a seal that was not written within the last minute, whatever time it claims."""
    since, until = now - SEALED_WITHIN, now + SEALED_WITHIN
    after: int | None = _LOWEST
    while after is not None:
        reached = after
        chunk = await database.fetch(lambda tx, reached=reached: tx.one(_CHUNK, reached, since, 20 * _BATCH, until))
        if chunk is not None and chunk.unsealed is not None:
            return Finding(Break.UNSEALED, None, chunk.unsealed)
        after = None if chunk is None else chunk.until
    return None
