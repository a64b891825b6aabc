"""Nothing that was acknowledged is lost, and nothing is left running, whoever is killed."""

import asyncio
import contextlib
import os
import signal
import time

import asyncpg
import pytest

ROWS = 100


@pytest.fixture
def written_ids(run, place, account):
    """Asks a new program of the same account which rows are there."""

    def ids():
        program = run(place, "ids")
        program.endpoints()
        found = set(program.line()["ids"])
        program.finish()
        return found

    return ids


@pytest.fixture
def writer(run, place, account):
    program = run(place, "write")
    program.endpoints()
    return program


def kill(pid):
    with contextlib.suppress(ProcessLookupError):  # its keeper may have been quicker
        os.kill(pid, signal.SIGKILL)


def test_program_killed(writer, place, written_ids, wait, running):
    acknowledged = writer.ids(ROWS)
    keeper, postmaster = place.keeper_pid(), place.postmaster_pid()
    acknowledged += writer.kill()
    wait(lambda: not running(postmaster) and not running(keeper))
    assert set(acknowledged) <= written_ids()


def test_server_killed_while_in_use(writer, place, written_ids, wait, running):
    acknowledged = writer.ids(ROWS)
    keeper, postmaster = place.keeper_pid(), place.postmaster_pid()
    kill(postmaster)
    while True:
        said = writer.line()
        acknowledged.append(said["id"])
        if said["reconnects"] == 1:
            break
    assert place.keeper_pid() == keeper
    assert place.postmaster_pid() != postmaster
    assert not running(postmaster)
    assert f"PostgreSQL (process {postmaster}) ended, and the database is in use" in place.logged()
    acknowledged += [said["id"] for said in writer.finish() if "id" in said]
    assert set(acknowledged) <= written_ids()


def test_program_and_server_killed(writer, place, written_ids, wait, running):
    acknowledged = writer.ids(ROWS)
    keeper, postmaster = place.keeper_pid(), place.postmaster_pid()
    acknowledged += writer.kill()
    kill(postmaster)
    wait(lambda: not running(keeper))
    assert set(acknowledged) <= written_ids()


def test_keeper_killed_while_in_use(writer, place, written_ids, wait, running):
    acknowledged = writer.ids(ROWS)
    keeper, postmaster = place.keeper_pid(), place.postmaster_pid()
    kill(keeper)
    wait(lambda: place.keeper_pid() != keeper and place.status()["state"] == "ready")
    rest = [said for said in writer.finish() if "id" in said]
    # The server went on undisturbed, and the new keeper stopped it when the program ended.
    assert {said["reconnects"] for said in rest} == {0}
    assert place.status()["postmaster_pid"] == postmaster
    wait(lambda: not running(postmaster))
    assert set(acknowledged) | {said["id"] for said in rest} <= written_ids()


def test_keeper_and_server_killed_while_in_use(writer, place, written_ids):
    acknowledged = writer.ids(ROWS)
    keeper, postmaster = place.keeper_pid(), place.postmaster_pid()
    kill(keeper)
    kill(postmaster)
    while True:
        said = writer.line()
        acknowledged.append(said["id"])
        if said["reconnects"] == 1:
            break
    assert place.keeper_pid() != keeper
    acknowledged += [said["id"] for said in writer.finish() if "id" in said]
    assert set(acknowledged) <= written_ids()


def test_program_and_keeper_killed(writer, place, written_ids, wait, running):
    acknowledged = writer.ids(ROWS)
    postmaster = place.postmaster_pid()
    kill(place.keeper_pid())
    acknowledged += writer.kill()
    # The server is nobody's now: the next program takes it over rather than starting a second one.
    assert running(postmaster)
    assert set(acknowledged) <= written_ids()
    assert "outlived its keeper" in place.logged()
    assert place.status()["postmaster_pid"] == postmaster
    wait(lambda: not running(postmaster))


def test_everything_killed(writer, place, written_ids, running):
    acknowledged = writer.ids(ROWS)
    keeper, postmaster = place.keeper_pid(), place.postmaster_pid()
    kill(keeper)
    acknowledged += writer.kill()
    kill(postmaster)
    assert set(acknowledged) <= written_ids()
    assert place.status()["postmaster_pid"] != postmaster


def test_keeper_killed_just_before_the_last_stop(run, place, account, running):
    program = run(place, "hold")
    program.endpoints()
    postmaster = place.postmaster_pid()
    kill(place.keeper_pid())
    program.finish()
    assert not running(postmaster)


async def test_busy_backend_does_not_hold_up_the_restart(run, place, wait, running):
    program = run(place, "hold")
    owner = program.endpoints()["owner"]
    busy = await asyncpg.connect(owner)
    backend = await busy.fetchval("SELECT pg_backend_pid()")
    # It waits for nothing, so it does not notice that its postmaster has died.
    endless = busy.execute("DO $$BEGIN LOOP NULL; END LOOP; END$$")
    task = asyncio.create_task(endless)
    await asyncio.sleep(0.2)
    postmaster = place.postmaster_pid()
    kill(postmaster)
    began = time.monotonic()
    await asyncio.to_thread(
        wait, lambda: place.status()["state"] == "ready" and place.status()["postmaster_pid"] != postmaster
    )
    assert time.monotonic() - began < 8
    assert not running(backend)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await task
    busy.terminate()
    program.finish()
