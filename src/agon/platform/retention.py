"""How long each table keeps its rows, declared as data and applied by periodic jobs.

A domain declares its own tables in its repository; a test proves that none is forgotten.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import structlog

from agon.kernel.tx import Query, Tx
from agon.platform.database.database import Database

POLICIES: dict[str, "Policy"] = {}
"""Every table's policy by its name."""

_BATCH = 5_000
_MONTHS_AHEAD = 2
_SHORTEST_LIFE = timedelta(days=31)
"""Of a partition; the database refuses to drop younger ones, so that a wrong setting or clock costs no recent rows."""
_STATEMENT_TIMEOUT = 30.0
_log = structlog.get_logger(__name__)


class Keep(msgspec.Struct, frozen=True, tag=True):
    """Rows stay; `why` says why that is right, and why the table does not grow without end, if it does not."""

    why: str


class Prune(msgspec.Struct, frozen=True, tag=True):
    """Rows are deleted some time after the moment in `column`, which has an index."""

    column: str
    after: timedelta


class DropPartitions(msgspec.Struct, frozen=True, tag=True):
    """Whole months are dropped once all of their rows are older than this; the coming months are made in advance.

    Tables that refer to each other's rows name the same `group`, and are dropped in one transaction.
    """

    after: timedelta
    group: str


Policy = Keep | Prune | DropPartitions


def declare(**policies: Policy) -> None:
    """Declare the policies of tables.

    Raises:
        TypeError: a table has another one already.
    """
    for table, policy in policies.items():
        if POLICIES.setdefault(table, policy) != policy:
            message = f"table {table} has two retention policies"
            raise TypeError(message)


declare(
    event=DropPartitions(timedelta(days=400), "events"),
    processed_event=DropPartitions(timedelta(days=400), "events"),
    subscriber=Keep("one row for each subscriber"),
    invalidation=Prune("at", timedelta(minutes=10)),
    idempotency_record=Prune("created_at", timedelta(hours=24)),
    audit_log=Keep("evidence"),
    audit_seal=Keep("evidence"),
    feature_switch=Keep("one row for each feature"),
    pgqueuer=Keep("a job goes when it is done; a dead letter stays until someone decides"),
    pgqueuer_log=Prune("created", timedelta(days=7)),
    pgqueuer_statistics=Keep("empty: PgQueuer's own counting is off"),
    periodic_run=Keep("one row for each periodic job"),
    schema_version=Keep("one row"),
)

_ENSURE = Query("retention.ensure_partitions", "select ensure_partitions($1::text::regclass, $2, $3)", int)
_DROP = Query("retention.drop_partitions", "select drop_partitions($1::text::regclass, $2)", int)
_WAIT_BRIEFLY = Query(
    # Making and dropping partitions needs a lock that everyone else then waits behind.
    "retention.wait_briefly",
    "select set_config('lock_timeout', '2s', true)",
    str,
)


class Retention:
    """Applies the policies.

    Args:
        database: whose tables these are.
        periods: periods that differ from the declared ones, by table.
    """

    def __init__(self, database: Database, periods: Mapping[str, timedelta] | None = None) -> None:
        self._database = database
        self._periods = dict(periods or {})
        self._prunes = {table: _pruning(table, each) for table, each in POLICIES.items() if isinstance(each, Prune)}

    def period(self, table: str) -> timedelta | None:
        """How long a table's rows are kept here; None for ever."""
        policy = POLICIES[table]
        if isinstance(policy, Keep):
            return None
        period = self._periods.get(table, policy.after)
        return max(period, _SHORTEST_LIFE) if isinstance(policy, DropPartitions) else period

    async def prune(self) -> dict[str, int]:
        """Delete what is too old, in small transactions; returns how many rows, by table."""
        deleted: dict[str, int] = {}
        for table, query in self._prunes.items():
            before = self._before(table)
            while True:
                count = await self._database.transact(
                    lambda tx, query=query, before=before: tx.execute(query, before, _BATCH),
                    statement_timeout=_STATEMENT_TIMEOUT,
                )
                deleted[table] = deleted.get(table, 0) + count
                if count < _BATCH:
                    break
        if any(deleted.values()):
            _log.info("rows_pruned", **{table: count for table, count in deleted.items() if count})
        return deleted

    async def make_partitions(self) -> int:
        """Make the partitions of this month and the coming ones; returns how many were missing."""
        partitioned = self._partitioned()

        async def verb(tx: Tx) -> int:
            await tx.one(_WAIT_BRIEFLY)
            return sum([await tx.one(_ENSURE, table, tx.now, _MONTHS_AHEAD) or 0 for table in partitioned])

        return await self._database.transact(verb, statement_timeout=_STATEMENT_TIMEOUT)

    async def drop_partitions(self) -> int:
        """Drop the months that are too old as a whole; returns how many partitions went."""
        groups: dict[str, list[str]] = {}
        for table, policy in self._partitioned().items():
            groups.setdefault(policy.group, []).append(table)
        dropped = 0
        for tables in groups.values():
            before = min(self._before(table) for table in tables)

            async def verb(tx: Tx, tables: list[str] = tables, before: datetime = before) -> int:
                await tx.one(_WAIT_BRIEFLY)
                return sum([await tx.one(_DROP, table, before) or 0 for table in tables])

            dropped += await self._database.transact(verb, statement_timeout=_STATEMENT_TIMEOUT)
        if dropped:
            _log.info("partitions_dropped", count=dropped)
        return dropped

    def _partitioned(self) -> dict[str, DropPartitions]:
        return {table: policy for table, policy in POLICIES.items() if isinstance(policy, DropPartitions)}

    def _before(self, table: str) -> datetime:
        period = self.period(table)
        assert period is not None
        return self._database.clock.now() - period


def _pruning(table: str, policy: Prune) -> Query[None]:
    text = f"""delete from {table} where ctid = any(array(
                   select ctid from {table} where {policy.column} < $1 order by {policy.column} limit $2))"""  # noqa: S608 - names from code
    return Query(f"retention.prune_{table}", text, type(None))
