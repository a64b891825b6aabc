"""What processes cost, by the operating system's own accounting."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its children that have ended."""
    fields = _stat(pid)
    return sum(int(value) for value in fields[11:15]) / TICK


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def postmaster(data_dir: Path) -> int:
    """The PostgreSQL server of a data directory."""
    return int(next(data_dir.rglob("postmaster.pid")).read_text().splitlines()[0])


def database_cpu_seconds(data_dir: Path) -> float:
    """CPU time of PostgreSQL, all of its processes together."""
    server = postmaster(data_dir)
    return cpu_seconds(server) + sum(cpu_seconds(pid) for pid in children(server))


def memory_mb(*pids: int) -> float:
    """Proportional memory of processes: shared pages are counted once among those who share them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024
