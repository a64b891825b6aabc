"""What a running Agon has stored, read beside it."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import msgspec
from joserfc.jwk import RSAKey

from agon.platform.crypto import Keyring
from agon.platform.database.embedded import EmbeddedPostgres

Rows = dict[str, list[dict[str, Any]]]

ACCOUNT_TABLES = (
    "account",
    "credential",
    "known_device",
    "login_failure",
    "login_session",
    "refresh_token",
    "one_time_token",
    "role_grant",
    "signing_key",
)


class Stored:
    """A connection to the program's own database, as its owner; it shares the server like another process would."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "agon"
        self._server = EmbeddedPostgres(self._folder / "postgres")
        self._connection: asyncpg.Connection[Any] | None = None

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect((await self._server.start()).owner)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()
        await self._server.stop()

    @property
    def connection(self) -> "asyncpg.Connection[Any]":
        assert self._connection is not None
        return self._connection

    async def rows(self, *tables: str) -> Rows:
        """Every row of these tables."""
        return {table: await self.fetch(f"select * from {table} order by 1, 2") for table in tables}

    async def fetch(self, sql: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.connection.fetch(sql, *values)]

    async def columns(self, *tables: str) -> list[tuple[str, str]]:
        """Each table's columns, as (table, column)."""
        found = await self.fetch(
            """select table_name, column_name from information_schema.columns
               where table_schema = 'public' and table_name = any($1) order by 1, ordinal_position""",
            list(tables),
        )
        return [(each["table_name"], each["column_name"]) for each in found]

    async def signing_key(self) -> tuple[str, RSAKey]:
        """The key that signs access tokens, as only somebody with the keyring and the database can have it."""
        (row,) = await self.fetch("select kid, sealed_private_key from signing_key where retired_at is null")
        box = Keyring.load_or_create(self._folder / "keyring.json").box("stored-secrets")
        pem = box.open(row["sealed_private_key"], context=f"signing_key:{row['kid']}".encode())
        return row["kid"], RSAKey.import_key(pem)


def text_of(rows: Rows) -> str:
    """All of it as one text, to look for something in."""
    return msgspec.json.encode(rows, enc_hook=str).decode()
