"""How commands are run: settings first, then one event loop, and errors that say what to do."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NoReturn, TypeVar

from rich.console import Console

from agon import __version__
from agon.kernel.errors import DomainError
from agon.platform.context import RequestContext, enter
from agon.platform.observability.logs import LogFormat, configure_logs
from agon.platform.settings.model import Settings
from agon.platform.settings.problems import SettingsError
from agon.roles.storage import Addresses, SchemaBehind, find_database

if TYPE_CHECKING:
    from agon.roles.site import Site

T = TypeVar("T")
_errors = Console(stderr=True, highlight=False)


def fail(message: str) -> NoReturn:
    """End the program with a message for its operator."""
    _errors.print(f"agon: {message}", markup=False, soft_wrap=True)
    sys.exit(1)


def settings_from(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings, or the end of the program with everything that is wrong with them."""
    try:
        return Settings.load(flags)
    except SettingsError as error:
        fail(str(error))


def run(program: Callable[[Settings], Awaitable[T]], settings: Settings) -> T:
    """Run a program on the fastest event loop there is."""
    import uvloop

    from agon.domains.accounts.public import SigningKeyInvalid
    from agon.platform.crypto import KeyringInvalid
    from agon.platform.database.embedded import EmbeddedPostgresError
    from agon.roles.http_server import AddressInUse

    try:
        return uvloop.run(_awaited(program, settings))
    except (
        SchemaBehind,
        AddressInUse,
        EmbeddedPostgresError,
        KeyringInvalid,
        SigningKeyInvalid,
        DomainError,
        ConnectionError,
    ) as error:
        fail(str(error))


async def _awaited(program: Callable[[Settings], Awaitable[T]], settings: Settings) -> T:
    return await program(settings)


def on_database(work: Callable[[Addresses], Awaitable[T]]) -> T:
    """Do something with the database of the settings, starting our own server for it where that is needed."""

    async def program(settings: Settings) -> T:
        configure_logs(level="warning", line_format=LogFormat.CONSOLE, role="cli", version=__version__)
        async with AsyncExitStack() as stack:
            return await work(await find_database(settings, stack))

    return run(program, settings_from())


def on_site(work: Callable[["Site"], Awaitable[T]]) -> T:
    """Do something with the parts of a site, beside whatever else runs on the same data."""

    async def program(settings: Settings) -> T:
        from agon.roles.site import open_site

        configure_logs(level="warning", line_format=LogFormat.CONSOLE, role="cli", version=__version__)
        enter(RequestContext(actor="cli", method="CLI"))
        async with open_site(settings, "cli", migrate=False) as site:
            return await work(site)

    return run(program, settings_from())
