"""Fixtures for the tests of the embedded server, as root and as an ordinary user."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.integration.embedded.embedded_running import (
    HERE,
    NOBODY,
    Account,
    Place,
    Program,
    eventually,
    interpreter_for,
    is_running,
)


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


@contextmanager
def open_folder():
    """A folder below which every user may have a data directory."""
    # Not pytest's own temporary folder: only its owner may enter that. In memory where there is room: killing
    # processes asks nothing of a disk, and a busy one would only slow the tests down.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="agon-test-", dir=memory if roomy else "/tmp"))
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
