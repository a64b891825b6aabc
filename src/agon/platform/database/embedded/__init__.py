"""A PostgreSQL server of the program's own, for installations that bring no database.

The names are loaded on first use: the keeper process lives in this package too and must not pay for the
database driver.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agon.platform.database.embedded.credentials import Endpoints
    from agon.platform.database.embedded.errors import EmbeddedPostgresError
    from agon.platform.database.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "Endpoints"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    homes = {"EmbeddedPostgres": "server", "EmbeddedPostgresError": "errors", "Endpoints": "credentials"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
