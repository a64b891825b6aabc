"""Places and programs for the tests of the embedded server, as root and as an ordinary user."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

NOBODY = 65534
PROGRAM = Path(__file__).with_name("embedded_program.py")
IMPORT_PATH = os.pathsep.join([str(Path(__file__).parents[3] / "src"), sysconfig.get_path("purelib")])


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


@pytest.fixture(scope="session", params=["root", "ordinary"])
def account(request):
    if request.param == "root" and HERE.name != "root":
        pytest.skip("only root can test what happens as root")
    if request.param == HERE.name:
        return HERE
    identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    python = interpreter_for(identity)
    if python is None:
        pytest.skip("no interpreter here that an ordinary user can run")
    return Account("ordinary", python, identity)


class Program:
    """A running embedded_program.py; what it says is read as it comes, so that it never waits to be heard."""

    def __init__(self, account, directory, mode, launcher=()):
        self.process = subprocess.Popen(
            [*launcher, account.python, str(PROGRAM), str(directory), mode],
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


@contextmanager
def open_folder():
    """A folder below which every user may have a data directory."""
    # Not pytest's own temporary folder: only its owner may enter that.
    folder = Path(tempfile.mkdtemp(prefix="agon-test-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def give(path, account):
    """Makes a directory that belongs to the account."""
    path.mkdir(mode=0o700)
    if account.identity:
        os.chown(path, NOBODY, NOBODY)


@pytest.fixture
def folder():
    with open_folder() as path:
        yield path


@pytest.fixture(scope="session")
def seed():
    """Makes a data directory once for each account; copying it takes a fraction of making one."""
    made = {}

    def seed_of(account, folder):
        if account.name not in made:
            place = Place(folder / account.name)
            give(place.root, account)
            program = Program(account, place.root, "hold")
            program.endpoints()
            program.finish()
            program.close()
            made[account.name] = place.root
        return made[account.name]

    with open_folder() as folder:
        yield lambda account: seed_of(account, folder)


@pytest.fixture
def account_here(request):
    """The account that the test's programs run as: the parameter, or else the test's own."""
    return request.getfixturevalue("account") if "account" in request.fixturenames else HERE


@pytest.fixture
def make_place(folder):
    places = []

    def make(name="data"):
        places.append(Place(folder / name))
        return places[-1]

    yield make
    for place in places:
        place.stop_everything()


@pytest.fixture
def fresh_place(make_place, account_here):
    """A data directory with nothing in it, of the account the test runs as."""
    place = make_place()
    give(place.root, account_here)
    return place


@pytest.fixture
def place(make_place, account_here, seed):
    """A data directory that has been used before, of the account the test runs as."""
    place = make_place()
    subprocess.run(["cp", "-a", seed(account_here), place.root], check=True)
    return place


@pytest.fixture
def run(account_here):
    """Starts programs, and makes sure that none is left."""
    programs = []

    def start(place, mode, account=account_here, launcher=()):
        programs.append(Program(account, place.root, mode, launcher))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


@pytest.fixture
def ask():
    """Asks one question over a connection of its own."""

    async def question(dsn, sql, *arguments):
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()

    return question


@pytest.fixture
def wait():
    return eventually


@pytest.fixture
def running():
    return is_running
