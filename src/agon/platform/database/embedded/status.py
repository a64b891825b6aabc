"""What the keeper tells the users of a data directory, in a small file."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from agon.platform.database.embedded.layout import write_atomically


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Status:
    """A keeper's latest word.

    `token` tells one keeper from another, `cluster_name` one start of the server from another; `host` is the
    directory of the socket or an address.
    """

    token: str
    state: State
    keeper_pid: int
    message: str = ""
    postmaster_pid: int = 0
    cluster_name: str = ""
    host: str = ""
    port: int = 0


def write_status(path: Path, status: Status) -> None:
    """Replaces the status file."""
    write_atomically(path, json.dumps(asdict(status), indent=1) + "\n")


def read_status(path: Path) -> Status | None:
    """Returns what the file says; None when none can be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        content["state"] = State(content["state"])
        return Status(**content)
    except (OSError, ValueError, KeyError, TypeError):
        return None
