"""Starts a keeper for a data directory that has none."""

import os
import subprocess
import sys
from pathlib import Path

from agon.platform.database.embedded.binaries import find_binaries
from agon.platform.database.embedded.errors import EmbeddedPostgresError
from agon.platform.database.embedded.layout import Layout

_KEEPER = "agon.platform.database.embedded.keeper"
_PACKAGE_HOME = str(Path(__file__).parents[4])
_TOKEN_BYTES = 8


def start_keeper(layout: Layout, lock: int) -> str:
    """Hands the keeper lock, which the caller holds and loses, to a new keeper and returns its token.

    The lock passes without a gap: the keeper inherits the descriptor, so there is never a second one. The
    token in the lock file tells every user whose word in the status file counts.
    """
    token = os.urandom(_TOKEN_BYTES).hex()
    try:
        binaries = find_binaries()
        os.pwrite(lock, token.encode(), 0)
        command = [sys.executable, "-P", "-m", _KEEPER, str(layout.root)]
        command += ["--binaries", str(binaries.directory), "--token", token, "--lock", str(lock)]
        log = layout.open_keeper_log()
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                pass_fds=(lock,),
                start_new_session=True,
                check=False,
            )
        finally:
            os.close(log)
    finally:
        os.close(lock)
    if done.returncode != 0:
        raise EmbeddedPostgresError(
            f"the keeper of {layout.root} could not be started (exit status {done.returncode}):\n{keeper_words(layout)}"
        )
    return token


def current_token(layout: Layout) -> str:
    """Returns the token of the keeper that holds the lock, or held it last."""
    return layout.keeper_lock.read_text("utf-8", errors="replace")


def keeper_words(layout: Layout) -> str:
    """Returns the end of the keeper's log."""
    return "\n".join(layout.keeper_log.read_text("utf-8", errors="replace").splitlines()[-10:])


def _environment() -> dict[str, str]:
    # The working directory is kept off the module path (-P), so the package has to be named.
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([_PACKAGE_HOME, inherited] if inherited else [_PACKAGE_HOME])
    return {**os.environ, "PYTHONPATH": path}
