"""The commands of `agon migrate`."""

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from agon.platform.database import migrations
from agon.platform.database.schema_dump import dump_schema
from agon.roles.cli.invocation import fail, on_database

_TEMPLATE = '''"""{title}"""

from agon.platform.database.migrations import run_sql

revision = "{revision}"
down_revision = "{previous}"


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
'''
Revision = Annotated[str, Parameter(help="A revision such as 0001.")]
console = Console()


def up(revision: Revision = "head") -> None:
    """Bring the database up to the newest revision, or to the one given. Running it again changes nothing."""
    on_database(lambda addresses: migrations.upgrade(addresses.owner, revision))
    status()


def down(revision: Revision) -> None:
    """Take the database down to a revision, or to `base`: the tables that go take their rows with them."""
    on_database(lambda addresses: migrations.downgrade(addresses.owner, revision))
    status()


def status() -> None:
    """Show the database's revision and what is pending."""
    found = on_database(lambda addresses: migrations.status(addresses.owner))
    pending = ", ".join(found.pending) or "nothing"
    console.print(f"revision {found.current or 'none'}, newest {found.head}, pending: {pending}")


def new(name: str) -> None:
    """Start a migration: its revision file and its two SQL files, for one to write."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        fail(f"{name!r} is not a name: use lower-case letters, digits and underscores")
    known = migrations.revisions()
    revision = f"{int(known[-1]) + 1:04d}" if known else "0001"
    stem = migrations.folder() / "versions" / f"{revision}_{name}"
    title = f"{name.replace('_', ' ').capitalize()}."
    previous = known[-1] if known else None
    stem.with_suffix(".py").write_text(_TEMPLATE.format(title=title, revision=revision, previous=previous))
    for direction in ("up", "down"):
        stem.with_suffix(f".{direction}.sql").touch()
    console.print(f"{stem}.{{py,up.sql,down.sql}}")


def dump(file: Path = Path("schema.sql")) -> None:
    """Write the schema that the migrations make, as `schema.sql` shows it."""
    file.write_text(on_database(lambda addresses: dump_schema(addresses.owner)), encoding="utf-8")
    console.print(f"wrote {file}")
