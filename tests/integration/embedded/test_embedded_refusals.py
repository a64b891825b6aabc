"""What cannot work is refused in time, in words that say what to do; what can be repaired is repaired."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from agon.platform.database.embedded import EmbeddedPostgres, EmbeddedPostgresError, server
from agon.platform.database.embedded.binaries import find_binaries


async def refusal(root):
    """Returns the words with which a start is refused."""
    with pytest.raises(EmbeddedPostgresError) as refused:
        await EmbeddedPostgres(root).start()
    return str(refused.value)


async def test_directory_of_another_major_version(place):
    (place.root / "cluster" / "PG_VERSION").write_text("14\n")
    words = await refusal(place.root)
    assert "made by PostgreSQL 14" in words
    assert f"PostgreSQL {find_binaries().version}" in words
    assert "pg_dump" in words
    assert "restore" in words


async def test_damaged_control_file(place):
    (place.root / "cluster" / "global" / "pg_control").write_bytes(b"")
    words = await refusal(place.root)
    assert words.startswith("PostgreSQL did not start (ended by signal 6)")
    assert "pg_control" in words


async def test_directory_that_is_no_cluster(place):
    (place.root / "cluster" / "PG_VERSION").unlink()
    words = await refusal(place.root)
    assert "PG_VERSION is missing" in words
    assert "backup" in words


async def test_bad_settings_of_the_operator(place):
    (place.root / "postgresql.local.conf").write_text("shared_buffers = plenty\n")
    assert 'invalid value for parameter "shared_buffers": "plenty"' in await refusal(place.root)
    # Nothing is held after a refusal: once the cause is gone, the next start succeeds.
    (place.root / "postgresql.local.conf").unlink()
    async with EmbeddedPostgres(place.root):
        pass


async def test_lost_credentials_are_made_anew(place, ask):
    before = (place.root / "credentials.json").read_text()
    (place.root / "credentials.json").unlink()
    async with EmbeddedPostgres(place.root) as embedded:
        assert await ask(embedded.owner_dsn, "SELECT 1") == 1
        assert await ask(embedded.app_dsn, "SELECT 1") == 1
    assert (place.root / "credentials.json").read_text() != before


async def test_credentials_that_the_server_does_not_know(place):
    path = place.root / "credentials.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "owner": "wrong"}))
    assert "remove that file: the next start sets new passwords" in await refusal(place.root)


async def test_server_that_somebody_else_started(place, wait):
    binaries = find_binaries()
    command = [binaries.postgres, "-D", place.root / "cluster", "-k", place.root, "-c", "listen_addresses="]
    launcher = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
    by_hand = subprocess.Popen([*launcher, *command], stderr=subprocess.DEVNULL)
    try:
        written = place.root / "cluster" / "postmaster.pid"
        wait(lambda: written.exists() and "ready" in written.read_text())
        words = await refusal(place.root)
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait()
    assert f"did not start (process {by_hand.pid})" in words
    assert "pg_ctl stop" in words


async def test_stale_files_with_the_number_of_a_living_process(place, ask):
    stale = f"{os.getpid()}\n{place.root}/cluster\n1700000000\n5432\n{place.root}/socket\n\n 1 1\nready\n"
    (place.root / "cluster" / "postmaster.pid").write_text(stale)
    (place.root / "socket").mkdir(mode=0o700, exist_ok=True)
    (place.root / "socket" / ".s.PGSQL.5432.lock").write_text(stale)
    async with EmbeddedPostgres(place.root) as embedded:
        assert await ask(embedded.app_dsn, "SELECT 1") == 1


async def test_server_that_answers_nobody(place, monkeypatch):
    monkeypatch.setattr(server, "START_SECONDS", 2.0)
    async with EmbeddedPostgres(place.root):
        postmaster = place.postmaster_pid()
        os.kill(postmaster, signal.SIGSTOP)
        try:
            words = await refusal(place.root)
        finally:
            os.kill(postmaster, signal.SIGCONT)
    assert "did not answer within 2 s" in words
    assert "is ready at" in words


@pytest.mark.parametrize("part", ["token", "cluster_name", "postmaster_pid"])
async def test_only_the_server_that_the_present_keeper_means_is_used(place, monkeypatch, part):
    async with EmbeddedPostgres(place.root):
        monkeypatch.setattr(server, "START_SECONDS", 1.0)
        said = place.status()
        stale = {"token": "0" * 16, "cluster_name": "agon-" + "0" * 16, "postmaster_pid": os.getpid()}
        (place.root / "status.json").write_text(json.dumps({**said, part: stale[part]}))
        assert "did not answer" in await refusal(place.root)
        (place.root / "status.json").write_text(json.dumps(said))
        async with EmbeddedPostgres(place.root):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory that is somebody else's")
@pytest.mark.parametrize("account", ["ordinary"], indirect=True)
def test_directory_of_somebody_else(run, make_place, account):
    place = make_place()
    place.root.mkdir(mode=0o755)
    program = run(place, "hold")
    words = program.line()["error"]
    assert "cannot be written by user 65534" in words
    assert "choose another directory" in words


@pytest.fixture
def small_disk(folder):
    path = folder / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)


async def test_disk_too_small_for_a_new_cluster(small_disk):
    words = await refusal(small_disk / "data")
    assert "Check free disk space" in words
    assert "MB are free on its disk" in words


async def test_full_disk_at_the_start_and_room_again_later(small_disk, place, ask):
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    root = small_disk / "data"
    subprocess.run(["cp", "-a", place.root, root], check=True)
    filler = root / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(shutil.disk_usage(root).free + 1_000_000))
    words = await refusal(root)
    assert "No space left on device" in words
    filler.unlink()
    async with EmbeddedPostgres(root) as embedded:
        assert await ask(embedded.app_dsn, "SELECT 1") == 1
