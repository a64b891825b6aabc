"""Who may open connections and begin, commit or roll back transactions: the edge of the database, and nobody else.

Services are given a `Tx`; they can record, read and write, and the edge commits. One request is one transaction.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tools.source_tree import PACKAGE, Module, Violation, domain_of, face_of, imported_names, modules, origin_of, run

EDGE = (PurePosixPath("src/agon/platform/database"),)
"""The only code that may do all this."""

DRIVERS = frozenset({"asyncpg", "psycopg", "psycopg2", "pgqueuer", "alembic", "sqlalchemy", "sqlite3"})
"""Libraries that reach a database; only `platform` imports them."""

ENTRIES = frozenset({"endpoints", "jobs", "subscribers", "commands", "channels"})
"""Parts of a domain that begin a unit of work; all other parts are given one."""

_ENDS_A_TRANSACTION = frozenset({"commit", "rollback", "transaction"})
_OPENS_A_CONNECTION = frozenset({"connect", "create_pool"})
_BEGINS_A_UNIT = frozenset({"transact", "reading", "connection"})
_RUNS_SQL = frozenset(
    {"Query", "execute", "executemany", "fetch", "fetchrow", "fetchval", "fetch_all", "fetch_one", "exec_driver_sql"}
)
_LOCK = re.compile(r"(lock|semaphore|mutex)s?$", re.IGNORECASE)
_STATEMENT = re.compile(
    r"""(?: begin | start\s+transaction) (?:\s+(?:work|transaction))?
        (?:\s+(?:isolation\s+level\s+\w+(?:\s+\w+)? | read\s+(?:only|write) | (?:not\s+)?deferrable),?)*
    | (?:commit | rollback | abort | end) (?:\s+(?:work|transaction))? (?:\s+and\s+(?:no\s+)?chain)?
    | rollback (?:\s+(?:work|transaction))? \s+to\s+ (?:savepoint\s+)? \w+
    | (?:release\s+)? savepoint \s+ \w+
    | (?:prepare\s+transaction | (?:commit|rollback)\s+prepared) \s+ \S+""",
    re.IGNORECASE | re.VERBOSE,
)
"""A whole statement that begins or ends a transaction, or a part of one."""


def violations(root: Path) -> Iterator[Violation]:
    """Everything outside the edge that handles connections or transactions itself."""
    for module in modules(root, PACKAGE):
        if any(module.path.is_relative_to(edge) for edge in EDGE):
            continue
        yield from _driver_imports(module)
        yield from _sql(module)
        origins = module.origins()
        for call in module.calls():
            yield from _call(module, call, origins)


def _driver_imports(module: Module) -> Iterator[Violation]:
    if module.path.is_relative_to(PACKAGE / "platform"):
        return
    for name, line in imported_names(module):
        if name.partition(".")[0] in DRIVERS:
            yield Violation(module.path, line, f"imports {name}: only the platform talks to the database's driver")


def _call(module: Module, call: ast.Call, origins: dict[str, str]) -> Iterator[Violation]:
    name, receiver = _called(call)
    library, _, function = origin_of(call.func, origins).partition(".")
    shown = f"{receiver}.{name}()" if receiver else f"{name}()"
    if receiver and name in _ENDS_A_TRANSACTION:
        yield Violation(module.path, call.lineno, f"{shown}: transactions begin and end at the edge; take a Tx")
    elif receiver and name == "acquire" and not _LOCK.search(receiver):
        yield Violation(module.path, call.lineno, f"{shown}: connections are lent by the edge; take a Tx")
    elif library in DRIVERS and function in _OPENS_A_CONNECTION:
        yield Violation(module.path, call.lineno, f"{shown}: connections are opened at the edge only")
    elif name in _BEGINS_A_UNIT and domain_of(module.path) and face_of(module.path) not in ENTRIES:
        message = f"{shown}: a unit of work begins in {', '.join(sorted(ENTRIES))}; this part is given its Tx"
        yield Violation(module.path, call.lineno, message)


def _called(call: ast.Call) -> tuple[str, str]:
    """The called name, and what it is called on as written: `("commit", "self.connection")`."""
    match call.func:
        case ast.Attribute(value=value, attr=name):
            return name, ast.unparse(value)
        case ast.Name(id=name):
            return name, ""
        case _:
            return "", ""


def _sql(module: Module) -> Iterator[Violation]:
    """Texts that are, or hold between semicolons, a statement that begins or ends a transaction."""
    given_to_sql = {
        id(part)
        for call in module.calls()
        if _called(call)[0] in _RUNS_SQL
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        for part in ast.walk(argument)
    }
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.expr):
            continue
        text = _text(node)
        if text is None or "$$" in text:  # a function's body, whose BEGIN is not a transaction's
            continue
        for statement in filter(None, map(str.strip, text.split(";"))):
            words = statement.split()
            surely_sql = id(node) in given_to_sql or words[0].isupper() or len(words) > 1
            if surely_sql and _STATEMENT.fullmatch(statement):
                message = f'"{statement}" in SQL: transactions begin and end at the edge; take a Tx'
                yield Violation(module.path, node.lineno, message)


def _text(node: ast.expr) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in values)
        case _:
            return None


if __name__ == "__main__":
    sys.exit(run("transactions", violations, sys.argv[1:]))
