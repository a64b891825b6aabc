"""The process that keeps one server running while anybody uses its data directory.

Started by the first user (`python -m agon.platform.database.embedded.keeper`), in a session of its own. It is
the server's parent and outlives every user: they hold the lease shared, the kernel takes it from them however
they end, and the keeper, which waits for it exclusively, then stops the server and ends.
"""

import argparse
import logging
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import replace
from enum import Enum
from pathlib import Path

from agon.platform.database.embedded.address import Address, choose_address, remove_short_directory
from agon.platform.database.embedded.binaries import Binaries, inspect_binaries
from agon.platform.database.embedded.cluster import prepare_cluster
from agon.platform.database.embedded.errors import EmbeddedPostgresError
from agon.platform.database.embedded.layout import Layout, LogTail
from agon.platform.database.embedded.lease import open_lock, wait_exclusively
from agon.platform.database.embedded.postmaster import (
    Postmaster,
    find_orphan,
    read_pid_file,
    start_postmaster,
    take_server_lock,
    wait_until_ready,
)
from agon.platform.database.embedded.privileges import drop_root
from agon.platform.database.embedded.status import State, Status, read_status, write_status

LONGEST_PAUSE_SECONDS = 30.0
# A server that lived this long has recovered: the next trouble starts the pauses anew.
SOUND_AFTER_SECONDS = 60.0
ADOPTED_LOOK_SECONDS = 0.25

logger = logging.getLogger("keeper")


class Event(Enum):
    UNUSED = "nobody uses the database any more"
    TERMINATED = "told to end"
    SERVER_ENDED = "the server has ended"


class _UnwantedError(Exception):
    """It is time to go: nobody uses the server, or the keeper was told to end."""


def pause_before_restart(failures: int) -> float:
    """Returns the seconds to wait before the n-th restart in a row: 0, 0.5, 1, 2 ... 30."""
    return 0.0 if failures <= 1 else min(LONGEST_PAUSE_SECONDS, 0.5 * 2.0 ** min(failures - 2, 10))


