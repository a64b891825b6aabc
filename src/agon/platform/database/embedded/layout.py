"""What lies where in a data directory."""

import os
from dataclasses import dataclass
from pathlib import Path

from agon.platform.database.embedded.errors import EmbeddedPostgresError

_KEEPER_LOG_LIMIT = 1_000_000
_TAIL_LINES = 20


@dataclass(frozen=True)
class Layout:
    """Names the files of one data directory; `root` is absolute."""

    root: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.root / "cluster"

    @property
    def lease(self) -> Path:
        """Locked shared by every user, exclusively by the keeper when it stops the server."""
        return self.root / "lease.lock"

    @property
    def keeper_lock(self) -> Path:
        """Locked exclusively by the one keeper for as long as it lives."""
        return self.root / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Locked by the server's processes, all of which inherit the descriptor."""
        return self.root / "server.lock"

    @property
    def status(self) -> Path:
        return self.root / "status.json"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def socket_directory(self) -> Path:
        return self.root / "socket"

    @property
    def operator_settings(self) -> Path:
        """Never written again after the directory was made."""
        return self.root / "postgresql.local.conf"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def keeper_log(self) -> Path:
        return self.log / "keeper.log"

    @property
    def start_log(self) -> Path:
        """What the server says before its log collector runs; emptied at each start."""
        return self.log / "start.log"

    def prepare(self) -> None:
        """Makes the directory and its lock files where they are missing; raises EmbeddedPostgresError."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.root.stat()
            if not self.log.is_dir():
                self.log.mkdir(mode=0o700, exist_ok=True)
                _give(self.log, owner)
            for path in (self.lease, self.keeper_lock, self.server_lock, self.keeper_log):
                os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
                _give(path, owner)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"the data directory {self.root} cannot be written by user {os.geteuid()}: {error}. "
                "Give it to that user, or choose another directory"
            ) from error

    def open_keeper_log(self) -> int:
        """Opens the keeper's log to append to, setting an overlong one aside first."""
        if self.keeper_log.stat().st_size > _KEEPER_LOG_LIMIT:
            self.keeper_log.replace(self.keeper_log.with_suffix(".log.1"))
        descriptor = os.open(self.keeper_log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _give(self.keeper_log, self.root.stat())
        return descriptor


def _give(path: Path, owner: os.stat_result) -> None:
    # Root may share the directory with the user who owns it: that user must be able to open every file.
    if os.geteuid() == 0 and path.stat().st_uid != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)


class LogTail:
    """Remembers where the logs end, to show later only what was added since."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ends = {path: path.stat().st_size for path in layout.log.glob("postgresql-*.log")}

    def read(self) -> str:
        """Returns the last lines added to the server's logs; empty when there are none."""
        lines: list[str] = []
        for path in (self._layout.start_log, *sorted(self._layout.log.glob("postgresql-*.log"))):
            try:
                content = path.read_bytes()
            except OSError:
                # A log rotated away between listing and reading has nothing left to show.
                continue
            start = self._ends.get(path, 0)
            lines += content[start if start <= len(content) else 0 :].decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


def sync_directory(path: Path) -> None:
    """Makes a rename inside the directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str) -> None:
    """Replaces a file so that readers see the old or the new content, with mode 0600 and on the disk."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
