"""The commands of `agon audit`."""

import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from agon.platform.audit import verify as audit
from agon.platform.audit.sealing import Seal
from agon.roles.cli.invocation import fail, on_site

_console = Console(highlight=False)


def verify(
    *,
    anchor: Annotated[
        str | None, Parameter(help="A seal noted earlier, as position:hash; the chain must hold it.")
    ] = None,
) -> None:
    """Go through the whole audit log and its seals; ends with 1 at the first row that was changed, added or removed."""
    noted = None if anchor is None else _noted(anchor)
    found = on_site(lambda site: audit.verify(site.database, noted))
    if found.broken is not None:
        broken = found.broken
        _console.print(
            f"BROKEN: {broken.kind.value} (seal {broken.position}, row {broken.audit_seq}); "
            f"{found.rows} rows before it are sound",
            soft_wrap=True,
        )
        sys.exit(1)
    _console.print(
        f"{found.rows} rows are sealed and sound; head {found.head.position}:{found.head.hash.hex()}", soft_wrap=True
    )


def _noted(anchor: str) -> Seal:
    position, _, digest = anchor.partition(":")
    try:
        return Seal(int(position), bytes.fromhex(digest))
    except ValueError:
        fail("an anchor is a position and a hash in hexadecimal, such as 42:9f86d0…")
