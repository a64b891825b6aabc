"""How long Agon takes to its first answer, and what it holds in memory when nobody asks for anything.

Run with `make bench only=startup`. Memory is proportional (pages that processes share are counted once), of the program
and of all processes of its PostgreSQL together.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.support.processes import children, memory_mb, postmaster
from benchmarks.support.table import show
from tests.program import Program

RUNS = 5
IDLE_SECONDS = 40
"""Longer than idle connections are kept."""


async def started(program: Program) -> float:
    began = time.perf_counter()
    await program.start()
    return time.perf_counter() - began


async def main() -> None:
    fresh: list[float] = []
    existing: list[float] = []
    with tempfile.TemporaryDirectory(prefix="agon-bench-") as folder:
        for run in range(RUNS):
            program = Program(Path(folder) / str(run))
            fresh.append(await started(program))
            await program.stop()
            existing.append(await started(program))
            if run < RUNS - 1:
                await program.stop()
        await asyncio.sleep(IDLE_SECONDS)
        assert program.process is not None
        server = postmaster(program.data_dir)
        own, database = memory_mb(program.process.pid), memory_mb(server, *children(server))
        await program.stop()
    rows = [
        ["start to first answer, fresh directory", _seconds(fresh), "< 6 s"],
        ["start to first answer, existing directory", _seconds(existing), "< 2 s"],
        ["idle memory: program", f"{own:.0f} MB", ""],
        ["idle memory: PostgreSQL", f"{database:.0f} MB", ""],
        ["idle memory: both", f"{own + database:.0f} MB", "< 250 MB"],
    ]
    show("Start and rest", ["figure", "median (min … max)", "target"], rows)


def _seconds(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} … {max(values):.2f})"


if __name__ == "__main__":
    uvloop.run(main())
