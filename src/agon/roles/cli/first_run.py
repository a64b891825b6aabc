"""`agon init`: the first administrator, for those who set up a server without a browser."""

import getpass
import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from agon.kernel.tx import Tx
from agon.roles.cli.invocation import fail, on_site
from agon.roles.site import Site

_console = Console(highlight=False)


def init(
    *,
    email: Annotated[str, Parameter(help="The address to sign in with.")],
    display_name: Annotated[str, Parameter(help="The name that others see.")] = "Administrator",
) -> None:
    """Make the first administrator. The password is asked for, or read from standard input where that is no terminal.

    Refuses where there is an administrator already: an administrator grants roles to others.
    """
    password = _password()
    on_site(lambda site: _make(site, email, display_name, password))
    _console.print(f"{email} is an administrator now.", soft_wrap=True)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first, second = getpass.getpass("Password: "), getpass.getpass("Once more: ")
    if first != second:
        fail("the two passwords differ")
    return first


async def _make(site: Site, email: str, display_name: str, password: str) -> None:
    setup = site.accounts.setup
    if not await site.database.fetch(setup.is_needed):
        fail("there is an administrator already; sign in as one to grant roles")
    applicant = await site.accounts.registration.applicant(email=email, password=password, display_name=display_name)

    async def make(tx: Tx) -> None:
        if not await setup.is_needed(tx):
            fail("there is an administrator already; sign in as one to grant roles")
        await setup.create_admin(tx, applicant)

    await site.database.transact(make)
