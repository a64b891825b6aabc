"""Programs, their accounts and their data directories, for the tests of the embedded server."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

NOBODY = 65534
PROGRAM = Path(__file__).with_name("embedded_program.py")
# structlog would load rich for coloured tracebacks: half of the time that a program takes to start.
START = "import sys, runpy; sys.modules['rich'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0])"
IMPORT_PATH = os.pathsep.join([str(Path(__file__).parents[3] / "src"), str(Path(asyncpg.__file__).parents[1])])


@dataclass
class Account:
    """Who runs the programs of a test, and with which interpreter."""

    name: str
    python: str
    identity: dict = field(default_factory=dict)


HERE = Account("root" if os.geteuid() == 0 else "ordinary", sys.executable)


def interpreter_for(identity):
    """Returns an interpreter that this user can run: the test's own may lie in root's home."""
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/python{release}", f"/usr/local/bin/python{release}"):
        try:
            tried = subprocess.run(
                [candidate, "-c", "import asyncpg, structlog, agon"],
                env={"PYTHONPATH": IMPORT_PATH},
                capture_output=True,
                check=False,
                **identity,
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return candidate
    return None


class Program:
    """A running embedded_program.py; what it says is read as it comes, so that it never waits to be heard."""

    def __init__(self, account, directory, mode, launcher=()):
        self.process = subprocess.Popen(
            [*launcher, account.python, "-c", START, str(PROGRAM), str(directory), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": IMPORT_PATH},
            **account.identity,
        )
        self.said = queue.SimpleQueue()
        self.errors = []
        self.readers = [threading.Thread(target=read) for read in (self.read_output, self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read_output(self):
        for text in self.process.stdout:
            # The last line of a killed program may be half a line.
            if text.endswith("\n"):
                self.said.put(json.loads(text))
        self.said.put(None)

    def read_errors(self):
        self.errors.extend(self.process.stderr)

    def line(self):
        """Returns the next thing it says; fails when it has ended instead."""
        said = self.said.get(timeout=40)
        assert said is not None, f"the program ended: {''.join(self.errors)}"
        return said

    def rest(self):
        """Returns all that it has said since and will say until it ends."""
        return list(iter(self.said.get, None))

    def endpoints(self):
        said = self.line()
        assert "ready" in said, said
        return said

    def ids(self, count):
        return [self.line()["id"] for _ in range(count)]

    def kill(self):
        """Kills it with no warning and returns the ids it had acknowledged that nobody had asked for yet."""
        self.process.send_signal(signal.SIGKILL)
        return [said["id"] for said in self.rest()]

    def finish(self, status=0):
        """Lets it end and returns all it still had to say."""
        self.process.stdin.close()
        rest = self.rest()
        assert self.process.wait(timeout=40) == status, "".join(self.errors)
        return rest

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


class Place:
    """A data directory of a test, whose server and keeper are known by the numbers they recorded."""

    def __init__(self, root):
        self.root = root

    def status(self):
        return json.loads((self.root / "status.json").read_text())

    def keeper_pid(self):
        return self.status()["keeper_pid"]

    def postmaster_pid(self):
        return int((self.root / "cluster" / "postmaster.pid").read_text().splitlines()[0])

    def logged(self):
        return (self.root / "log" / "keeper.log").read_text()

    def stop_everything(self):
        """Ends what a failed test left; only processes that name this directory."""
        for pid in (self.pid_or_none(self.keeper_pid), self.pid_or_none(self.postmaster_pid)):
            if pid is not None and str(self.root) in command_line(pid):
                os.kill(pid, signal.SIGKILL)

    def pid_or_none(self, ask):
        try:
            return ask()
        except (OSError, ValueError, IndexError, KeyError):
            return None


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def is_running(pid):
    return command_line(pid) != ""


def eventually(predicate, seconds=10.0):
    """Waits for something to come true and returns it; fails in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = predicate()
        if found or time.monotonic() > deadline:
            assert found, "it never came true"
            return found
        time.sleep(0.01)
