"""One server for one data directory, from its first user to its last."""

import asyncio
import os

import asyncpg
import pytest

from agon.platform.database.embedded import EmbeddedPostgres, EmbeddedPostgresError, binaries
from agon.platform.database.embedded.address import short_directory
from agon.platform.database.embedded.layout import Layout


def test_fresh_directory_for_every_account(run, fresh_place, account, running):
    program = run(fresh_place, "hold")
    program.endpoints()
    keeper, postmaster = fresh_place.keeper_pid(), fresh_place.postmaster_pid()
    assert running(keeper)
    assert running(postmaster)
    assert os.getsid(keeper) != os.getsid(program.process.pid)
    assert (fresh_place.root / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert (fresh_place.root / "cluster").stat().st_uid == fresh_place.root.stat().st_uid
    assert program.finish() == [{"stopped": True}]
    # The program that was the last one has waited for the end.
    assert not running(postmaster)
    assert fresh_place.status()["state"] == "stopped"


async def test_four_programs_start_at_once_on_a_fresh_directory(run, fresh_place, ask, running):
    programs = [run(fresh_place, "hold") for _ in range(4)]
    said = await asyncio.gather(*(asyncio.to_thread(program.endpoints) for program in programs))
    started = {await ask(words["app"], "SELECT pg_postmaster_start_time()") for words in said}
    assert len(started) == 1
    assert len({words["owner"] for words in said}) == 1
    assert fresh_place.logged().count("is ready at") == 1
    postmaster = fresh_place.postmaster_pid()
    for program in programs[1:]:
        program.finish()
    assert await ask(said[0]["app"], "SELECT 1") == 1
    assert running(postmaster)
    programs[0].finish()
    assert not running(postmaster)


def test_users_come_and_go_all_the_time(run, place, account, running):
    programs = [run(place, "cycle") for _ in range(4)]
    for program in programs:
        said = program.finish()
        assert [list(words) for words in said] == [["ready", "owner", "app"], ["answer"], ["stopped"]] * 3
    assert not running(place.keeper_pid())
    assert not running(place.status()["postmaster_pid"])


async def test_second_user_keeps_the_server_when_the_first_stops(place, ask, running):
    first, second = EmbeddedPostgres(place.root), EmbeddedPostgres(place.root)
    endpoints = await first.start()
    assert await first.start() == endpoints
    assert await second.start() == endpoints
    postmaster = place.postmaster_pid()
    await first.stop()
    await first.stop()
    with pytest.raises(EmbeddedPostgresError, match="call start"):
        _ = first.app_dsn
    assert await ask(second.app_dsn, "SELECT 1") == 1
    assert place.postmaster_pid() == postmaster
    await second.stop()
    assert not running(postmaster)


async def test_another_database_name_makes_another_database(place, ask):
    async with EmbeddedPostgres(place.root) as usual, EmbeddedPostgres(place.root, database='my "own"') as other:
        assert await ask(usual.app_dsn, "SELECT current_database()") == "agon"
        assert await ask(other.app_dsn, "SELECT current_database()") == 'my "own"'


async def test_cancelled_start_leaves_nothing_behind(fresh_place, wait, running):
    starting = asyncio.create_task(EmbeddedPostgres(fresh_place.root).start())
    await asyncio.to_thread(wait, (fresh_place.root / "cluster.unfinished").exists)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await asyncio.to_thread(wait, lambda: fresh_place.status()["state"] == "stopped")
    assert not running(fresh_place.status()["postmaster_pid"])


async def test_initialisation_cut_short_is_begun_again(fresh_place, run, wait, ask):
    program = run(fresh_place, "hold")
    await asyncio.to_thread(wait, (fresh_place.root / "cluster.unfinished").exists)
    keeper = fresh_place.keeper_pid()
    os.kill(keeper, 9)
    program.process.kill()
    assert not (fresh_place.root / "cluster").exists()
    async with EmbeddedPostgres(fresh_place.root) as server:
        assert await ask(server.app_dsn, "SELECT 1") == 1
    assert not (fresh_place.root / "cluster.unfinished").exists()
    assert fresh_place.keeper_pid() != keeper


async def test_directory_with_a_path_too_long_for_a_socket(make_place, ask):
    place = make_place("অ" + "a" * 120)
    place.root.mkdir()
    directory = short_directory(Layout(place.root))
    async with EmbeddedPostgres(place.root) as server:
        assert await ask(server.app_dsn, "SELECT 1") == 1
        assert place.status()["host"] == str(directory)
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


async def test_loopback_where_no_socket_can_be_made(make_place, ask):
    place = make_place("a" * 120)
    place.root.mkdir()
    occupied = short_directory(Layout(place.root))
    occupied.write_text("somebody else's")
    try:
        async with EmbeddedPostgres(place.root) as server:
            assert await ask(server.app_dsn, "SELECT 1") == 1
            assert place.status()["host"] == "127.0.0.1"
            with pytest.raises(asyncpg.InvalidPasswordError):
                await ask(server.app_dsn.replace("@/", "x@/"), "SELECT 1")
    finally:
        occupied.unlink()


async def test_roles_and_settings(place, ask):
    async with EmbeddedPostgres(place.root) as server:
        owner, app = server.owner_dsn, server.app_dsn
        assert await ask(owner, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'agon'") == "agon"
        assert not await ask(owner, "SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname LIKE 'agon%'")
        await ask(owner, "CREATE TABLE ledger AS SELECT 1 AS amount")
        await ask(owner, "GRANT SELECT, INSERT ON ledger TO agon_app")
        assert await ask(app, "INSERT INTO ledger VALUES (2) RETURNING amount") == 2
        for forbidden in ("UPDATE ledger SET amount = 3", "DELETE FROM ledger", "CREATE TABLE other ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await ask(app, forbidden)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(app.replace("@/", "x@/"), "SELECT 1")
        for name, value in {"fsync": "on", "synchronous_commit": "on", "listen_addresses": "", "jit": "off"}.items():
            assert await ask(owner, "SELECT current_setting($1)", name) == value
        maintenance = owner.replace("/agon?", "/postgres?")
        assert await ask(maintenance, "SELECT count(*) > 0 FROM pg_stat_statements")


async def test_operators_settings_win(place, ask):
    (place.root / "postgresql.local.conf").write_text("work_mem = 9MB\n")
    async with EmbeddedPostgres(place.root) as server:
        assert await ask(server.app_dsn, "SHOW work_mem") == "9MB"
        assert await ask(server.app_dsn, "SHOW shared_buffers") == "64MB"


async def test_trigrams_know_bengali_and_accents(place, ask):
    async with EmbeddedPostgres(place.root) as server:
        await ask(server.owner_dsn, "CREATE EXTENSION pg_trgm")
        await expect_unicode(server.owner_dsn, ask)


async def expect_unicode(dsn, ask):
    assert await ask(dsn, "SELECT similarity('খেলোয়াড়', 'খেলোয়াড়রা') > 0.5")
    assert await ask(dsn, "SELECT similarity('élève', 'élèves') > 0.5")
    assert await ask(dsn, "SELECT cardinality(show_trgm('খেলা')) > 1")
    assert await ask(dsn, "SELECT lower('ÉÀ') = 'éà' AND 'ÉLÈVE' ILIKE 'élève'")


async def test_older_server_of_the_machine_serves_where_there_is_no_wheel(fresh_place, ask, monkeypatch):
    monkeypatch.setattr(binaries, "wheel_directory", lambda: None)
    try:
        found = binaries.find_binaries()
    except EmbeddedPostgresError as error:
        pytest.skip(str(error))
    if found.major >= 17:
        pytest.skip(f"the machine's own server is PostgreSQL {found.version}, no older one")
    async with EmbeddedPostgres(fresh_place.root) as server:
        assert (await ask(server.app_dsn, "SHOW server_version")).startswith(found.version)
        await ask(server.owner_dsn, "CREATE EXTENSION pg_trgm")
        await expect_unicode(server.owner_dsn, ask)
