"""The roles of an embedded cluster and their passwords."""

import json
import os
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from agon.platform.database.embedded.layout import write_atomically

SUPERUSER = "postgres"
OWNER = "agon"
APPLICATION = "agon_app"
DATABASE = "agon"


@dataclass(frozen=True)
class Credentials:
    """One generated password per role; the superuser's is for the operator, the program never uses it."""

    superuser: str
    owner: str
    application: str


@dataclass(frozen=True)
class Endpoints:
    """Where the server answers: one DSN per role.

    `owner` owns the database and runs migrations; `app` is for the application's pool and owns nothing, so
    that a table can refuse it UPDATE and DELETE.
    """

    owner: str
    app: str


def generate_credentials() -> Credentials:
    """Returns new passwords of 192 random bits each, out of characters that need no quoting anywhere."""
    return Credentials(*(urlsafe_b64encode(os.urandom(24)).decode() for _ in range(3)))


def write_credentials(path: Path, credentials: Credentials) -> None:
    """Keeps the passwords in a file only its owner can read."""
    write_atomically(path, json.dumps(asdict(credentials), indent=1) + "\n")


def read_credentials(path: Path) -> Credentials | None:
    """Returns the passwords kept; None when the file is missing or damaged."""
    try:
        return Credentials(**json.loads(path.read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def role_statements(credentials: Credentials) -> list[str]:
    """Returns the SQL, one statement a line, that creates the roles or gives them these passwords anew.

    The owner may create databases (test copies, trial restores) and read the server's statistics; it is no
    superuser, so a hole in the program is none in the server.
    """
    statements = [f"ALTER ROLE {SUPERUSER} PASSWORD '{credentials.superuser}';"]
    for role, rights, password in (
        (OWNER, "LOGIN CREATEDB", credentials.owner),
        (APPLICATION, "LOGIN", credentials.application),
    ):
        exists = f"EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{role}')"
        statements += [
            f"DO $$BEGIN IF NOT {exists} THEN CREATE ROLE {role}; END IF; END$$;",
            f"ALTER ROLE {role} {rights} PASSWORD '{password}';",
        ]
    return [*statements, f"GRANT pg_monitor TO {OWNER};"]


def endpoints(credentials: Credentials, host: str, port: int, database: str) -> Endpoints:
    """Returns the DSNs for a socket directory or an address."""
    place = f"/{quote(database, safe='')}?host={quote(host, safe='')}&port={port}"
    return Endpoints(
        owner=f"postgresql://{OWNER}:{credentials.owner}@{place}",
        app=f"postgresql://{APPLICATION}:{credentials.application}@{place}",
    )
