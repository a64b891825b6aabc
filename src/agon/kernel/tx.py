"""The unit of work as services see it: typed queries, reads, and writes that commit only at the edge."""

from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from agon.kernel.audit import AuditEntry
from agon.kernel.events import Event, Job

R = TypeVar("R")

QUERIES: dict[str, "Query[Any]"] = {}
"""Every declared query by its name, for the tests that prepare and explain all of them."""


class Query(Generic[R]):
    """One SQL statement of a repository, with its name and the type of its rows.

    Args:
        name: `{domain}.{verb}`, the label of its metrics and trace spans.
        text: the SQL, parameters as `$1`.
        row: a struct whose fields stand in the order of the columns, a scalar type for one column, or None for
            a statement that returns nothing.
        seq_scan: why reading a whole table is right here, where it is; otherwise a test refuses it.
    """

    __slots__ = ("build", "name", "row", "seq_scan", "text")

    def __init__(self, name: str, text: str, row: type[R], *, seq_scan: str | None = None) -> None:
        self.name = name
        self.text = text
        self.row = row
        self.seq_scan = seq_scan
        self.build: Callable[[Any], R] = _builder(row)
        if QUERIES.setdefault(name, self).text != text:
            message = f"query {name} is declared twice"
            raise TypeError(message)

    def __repr__(self) -> str:
        return f"Query({self.name})"


def _builder(row: type[R]) -> Callable[[Any], R]:
    """How to make a row of a record: by position, since by keyword costs twelve times as much."""
    if issubclass(row, msgspec.Struct):
        make = cast("Callable[..., R]", row)
        return lambda record: make(*record)
    return itemgetter(0)


class ReadTx(Protocol):
    """Reads that belong together; cannot write."""

    @property
    def now(self) -> datetime:
        """The moment this unit of work began, from the `Clock`; SQL is given it instead of asking for its own."""
        ...

    async def one(self, query: Query[R], *arguments: object) -> R | None:
        """The only row, or None; more than one row is a fault."""
        ...

    async def all(self, query: Query[R], *arguments: object) -> list[R]:
        """Every row; the query itself bounds their number."""
        ...


class Tx(ReadTx, Protocol):
    """One transaction. It is opened and committed by the edge; whoever is given it can do neither."""

    async def execute(self, query: Query[None], *arguments: object) -> int:
        """Run a statement; returns how many rows it touched."""
        ...

    def record(self, event: Event) -> None:
        """Store a fact with this transaction; its subscribers run after the commit, each exactly once in effect."""
        ...

    def enqueue(self, job: Job, *, run_at: datetime | None = None, key: str | None = None) -> None:
        """Store work with this transaction.

        Args:
            job: what to do.
            run_at: not before this moment; at once when not given.
            key: while a job with this key waits, another one with the same key is dropped.
        """
        ...

    def invalidate(self, *tags: str) -> None:
        """Make cached reads with these tags stale on every node, once this transaction has committed."""
        ...

    def audit(self, entry: AuditEntry) -> None:
        """Append to the audit log with this transaction; actor and request are added from the context."""
        ...
