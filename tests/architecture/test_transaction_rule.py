"""Connections and transactions are handled outside the edge on purpose, one way at a time, and seen to fail."""

from pathlib import Path

import pytest

from tests.architecture import skeleton
from tools import check_transactions

SERVICE = "domains/wallet/service"


def _verb(body: str) -> str:
    return f"async def pay(tx, pool, database):\n    {body}"


VIOLATIONS = {
    "a service commits": (SERVICE, _verb("await tx.commit()"), "tx.commit()"),
    "a service rolls back": (SERVICE, _verb("await tx.connection.rollback()"), "tx.connection.rollback()"),
    "a service begins a transaction": (SERVICE, _verb("async with tx.transaction(): return"), "tx.transaction()"),
    "a service takes a connection": (SERVICE, _verb("async with pool.acquire() as c: return c"), "pool.acquire()"),
    "a service begins a unit of work": (SERVICE, _verb("await database.transact(pay)"), "database.transact()"),
    "a service borrows a connection": (
        SERVICE,
        _verb("return database.write.connection()"),
        "database.write.connection()",
    ),
    "a repository connects": (
        "domains/wallet/repository",
        "import asyncpg as pg\n\nasync def read():\n    return await pg.connect('')",
        "pg.connect()",
    ),
    "a job connects by another name": (
        "platform/jobs",
        "from asyncpg import connect as dial\n\nasync def read():\n    return await dial('')",
        "dial()",
    ),
    "the platform makes a pool of its own": (
        "platform/jobs",
        "import asyncpg\npool = asyncpg.create_pool()",
        "create_pool()",
    ),
    "an endpoint commits": ("domains/wallet/endpoints", _verb("await tx.commit()"), "tx.commit()"),
    "a role rolls back": ("roles/api", _verb("await tx.rollback()"), "tx.rollback()"),
    "a domain imports the driver": (
        "domains/wallet/repository",
        "from asyncpg import Record",
        "imports asyncpg.Record",
    ),
    "a role imports the driver": ("roles/api", "import asyncpg", "imports asyncpg"),
    "SQL commits": ("platform/jobs", "DONE = 'COMMIT'", '"COMMIT" in SQL'),
    "SQL commits in small letters": (
        "platform/jobs",
        "async def end(c):\n    await c.execute('commit')",
        '"commit" in SQL',
    ),
    "a query begins": ("domains/wallet/repository", "BEGIN = Query('wallet.begin', 'begin', None)", '"begin" in SQL'),
    "SQL begins with a level": (
        "platform/jobs",
        "X = 'begin isolation level repeatable read'",
        "begin isolation level",
    ),
    "SQL starts": ("platform/jobs", "X = 'start transaction read only'", "start transaction read only"),
    "SQL commits between statements": (
        "platform/jobs",
        "X = 'update a set b = 1; COMMIT; select 1'",
        '"COMMIT" in SQL',
    ),
    "SQL makes a savepoint": ("platform/jobs", "X = 'savepoint before_pay'", "savepoint before_pay"),
    "SQL goes back to a savepoint": ("platform/jobs", "X = f'rollback to savepoint {name}'", "rollback to savepoint x"),
}

ALLOWED = {
    "the edge does it all": ("platform/database/again", skeleton.EDGE),
    "locks are taken": (
        "platform/jobs",
        "async def run(self):\n    await self.lock.acquire()\n    await write_lock.acquire()",
    ),
    "other things connect": (
        "platform/mail",
        "import smtp\n\nasync def send():\n    await smtp.connect('')\n    self.bus.connect()",
    ),
    "an entry begins a unit of work": ("domains/wallet/endpoints", _verb("return await database.transact(pay)")),
    "words that are no SQL": (
        "platform/metrics",
        '"""Commit these; end."""\nLABELS = ["commit", "rollback", "end", "Begin here", "END of season", "release it"]',
    ),
    "a function's body in SQL": ("platform/jobs", "X = 'do $$ BEGIN update a set b = 1; END; $$'"),
    "case ... end": ("platform/jobs", "X = Query('jobs.kind', 'select case when a then b else c end from d', str)"),
}


def _broken(root: Path) -> list[str]:
    return [str(violation) for violation in check_transactions.violations(root)]


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_transaction_outside_the_edge_is_named(name: str, tmp_path: Path) -> None:
    module, code, message = VIOLATIONS[name]
    skeleton.plant(skeleton.grow(tmp_path), {module: code})

    broken = _broken(tmp_path)

    assert any(message in line for line in broken)
    assert all(line.startswith(f"src/agon/{module}.py:") for line in broken)


@pytest.mark.parametrize("name", ALLOWED)
def test_what_leaves_transactions_to_the_edge_passes(name: str, tmp_path: Path) -> None:
    module, code = ALLOWED[name]
    skeleton.plant(skeleton.grow(tmp_path), {module: code})

    assert _broken(tmp_path) == []


def test_agon_handles_transactions_at_the_edge_only() -> None:
    assert _broken(skeleton.REPOSITORY) == []