class Keeper:
    """Looks after the server of one data directory; its caller holds the keeper lock."""

    def __init__(self, layout: Layout, binaries: Binaries, token: str) -> None:
        self._layout = layout
        self._binaries = binaries
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._address: Address | None = None
        before = read_status(layout.status)
        last_cluster_name = before.cluster_name if before is not None else ""
        self._status = Status(token, State.STARTING, os.getpid(), cluster_name=last_cluster_name)

    def run(self) -> int:
        """Serves until nobody uses the directory any more; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            how = drop_root(self._layout, self._binaries)
            logger.info("keeping %s with PostgreSQL %s, %s", self._layout.root, self._binaries.version, how)
            self._publish(State.STARTING)
            threading.Thread(target=self._await_lease, daemon=True).start()
            self._serve(self._adopt() or self._start())
        except _UnwantedError as reason:
            logger.info("%s", reason)
        except (EmbeddedPostgresError, OSError) as error:
            logger.critical("%s", error)
            self._publish(State.FAILED, str(error))
            return 1
        finally:
            remove_short_directory(self._layout)
        self._publish(State.STOPPED)
        return 0

    def _on_signal(self, *_: object) -> None:
        self._events.put(Event.TERMINATED)

    def _serve(self, postmaster: Postmaster) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            event = self._events.get()
            if event is not Event.SERVER_ENDED:
                logger.info("%s: stopping PostgreSQL (process %d)", event.value, postmaster.pid)
                postmaster.stop()
                return
            failures = 1 if time.monotonic() - began >= SOUND_AFTER_SECONDS else failures + 1
            logger.error("PostgreSQL (process %d) ended, and the database is in use", postmaster.pid)
            postmaster = self._restart(failures)

    def _restart(self, failures: int) -> Postmaster:
        while True:
            pause = pause_before_restart(failures)
            logger.info("starting PostgreSQL again in %.1f s", pause)
            self._publish(State.RESTARTING)
            self._require_users(pause)
            try:
                return self._start()
            except (EmbeddedPostgresError, OSError) as error:
                logger.warning("%s", error)
                failures += 1

    def _start(self) -> Postmaster:
        """Returns the server once it is ready."""
        server_lock = take_server_lock(self._layout, self._status.cluster_name)
        try:
            prepare_cluster(self._layout, self._binaries, server_lock)
            self._address = self._address or choose_address(self._layout)
            tail = LogTail(self._layout)
            postmaster = start_postmaster(self._layout, self._binaries, self._address, server_lock)
        finally:
            # From here on only the server's own processes hold it.
            os.close(server_lock)
        return self._accept(postmaster, tail)

    def _adopt(self) -> Postmaster | None:
        """Returns the server that a killed keeper left behind, if it is sound."""
        orphan = find_orphan(self._layout)
        if orphan is None:
            return None
        written = read_pid_file(self._layout.cluster)
        stopping = written is None or written.state == "stopping"
        if stopping or (orphan.address.socket is not None and not orphan.address.socket.exists()):
            logger.warning("PostgreSQL (process %d) is stopping or has lost its socket", orphan.pid)
            orphan.stop()
            return None
        logger.info("PostgreSQL (process %d) outlived its keeper: keeping it", orphan.pid)
        self._address = orphan.address
        try:
            return self._accept(orphan, LogTail(self._layout))
        except EmbeddedPostgresError:
            logger.warning("PostgreSQL (process %d) has ended after all", orphan.pid)
            return None

    def _accept(self, postmaster: Postmaster, tail: LogTail) -> Postmaster:
        self._status = replace(
            self._status,
            cluster_name=postmaster.cluster_name,
            postmaster_pid=postmaster.pid,
            host=postmaster.address.host,
            port=postmaster.address.port,
        )
        self._publish(State.STARTING)
        try:
            wait_until_ready(postmaster, tail, self._require_users)
        except _UnwantedError:
            postmaster.stop()
            raise
        threading.Thread(target=self._await_end, args=(postmaster,), daemon=True).start()
        logger.info("PostgreSQL (process %d) is ready at %s", postmaster.pid, postmaster.address.host)
        self._publish(State.READY)
        return postmaster

    def _require_users(self, seconds: float = 0.0) -> None:
        # No server is watched while this is asked, so any event means that it is time to go.
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return
        raise _UnwantedError(event.value)

    def _await_lease(self) -> None:
        wait_exclusively(open_lock(self._layout.lease))
        self._events.put(Event.UNUSED)

    def _await_end(self, postmaster: Postmaster) -> None:
        if postmaster.process is not None:
            postmaster.process.wait()
        while postmaster.is_alive():
            time.sleep(ADOPTED_LOOK_SECONDS)
        self._events.put(Event.SERVER_ENDED)

    def _publish(self, state: State, message: str = "") -> None:
        self._status = replace(self._status, state=state, message=message)
        try:
            write_status(self._layout.status, self._status)
        except OSError:
            # A full disk must not take the server down with it; users then see their own deadline.
            logger.exception("cannot write %s", self._layout.status)


def main() -> int:
    """Runs a keeper; the caller passes the descriptor through which it holds the keeper lock."""
    parser = argparse.ArgumentParser(prog="agon.platform.database.embedded.keeper")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--lock", type=int, required=True, help="descriptor of the locked keeper.lock")
    arguments = parser.parse_args()
    # The starter waits for this process, so that no child of its own stays unreaped; the keeper is its child.
    if os.fork() != 0:
        os._exit(0)
    os.set_inheritable(arguments.lock, False)
    os.chdir("/")
    os.umask(0o077)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s UTC [%(process)d] %(levelname)s: %(message)s"
    )
    logging.Formatter.converter = time.gmtime
    layout = Layout(arguments.data_dir)
    return Keeper(layout, inspect_binaries(arguments.binaries), arguments.token).run()


if __name__ == "__main__":
    sys.exit(main())
