"""Starts, finds and stops the server process."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agon.platform.database.embedded.address import Address, remove_stale_socket
from agon.platform.database.embedded.binaries import Binaries
from agon.platform.database.embedded.cluster import server_environment
from agon.platform.database.embedded.errors import EmbeddedPostgresError
from agon.platform.database.embedded.layout import Layout, LogTail
from agon.platform.database.embedded.lease import EXCLUSIVE, is_free, lock_within
from agon.platform.database.embedded.processes import command_line, command_lines, send_signal

# A clean stop writes every dirty page (at most the 64 MB of shared buffers), an immediate one nothing.
FAST_STOP_SECONDS = 20.0
IMMEDIATE_STOP_SECONDS = 5.0
# What outlives its postmaster is a query that has not looked up yet; it is given this long.
STRAGGLER_SECONDS = 2.0
# An initdb that outlived its keeper ends by itself, on a slow disk within this time.
UNFINISHED_INITDB_SECONDS = 10.0
_CLUSTER_NAME = re.compile(r"cluster_name=(agon-[0-9a-f]{16})(?![0-9a-f])")


@dataclass(frozen=True)
class PidFile:
    """The parts of postmaster.pid that matter here; `state` is starting, ready, stopping or empty."""

    pid: int
    address: Address
    state: str


@dataclass(frozen=True)
class Postmaster:
    """A running server of this data directory; `process` is set where it is the keeper's own child."""

    layout: Layout
    pid: int
    cluster_name: str
    address: Address
    process: "subprocess.Popen[bytes] | None" = field(default=None, compare=False)

    def is_alive(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return self.cluster_name in (command_line(self.pid) or "")

    def stop(self) -> None:
        """Stops the server: cleanly, else at once, else by force; returns when all its processes are gone."""
        for number, seconds in (
            (signal.SIGINT, FAST_STOP_SECONDS),
            (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
            (signal.SIGKILL, STRAGGLER_SECONDS),
        ):
            if self.is_alive():
                send_signal(self.pid, number)
            if self._is_gone_within(seconds):
                return
        kill_stragglers(self.cluster_name)

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_alive() and is_free(self.layout.server_lock, EXCLUSIVE):
                return True
            time.sleep(0.01)
        return False


def start_postmaster(layout: Layout, binaries: Binaries, address: Address, server_lock: int) -> Postmaster:
    """Starts the server and returns at once; it inherits the server lock and so do all its processes."""
    # With the lock in hand no server of ours runs, so what one left behind is only in the way: PostgreSQL
    # refuses to start when an old number now belongs to another process, as it does in every new container.
    (layout.cluster / "postmaster.pid").unlink(missing_ok=True)
    remove_stale_socket(address)
    cluster_name = f"agon-{os.urandom(8).hex()}"
    directory, listen = (address.host, "") if address.socket else ("", address.host)
    options = {
        "unix_socket_directories": directory,
        "listen_addresses": listen,
        "port": str(address.port),
        "cluster_name": cluster_name,
    }
    command = [str(binaries.postgres), "-D", str(layout.cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with layout.start_log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the programs we found, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=server_environment(),
            pass_fds=(server_lock,),
        )
    return Postmaster(layout, process.pid, cluster_name, address, process)


def wait_until_ready(postmaster: Postmaster, tail: LogTail, check: Callable[[], None]) -> None:
    """Waits until the server accepts connections, calling `check`, which may raise, again and again.

    Raises EmbeddedPostgresError with the end of the server's log when it ends instead.
    """
    while True:
        check()
        if not postmaster.is_alive():
            raise EmbeddedPostgresError(
                f"PostgreSQL did not start ({_ending(postmaster.process)}); its log says:\n{tail.read() or '(nothing)'}"
            )
        written = read_pid_file(postmaster.layout.cluster)
        if written is not None and written.pid == postmaster.pid and written.state == "ready":
            return
        time.sleep(0.005)


def _ending(process: "subprocess.Popen[bytes] | None") -> str:
    if process is None or process.returncode is None:
        return "it ended"
    code = process.returncode
    return f"ended by signal {-code}" if code < 0 else f"exit status {code}"


def read_pid_file(cluster: Path) -> PidFile | None:
    """Reads postmaster.pid; None when it is missing or not written to the end yet.

    Its lines: pid, data directory, start time, port, socket directory, listen address, shared memory, state.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", errors="surrogateescape").splitlines()
        host = lines[4].strip() or lines[5].strip()
        return PidFile(int(lines[0]), Address(host, int(lines[3])), lines[7].strip() if len(lines) > 7 else "")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def find_orphan(layout: Layout) -> Postmaster | None:
    """Returns the server that an earlier keeper started and left running, if it can still be served from.

    Raises EmbeddedPostgresError when a server started by somebody else runs in the directory.
    """
    written = read_pid_file(layout.cluster)
    line = command_line(written.pid) if written is not None else None
    if written is None or line is None:
        return None
    ours = _CLUSTER_NAME.search(line)
    if ours is not None and not is_free(layout.server_lock, EXCLUSIVE):
        return Postmaster(layout, written.pid, ours[1], written.address)
    if _is_server_in(layout.cluster, written.pid, line):
        raise EmbeddedPostgresError(
            f"a PostgreSQL server that Agon did not start (process {written.pid}) runs in {layout.cluster}. "
            f"Stop it first: pg_ctl stop -D {layout.cluster}"
        )
    return None


def _is_server_in(cluster: Path, pid: int, line: str) -> bool:
    if Path(line.split(maxsplit=1)[0]).name not in {"postgres", "postmaster"}:
        return False
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        # Not ours to look into, or no /proc: the arguments have to do.
        return str(cluster) in line


def take_server_lock(layout: Layout, last_cluster_name: str) -> int:
    """Returns the lock that says no process of a server is left, getting rid of those that linger.

    Raises EmbeddedPostgresError when it cannot be had.
    """
    descriptor = lock_within(layout.server_lock, STRAGGLER_SECONDS)
    if descriptor is None:
        kill_stragglers(last_cluster_name)
        descriptor = lock_within(layout.server_lock, UNFINISHED_INITDB_SECONDS)
    if descriptor is None:
        raise EmbeddedPostgresError(
            f"processes of an earlier server still hold {layout.server_lock}; find them with "
            f"`fuser {layout.server_lock}`, end them, and start again"
        )
    return descriptor


def kill_stragglers(cluster_name: str) -> None:
    """Kills the processes of one start of the server, known by the unique name in their titles."""
    if not cluster_name:
        return
    for pid, line in command_lines():
        if line.startswith(f"postgres: {cluster_name}: "):
            send_signal(pid, signal.SIGKILL)
