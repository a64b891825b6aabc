"""Seals the audit log: each row is chained to the one before, some seconds after it was committed.

Not in the transaction that writes it, which would have to wait for every other one. So the order of sealing is not
that of `seq`: a row whose transaction committed late is sealed after rows with higher numbers.
"""

from datetime import datetime, timedelta

import msgspec
import structlog

from agon.kernel.constraints import refuses
from agon.kernel.tx import Query, Tx
from agon.platform.audit.chain import BEGINNING, ROW_COLUMNS, AuditRow, sealed
from agon.platform.database.database import Database
from agon.platform.observability import metrics

BATCH = 1_000
LONGEST_TRANSACTION = timedelta(hours=1)
"""No transaction that writes to the log is open for longer; what was not sealed by then never will be."""
USUAL_TRANSACTION = timedelta(minutes=5)
_STATEMENT_TIMEOUT = 30.0
_LOCK_KEY = 0x5EA1
_log = structlog.get_logger(__name__)

refuses(
    audit_log_pkey="the database numbers the rows",
    audit_log_severity_check="an entry holds a severity",
    audit_seal_pkey="one process seals at a time",
    audit_seal_audit_seq_key="only rows without a seal are sealed",
)


class Seal(msgspec.Struct, frozen=True):
    """A seal: its place in the chain, and its hash."""

    position: int
    hash: bytes


class _Last(msgspec.Struct, frozen=True):
    position: int
    hash: bytes
    sealed_at: datetime


_TRY_LOCK = Query("audit.lock_sealing", "select pg_try_advisory_xact_lock($1)", bool)
_LAST = Query(
    "audit.last_seal", "select position, hash, sealed_at from audit_seal order by position desc limit 1", _Last
)
_LOW_WATER = Query(
    # The chain's newest row of before; every row with a lower number was committed when the last seal was set.
    "audit.low_water",
    "select audit_seq from audit_seal where sealed_at < $1 order by sealed_at desc, position desc limit 1",
    int,
)
_UNSEALED = Query(
    # The lateral join looks each row up: a plain "not exists" may read the whole chain instead.
    "audit.unsealed",
    f"""select {ROW_COLUMNS} from audit_log as log
        left join lateral (select position from audit_seal where audit_seq = log.seq limit 1) as seal on true
        where log.seq > $1 and seal.position is null
        order by log.seq limit $2""",  # noqa: S608 - a constant
    AuditRow,
)
_SEAL = Query(
    "audit.seal",
    """insert into audit_seal (position, audit_seq, hash, sealed_at)
       select position, audit_seq, hash, $4 from unnest($1::bigint[], $2::bigint[], $3::bytea[])
           as sealed (position, audit_seq, hash)""",
    type(None),
)


async def seal(database: Database) -> int:
    """Seal every row that is committed; returns how many. Does nothing where another process is at it."""
    total = 0
    after: int | None = None
    while True:
        start = after
        sealed_seqs = await database.transact(
            lambda tx, start=start: _seal_batch(tx, start), statement_timeout=_STATEMENT_TIMEOUT
        )
        total += len(sealed_seqs)
        if len(sealed_seqs) < BATCH:
            return total
        after = sealed_seqs[-1]


async def _seal_batch(tx: Tx, after: int | None) -> list[int]:
    """Seal the next rows behind `after`, or wherever the first one without a seal may be; returns their numbers."""
    if not await tx.one(_TRY_LOCK, _LOCK_KEY):
        return []
    last = await tx.one(_LAST)
    rows = await tx.all(_UNSEALED, await _low_water(tx, last) if after is None else after, BATCH)
    if not rows:
        return []
    position, before = (0, BEGINNING) if last is None else (last.position, last.hash)
    hashes: list[bytes] = []
    for row in rows:
        before = sealed(before, row)
        hashes.append(before)
    positions = list(range(position + 1, position + 1 + len(rows)))
    seqs = [row.seq for row in rows]
    await tx.execute(_SEAL, positions, seqs, hashes, tx.now)
    # Kept outside the database, the head of the chain shows even a chain that was written anew as a whole.
    metrics.AUDIT_SEALED_SEQ.set(seqs[-1])
    _log.info("audit_sealed", position=positions[-1], hash=before.hex(" ", 4))  # in groups, or it would be redacted
    return seqs


async def _low_water(tx: Tx, last: _Last | None) -> int:
    """The number behind which a row without a seal can be.

    The first look of a minute, and so the first one after a pause, goes back as far as any transaction can have begun;
    those between look only where most of the late ones are.
    """
    if last is None:
        return 0
    same_minute = last.sealed_at.replace(second=0, microsecond=0) == tx.now.replace(second=0, microsecond=0)
    back = USUAL_TRANSACTION if same_minute else LONGEST_TRANSACTION
    return await tx.one(_LOW_WATER, last.sealed_at - back) or 0
