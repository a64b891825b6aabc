"""The pure parts of the embedded server's supervision."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agon.platform.database.embedded import EmbeddedPostgres, EmbeddedPostgresError, processes
from agon.platform.database.embedded import binaries as programs
from agon.platform.database.embedded.address import (
    LONGEST_SOCKET_PATH,
    Address,
    choose_address,
    fits,
    remove_short_directory,
    short_directory,
)
from agon.platform.database.embedded.binaries import find_binaries, parse_version, wheel_directory
from agon.platform.database.embedded.cluster import initdb_options, server_environment, sync_options
from agon.platform.database.embedded.configuration import has_syncfs, settings
from agon.platform.database.embedded.credentials import (
    Credentials,
    endpoints,
    generate_credentials,
    read_credentials,
    role_statements,
    write_credentials,
)
from agon.platform.database.embedded.keeper import LONGEST_PAUSE_SECONDS, pause_before_restart
from agon.platform.database.embedded.layout import Layout
from agon.platform.database.embedded.postmaster import PidFile, read_pid_file
from agon.platform.database.embedded.status import State, Status, read_status, write_status


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path / "data")
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("postgres (PostgreSQL) 18.6\n", (18, "18.6")),
        ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n", (15, "15.13")),
        ("postgres (PostgreSQL) 19beta1\n", (19, "19beta1")),
    ],
)
def test_versions_are_read(answer, expected):
    assert parse_version(answer) == expected


def test_other_answers_are_no_version():
    with pytest.raises(ValueError, match="not a PostgreSQL version"):
        parse_version("bash: postgres: not found")


def test_wheel_comes_first():
    found = find_binaries()
    assert found.directory == wheel_directory()
    assert found.has_library("pg_stat_statements")
    assert not found.has_library("no_such_library")


def script(folder, version):
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without the wheel, with nothing on PATH and no system server."""
    monkeypatch.setattr(programs, "wheel_directory", lambda: None)
    monkeypatch.setattr(programs, "SYSTEM_DIRECTORIES", str(tmp_path / "system"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_path_comes_before_the_newest_of_the_system(machine):
    script(machine / "system" / "9" / "bin", "9.6")
    script(machine / "system" / "17" / "bin", "17.2")
    script(machine / "system" / "16" / "bin", "16.1")
    assert find_binaries().version == "17.2"
    script(machine / "elsewhere", "15.4")
    (machine / "bin").mkdir()
    (machine / "bin" / "postgres").symlink_to(machine / "elsewhere" / "postgres")
    assert find_binaries().version == "15.4"


def test_nothing_usable_is_refused_with_what_was_seen(machine):
    script(machine / "system" / "14" / "bin", "14.9")
    script(machine / "system" / "16" / "bin", "16.1")
    (machine / "system" / "16" / "bin" / "initdb").unlink()
    with pytest.raises(EmbeddedPostgresError) as refused:
        find_binaries()
    assert "PostgreSQL 14.9 is too old" in str(refused.value)
    assert "initdb is missing" in str(refused.value)
    assert "AGON_DATABASE_URL" in str(refused.value)


def test_locale_flags_fit_the_version():
    assert "--locale-provider=builtin" in initdb_options(17)
    assert "--locale-provider=libc" in initdb_options(16)
    assert "--locale=C.UTF-8" in initdb_options(16)
    for major in (15, 18):
        assert "--auth=reject" in initdb_options(major)
        assert "--data-checksums" in initdb_options(major)


def test_settings_fit_the_version_and_never_trade_durability():
    everything = settings(18, has_statistics=True, one_sync=True)
    least = settings(15, has_statistics=False, one_sync=False)
    for name in ("io_method = sync", "pg_stat_statements", "recovery_init_sync_method = syncfs"):
        assert name in everything
        assert name not in least
    assert "io_method" not in settings(17, has_statistics=True, one_sync=True)
    for content in (everything, least):
        assert "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n" in content


def test_one_sync_only_where_it_reports_errors():
    assert has_syncfs("Linux", "6.18.44-fc-v669")
    assert has_syncfs("Linux", "5.8.0")
    assert not has_syncfs("Linux", "5.7.19")
    assert not has_syncfs("Linux", "odd")
    assert not has_syncfs("Darwin", "25.1.0")
    assert sync_options(18, one_sync=True) == ["--sync-only", "--sync-method=syncfs"]
    assert sync_options(16, one_sync=True) == sync_options(18, one_sync=False) == ["--sync-only"]


def test_callers_environment_does_not_reach_the_server(monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    assert set(server_environment()) == {"PATH", "LC_ALL", "TZ"}


@given(st.text(min_size=1), st.text(min_size=1).map(lambda text: f"/{text}"), st.integers(1, 65535))
def test_dsn_keeps_every_name_apart(database, host, port):
    credentials = generate_credentials()
    made = endpoints(credentials, host, port, database)
    for dsn, role, password in (
        (made.owner, "agon", credentials.owner),
        (made.app, "agon_app", credentials.application),
    ):
        parts = urlsplit(dsn)
        assert (parts.username, parts.password) == (role, password)
        assert unquote(parts.path[1:]) == database
        assert parse_qs(parts.query) == {"host": [host], "port": [str(port)]}


def test_passwords_are_kept_from_others_and_need_no_quoting(layout):
    made = generate_credentials()
    assert len({made.superuser, made.owner, made.application}) == 3
    for password in (made.superuser, made.owner, made.application):
        assert len(password) == 32
        assert password.replace("-", "").replace("_", "").isalnum()
    write_credentials(layout.credentials, made)
    assert stat.S_IMODE(layout.credentials.stat().st_mode) == 0o600
    assert read_credentials(layout.credentials) == made


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"owner": "x"}', '{"other": 1}'])
def test_damaged_credentials_are_none(layout, content):
    assert read_credentials(layout.credentials) is None
    layout.credentials.write_text(content)
    assert read_credentials(layout.credentials) is None


def test_role_statements_are_one_line_each_and_grant_no_more_than_meant():
    statements = role_statements(Credentials("one", "two", "three"))
    assert all(statement.endswith(";") and "\n" not in statement for statement in statements)
    application = [statement for statement in statements if "agon_app" in statement and "ALTER" in statement]
    assert application == ["ALTER ROLE agon_app LOGIN PASSWORD 'three';"]
    assert not any("SUPERUSER" in statement for statement in statements)


def test_pauses_grow_to_a_bound():
    pauses = [pause_before_restart(failures) for failures in range(1, 60)]
    assert pauses[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_status_survives_the_file_and_nonsense_is_none(layout):
    said = Status("t", State.READY, 1, "words", 2, "agon-0", "/tmp", 5432)
    write_status(layout.status, said)
    assert read_status(layout.status) == said
    for content in ("", "{}", "[]", "7", json.dumps({"state": "odd"}), json.dumps({"state": "ready", "more": 1})):
        layout.status.write_text(content)
        assert read_status(layout.status) is None


def pid_file(*lines):
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            pid_file(42, "/d", 1, 5432, "/d/socket", "", " 1 2", "ready   "),
            PidFile(42, Address("/d/socket", 5432), "ready"),
        ),
        (
            pid_file(42, "/d", 1, 6000, "", "127.0.0.1", " 1 2", "starting"),
            PidFile(42, Address("127.0.0.1", 6000), "starting"),
        ),
        (pid_file(42, "/d", 1, 5432, "/d/socket", ""), PidFile(42, Address("/d/socket", 5432), "")),
        (pid_file(42, "/d"), None),
        ("", None),
    ],
)
def test_pid_file_is_read_even_when_half_written(tmp_path, content, expected):
    assert read_pid_file(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text(content)
    assert read_pid_file(tmp_path) == expected


def test_only_plain_and_short_paths_fit_a_socket():
    room = LONGEST_SOCKET_PATH - len("/.s.PGSQL.5432")
    assert fits(Path("/" + "a" * (room - 1)))
    assert not fits(Path("/" + "a" * room))
    for odd in ("/a,b", "/a b", "/খেলা", "/a%b", "/a:b", "/a'b"):
        assert not fits(Path(odd))


def test_socket_directory_of_others_is_not_used(layout):
    if not fits(layout.socket_directory):
        pytest.skip("the temporary folder's path is too long for a socket")
    layout.socket_directory.mkdir(mode=0o755)
    assert choose_address(layout).host != str(layout.socket_directory)
    layout.socket_directory.chmod(0o700)
    assert choose_address(layout).host == str(layout.socket_directory)
    layout.socket_directory.rmdir()
    layout.socket_directory.symlink_to(layout.log)
    assert choose_address(layout).host == str(short_directory(layout))
    remove_short_directory(layout)
    assert not short_directory(layout).exists()


@pytest.mark.parametrize("proc", ["/proc", "/nowhere"])
def test_processes_are_seen_with_and_without_proc(proc, monkeypatch):
    if proc == "/nowhere" and not Path("/bin/ps").exists():
        pytest.skip("no ps on this machine")
    monkeypatch.setattr(processes, "_PROC", Path(proc))
    command = [sys.executable, "-c", "print(flush=True); input()", "a marked process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        # Its arguments show a moment after it is there.
        assert child.stdout is not None
        child.stdout.readline()
        line = processes.command_line(child.pid)
        assert line is not None
        assert line.endswith("-c print(flush=True); input() a marked process")
        assert (child.pid, line) in list(processes.command_lines())
        child.communicate(b"\n")
    assert processes.command_line(child.pid) is None
    assert processes.command_line(0) is None


async def test_not_started_has_no_dsn(tmp_path):
    server = EmbeddedPostgres(tmp_path)
    with pytest.raises(EmbeddedPostgresError, match="call start"):
        _ = server.owner_dsn
    await server.stop()


def test_keeper_loads_nothing_heavy():
    words = "import sys, agon.platform.database.embedded.keeper; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncpg", "asyncio", "structlog", "msgspec", "litestar"} & set(loaded)
