"""Makes and prepares PostgreSQL's own data directory."""

import os
import shutil
import subprocess
from pathlib import Path

from agon.platform.database.embedded.binaries import Binaries
from agon.platform.database.embedded.configuration import (
    CONFIGURATION_FILE,
    HOST_BASED_ACCESS,
    INCLUDES,
    OPERATOR_SETTINGS,
    has_syncfs,
    settings,
)
from agon.platform.database.embedded.credentials import (
    DATABASE,
    OWNER,
    SUPERUSER,
    generate_credentials,
    read_credentials,
    role_statements,
    write_credentials,
)
from agon.platform.database.embedded.errors import EmbeddedPostgresError
from agon.platform.database.embedded.layout import Layout, sync_directory, write_atomically

FIRST_BUILTIN_LOCALE_MAJOR = 17
FIRST_SYNCFS_MAJOR = 17
_UNFINISHED = "cluster.unfinished"


def server_environment() -> dict[str, str]:
    """Returns the environment for PostgreSQL's programs: nothing of the caller's PG* or LC_* gets through."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def prepare_cluster(layout: Layout, binaries: Binaries, server_lock: int) -> None:
    """Leaves a cluster ready to be started, whatever an earlier attempt left; raises EmbeddedPostgresError.

    The caller holds the server lock; initdb inherits it, so that an initdb that outlives its keeper is waited
    for by the next one.
    """
    _remove_unfinished(layout)
    if not layout.cluster.exists():
        _initialise(layout, binaries, server_lock)
    _require_same_major(layout.cluster, binaries)
    if read_credentials(layout.credentials) is None:
        _set_credentials(layout, layout.cluster, binaries, server_lock)
    content = settings(
        binaries.major,
        has_statistics=binaries.has_library("pg_stat_statements"),
        one_sync=_has_syncfs(),
    )
    write_atomically(layout.cluster / CONFIGURATION_FILE, content)


def _has_syncfs() -> bool:
    system = os.uname()
    return has_syncfs(system.sysname, system.release)


def _remove_unfinished(layout: Layout) -> None:
    for leftover in layout.root.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)


def _initialise(layout: Layout, binaries: Binaries, server_lock: int) -> None:
    # Everything happens beside the final place: the rename at the end makes the cluster exist at once, or not.
    # Until then nothing needs to survive a power cut, so the files go to the disk once, all together.
    unfinished = layout.root / _UNFINISHED
    command = [binaries.initdb, "-D", unfinished, f"--username={SUPERUSER}", *initdb_options(binaries.major)]
    _run(command, "", server_lock, "initdb could not make a database cluster")
    (unfinished / "pg_hba.conf").write_text(HOST_BASED_ACCESS, "utf-8")
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(INCLUDES)
    (unfinished / CONFIGURATION_FILE).touch(mode=0o600)
    if not layout.operator_settings.exists():
        layout.operator_settings.write_text(OPERATOR_SETTINGS, "utf-8")
    _set_credentials(layout, unfinished, binaries, server_lock)
    command = [binaries.initdb, "-D", unfinished, *sync_options(binaries.major, one_sync=_has_syncfs())]
    _run(command, "", server_lock, "the new database cluster could not be written to the disk")
    unfinished.rename(layout.cluster)
    sync_directory(layout.root)


def initdb_options(major: int) -> list[str]:
    """Returns initdb's options: UTF-8, code point order, and a character table that knows every script.

    Plain `C` would make pg_trgm blind to everything but ASCII; ICU is not in the wheel; PostgreSQL's own
    C.UTF-8 does not change with the machine's C library, but came with version 17.
    """
    if major >= FIRST_BUILTIN_LOCALE_MAJOR:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--lc-ctype=C.UTF-8"]
    else:
        locale = ["--locale-provider=libc", "--locale=C.UTF-8"]
    # Until pg_hba.conf is written, nobody may connect.
    return [*locale, "--encoding=UTF8", "--data-checksums", "--auth=reject", "--no-instructions", "--no-sync"]


def sync_options(major: int, *, one_sync: bool) -> list[str]:
    """Returns initdb's options for only writing a cluster to the disk.

    One syncfs(2) takes the place of a thousand fsyncs, which at 4 ms each would be the longest part of a first
    start.
    """
    if one_sync and major >= FIRST_SYNCFS_MAJOR:
        return ["--sync-only", "--sync-method=syncfs"]
    return ["--sync-only"]


def _set_credentials(layout: Layout, cluster: Path, binaries: Binaries, server_lock: int) -> None:
    """Creates roles and database in a cluster being made, or gives the roles new passwords in an old one.

    Single-user mode needs no password. The file is written first: after a crash between the two steps, the
    cluster being made is thrown away, and an old one would refuse the passwords and say so.
    """
    credentials = generate_credentials()
    write_credentials(layout.credentials, credentials)
    sync_directory(layout.root)
    statements = role_statements(credentials)
    command = [binaries.postgres, "--single", "-c", "exit_on_error=on", "-D", cluster, "postgres"]
    if cluster != layout.cluster:
        statements.append(f"CREATE DATABASE {DATABASE} OWNER {OWNER};")
        command[2:2] = ["-c", "fsync=off"]
        if binaries.has_library("pg_stat_statements"):
            # In the maintenance database: dumps of the program's own hold nothing a superuser must restore.
            statements.append("CREATE EXTENSION pg_stat_statements;")
    try:
        _run(command, "\n".join(statements) + "\n", server_lock, "the database roles could not be set up")
    except BaseException:
        layout.credentials.unlink()
        raise


def _run(command: list[str | Path], statements: str, server_lock: int, problem: str) -> None:
    done = subprocess.run(  # noqa: S603 - the programs we found, no shell
        command,
        input=statements,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env=server_environment(),
        pass_fds=(server_lock,),
    )
    if done.returncode != 0:
        words = "\n".join(done.stdout.strip().splitlines()[-8:])
        raise EmbeddedPostgresError(f"{problem} (exit status {done.returncode}):\n{words}")


def _require_same_major(cluster: Path, binaries: Binaries) -> None:
    version_file = cluster / "PG_VERSION"
    try:
        found = version_file.read_text("utf-8").strip()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise EmbeddedPostgresError(
            f"{cluster} is not a PostgreSQL data directory: {version_file.name} is missing or damaged. Restore the "
            "directory from a backup, or move it away to begin with an empty database"
        ) from error
    if found != str(binaries.major):
        raise EmbeddedPostgresError(
            f"the data directory {cluster} was made by PostgreSQL {found}, and the programs here are PostgreSQL "
            f"{binaries.version} ({binaries.directory}), which cannot read it. The way out: start the directory "
            f"with the programs of PostgreSQL {found}, dump the database with pg_dump, and restore the dump into "
            "a new data directory (docs/platform/embedded-postgresql.md has the commands)"
        )
