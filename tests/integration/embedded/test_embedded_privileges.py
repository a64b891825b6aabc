"""PostgreSQL does not run as root; a program started by root must not notice."""

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

from agon.platform.database.embedded import EmbeddedPostgres

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")

NOBODY = 65534
CLONE_NEWUSER = 0x10000000


def user_of(pid):
    return Path(f"/proc/{pid}").stat().st_uid


def effective_capabilities(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff")), 16)


async def test_root_serves_its_own_directory_without_capabilities(place, ask):
    async with EmbeddedPostgres(place.root) as server:
        assert await ask(server.app_dsn, "SELECT 1") == 1
        assert effective_capabilities(place.postmaster_pid()) == 0
        assert Path(f"/proc/{place.postmaster_pid()}/uid_map").read_text().split() == ["1000", "0", "1"]


def test_below_a_private_folder(run, folder, make_place):
    private = folder / "private"
    private.mkdir(mode=0o700)
    place = make_place("private/data")
    run(place, "hold").endpoints()
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("account", ["ordinary"], indirect=True)
async def test_root_serves_an_ordinary_users_directory_as_that_user(fresh_place, account, run, ask):
    place = fresh_place
    async with EmbeddedPostgres(place.root) as server:
        assert await ask(server.app_dsn, "SELECT 1") == 1
        assert user_of(place.postmaster_pid()) == NOBODY
        assert user_of(place.keeper_pid()) == NOBODY
        # Its owner joins in, and goes on alone.
        program = run(place, "hold")
        said = program.endpoints()
    assert await ask(said["app"], "SELECT 1") == 1
    program.finish()
    files = [place.root, *place.root.rglob("*")]
    assert {path.lstat().st_uid for path in files} == {NOBODY}


def forbid_user_namespaces():
    """Enters a namespace in which root is root, and no further one may be made: like many containers."""
    libc = ctypes.CDLL(None, use_errno=True)
    ready, mapped = os.pipe(), os.pipe()
    parent = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.read(ready[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{parent}/{name}").write_text("0 0 65536")
        os.write(mapped[1], b".")
        os._exit(0)
    assert libc.unshare(CLONE_NEWUSER) == 0
    os.write(ready[1], b".")
    os.read(mapped[0], 1)
    os.waitpid(helper, 0)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


LAUNCHER = """
import sys, os
sys.path.insert(0, {folder!r})
from test_embedded_privileges import forbid_user_namespaces
forbid_user_namespaces()
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def launcher():
    import sys

    command = [sys.executable, "-c", LAUNCHER.format(folder=str(Path(__file__).parent))]
    tried = subprocess.run([*command, "/bin/true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no such namespace can be made here: {tried.stderr.decode()[-200:]}")
    return command


def test_without_namespaces_an_unprivileged_account_serves(run, make_place, launcher, running):
    place = make_place()
    program = run(place, "hold", launcher=launcher)
    program.endpoints()
    postmaster = place.postmaster_pid()
    assert user_of(postmaster) != 0
    assert effective_capabilities(postmaster) == 0
    assert place.root.stat().st_uid == user_of(postmaster)
    assert "as user " in place.logged()
    program.finish()
    assert not running(postmaster)


def test_without_namespaces_roots_existing_directory_changes_hands(run, place, launcher):
    assert place.root.stat().st_uid == 0
    run(place, "hold", launcher=launcher).endpoints()
    assert user_of(place.postmaster_pid()) != 0


def test_without_namespaces_and_out_of_reach(run, folder, make_place, launcher):
    (folder / "private").mkdir(mode=0o700)
    place = make_place("private/data")
    words = run(place, "hold", launcher=launcher).line()["error"]
    assert "User namespaces are not allowed here" in words
    assert "Run Agon as an ordinary user" in words
    assert place.root.stat().st_uid == 0
