"""Looks at running processes, to tell our server from a stranger with the same number."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def command_line(pid: int) -> str | None:
    """Returns a process's arguments joined by spaces; None when it is gone or already a zombie."""
    if pid <= 0:
        return None
    if not _has_proc():
        return dict(_ask_ps(["-p", str(pid)])).get(pid)
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return _joined(raw) or None


def command_lines() -> Iterator[tuple[int, str]]:
    """Yields number and arguments of every process that can be seen."""
    if not _has_proc():
        yield from _ask_ps(["-ax"])
        return
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (line := command_line(int(entry.name))) is not None:
            yield int(entry.name), line


def send_signal(pid: int, number: int) -> None:
    """Signals a process that may have ended in the meantime."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _has_proc() -> bool:
    return (_PROC / "self" / "cmdline").exists()


def _joined(raw: bytes) -> str:
    return os.fsdecode(raw).replace("\0", " ").strip()


def _ask_ps(selection: list[str]) -> Iterator[tuple[int, str]]:
    # Systems without /proc (macOS) have ps in this place.
    command = ["/bin/ps", "-ww", *selection, "-o", "pid=", "-o", "stat=", "-o", "command="]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words only
    for line in answer.stdout.splitlines():
        pid, state, *arguments = line.split(maxsplit=2)
        if arguments and not state.startswith("Z"):
            yield int(pid), arguments[0]
