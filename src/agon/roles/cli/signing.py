"""The commands of `agon keys`."""

from rich.console import Console
from rich.table import Column, Table

from agon.roles.cli.invocation import on_site
from agon.roles.site import Site

_console = Console(highlight=False)


def list_keys() -> None:
    """List the keys that access tokens are verified with; the first one signs."""
    table = Table(Column("kid", no_wrap=True, min_width=43), "signs")
    for kid, signs in on_site(_published):
        table.add_row(kid, "yes" if signs else "until its last token has expired")
    _console.print(table)


def rotate() -> None:
    """Sign with a new key from now on. The old one verifies until its last token has expired; nobody is signed out."""
    kid = on_site(_rotate)
    _console.print(f"{kid} signs now.", soft_wrap=True)


async def _published(site: Site) -> list[tuple[str, bool]]:
    keys = await site.database.fetch(lambda tx: site.accounts.keys.published(tx, {}))
    return [(key.kid, key.private is not None) for key in keys]


async def _rotate(site: Site) -> str:
    return await site.database.transact(site.accounts.keys.rotate)
