"""Which database a process works on, and whether it is as new as the program."""

from contextlib import AsyncExitStack

import msgspec
import structlog

from agon.platform.database import migrations
from agon.platform.settings.model import Settings

_log = structlog.get_logger(__name__)


class Addresses(msgspec.Struct, frozen=True):
    """Where the database is: for its owner (migrations, listening), for the application, and for stale reads."""

    owner: str
    application: str
    read: str


class SchemaBehind(Exception):
    """The database is not at the revision that this version needs; the message says how to get it there."""


async def find_database(settings: Settings, stack: AsyncExitStack) -> Addresses:
    """The database of the settings; without a URL, our own server in the data directory, kept up until the stack ends.

    Raises:
        EmbeddedPostgresError: our own server cannot be started; the message says why and what helps.
    """
    url = settings.database.url
    if url is not None:
        address = url.get_secret_value()
        replica = settings.database.read_url
        return Addresses(address, address, address if replica is None else replica.get_secret_value())
    from agon.platform.database.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(settings.data_dir / "postgres")
    endpoints = await server.start()
    stack.push_async_callback(server.stop)
    return Addresses(endpoints.owner, endpoints.app, endpoints.app)


async def ensure_schema(addresses: Addresses, *, migrate: bool) -> None:
    """Bring the database to this version's revision, or refuse to work on an older one.

    Raises:
        SchemaBehind: migrations are pending and `migrate` is false.
    """
    status = await migrations.status(addresses.owner)
    if not status.pending:
        return
    if not migrate:
        message = (
            f"the database is at revision {status.current or 'none'} and this version needs {status.head}: "
            "run `agon migrate up` first"
        )
        raise SchemaBehind(message)
    await migrations.upgrade(addresses.owner)
    _log.info("database_migrated", revision=status.head)
