"""The real program in a process of its own, as an operator runs it."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

AGON = Path(sys.executable).with_name("agon")
QUICK = {
    "AGON_ACCOUNTS_BCRYPT_COST": "4",
    "AGON_LIMITS_LOGIN": "100000",
    "AGON_LIMITS_AUTH": "100000",
    "AGON_LIMITS_ANONYMOUS": "100000",
    "AGON_LIMITS_WRITES": "100000",
    "AGON_LIMITS_READS": "100000",
    "AGON_LIMITS_PUBLIC": "100000",
    "AGON_LOG_LEVEL": "info",
    "AGON_LOG_FORMAT": "json",
}
"""Settings for tests that are not about passwords or limits."""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Program:
    """`agon …` with a data directory of its own, until the block ends; whatever happens, nothing is left running."""

    def __init__(
        self, data_dir: Path, *arguments: str, settings: Mapping[str, str] | None = None, port: int | None = None
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments or ("serve",)
        self._settings = {**QUICK, **(settings or {})}
        self._output = data_dir / f"output-{self.port}.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the program and other commands on the same data are given."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AGON_")}
        return {
            **inherited,
            "AGON_DATA_DIR": str(self.data_dir / "agon"),
            "AGON_PORT": str(self.port),
            "COLUMNS": "400",
            **self._settings,
        }

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    @property
    def setup_token(self) -> str:
        """Of the link with which the first administrator is made, as the program printed it."""
        found = re.findall(r"/setup\?token=([\w-]+)", self.output)
        assert found, f"no link was printed:\n{self.output}"
        return found[-1]

    async def start(self, within: float = 40) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [AGON, *self._arguments],
                env=self.environment,
                cwd=self.data_dir,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        if self._arguments[0] != "worker":
            await self.ready(within)
        return self

    async def ready(self, within: float = 40) -> None:
        deadline = time.monotonic() + within
        async with httpx.AsyncClient(base_url=self.url) as client:
            while time.monotonic() < deadline:
                assert self.process is not None
                assert self.process.poll() is None, f"the program ended:\n{self.output}"
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/health/ready")).status_code == 200:
                        return
                await asyncio.sleep(0.03)
        raise AssertionError(f"not ready within {within} s:\n{self.output}")

    async def stop(self, within: float = 40) -> int:
        """Ask it to stop; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, within)

    def kill(self) -> None:
        """As a power cut would; its database goes on until its keeper notices."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def command(self, *arguments: str, within: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another command on the same data."""
        return await asyncio.to_thread(
            subprocess.run,
            [AGON, *arguments],
            env=self.environment,
            cwd=self.data_dir,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            try:
                await self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
