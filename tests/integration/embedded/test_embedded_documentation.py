"""The commands for operators do what the page says."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from agon.platform.database.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries

PAGE = Path(__file__).parents[3] / "docs" / "platform" / "embedded-postgresql.md"


def commands(name):
    found = re.search(rf"^```sh {name}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def carry_out(name, place, **folders):
    """Runs the page's commands as the user who owns the directory; PostgreSQL refuses root."""
    as_owner = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*as_owner, "bash", "-euo", "pipefail", "-c", commands(name)],
        env={"PATH": os.environ["PATH"], "DATA": str(place.root), **{key: str(path) for key, path in folders.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def older(monkeypatch):
    """The machine's own, older server."""
    wheel = binaries.wheel_directory
    monkeypatch.setattr(binaries, "wheel_directory", lambda: None)
    try:
        found = binaries.find_binaries()
    except EmbeddedPostgresError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(binaries, "wheel_directory", wheel)
    if found.major >= binaries.find_binaries().major:
        pytest.skip(f"the machine's own server is PostgreSQL {found.version}, no older one")
    return found


async def test_looking_inside(place):
    async with EmbeddedPostgres(place.root):
        found = binaries.find_binaries()
        assert f"PostgreSQL {found.version}" in carry_out("connect", place, NEW=found.directory)


async def test_moving_to_another_major_version(make_place, older, ask, monkeypatch):
    place = make_place()
    with monkeypatch.context() as patched:
        patched.setattr(binaries, "wheel_directory", lambda: None)
        async with EmbeddedPostgres(place.root) as server:
            await ask(server.owner_dsn, "CREATE EXTENSION pg_trgm")
            await ask(server.owner_dsn, "CREATE TABLE kept AS SELECT 'খেলা' AS word")
            await ask(server.owner_dsn, "GRANT SELECT ON kept TO agon_app")
    with pytest.raises(EmbeddedPostgresError, match=f"made by PostgreSQL {older.major}"):
        await EmbeddedPostgres(place.root).start()
    carry_out("dump", place, OLD=older.directory)
    async with EmbeddedPostgres(place.root) as server:
        carry_out("restore", place, NEW=binaries.find_binaries().directory)
        assert await ask(server.app_dsn, "SELECT word FROM kept") == "খেলা"
        with pytest.raises(Exception, match="permission denied"):
            await ask(server.app_dsn, "DELETE FROM kept")
