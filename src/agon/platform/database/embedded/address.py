"""Where the server listens."""

import contextlib
import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from agon.platform.database.embedded.layout import Layout

PORT = 5432
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
LONGEST_SOCKET_PATH = 103
# Neither PostgreSQL's list of directories nor a DSN's list of hosts may take these apart.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/@+~-]+")


@dataclass(frozen=True)
class Address:
    """A socket directory (`host` begins with a slash) or a loopback address, and the port."""

    host: str
    port: int

    @property
    def socket(self) -> Path | None:
        return Path(self.host, f".s.PGSQL.{self.port}") if self.host.startswith("/") else None


def choose_address(layout: Layout) -> Address:
    """Returns a socket inside the data directory, else in a short private directory, else a free local port."""
    for directory in (layout.socket_directory, short_directory(layout)):
        if _usable(directory):
            return Address(str(directory), PORT)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


def short_directory(layout: Layout) -> Path:
    """Returns the stand-in for a data directory whose own path does not serve: no other one has its numbers."""
    found = layout.root.stat()
    return Path("/tmp", f"agon-{found.st_dev:x}-{found.st_ino:x}")  # noqa: S108 - 0700, and checked to be ours


def fits(directory: Path) -> bool:
    """Tells whether a socket in this directory can be named by the system calls and in a DSN."""
    path = f"{directory}/.s.PGSQL.{PORT}"
    return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(path) is not None


def remove_stale_socket(address: Address) -> None:
    """Removes what a killed server left; the caller knows that no server runs.

    PostgreSQL would do it too, unless another process now has the old server's number.
    """
    if address.socket is not None:
        address.socket.unlink(missing_ok=True)
        address.socket.with_name(address.socket.name + ".lock").unlink(missing_ok=True)


def remove_short_directory(layout: Layout) -> None:
    """Leaves nothing under /tmp once the server has stopped."""
    # Never made, or somebody else's: then it is not ours to remove.
    with contextlib.suppress(OSError):
        short_directory(layout).rmdir()


def _usable(directory: Path) -> bool:
    if not fits(directory):
        return False
    probe = directory / ".probe"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        # Under /tmp anybody may have made the name first.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return False
        probe.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.bind(str(probe))
        probe.unlink()
    except OSError:
        # No such directory can be made, or its file system knows no sockets: the next candidate serves.
        return False
    return True
