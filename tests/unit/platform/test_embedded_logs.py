"""What is kept and shown of the embedded server's logs."""

import os

import pytest

from agon.platform.database.embedded.layout import Layout, LogTail


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path / "data")
    made.prepare()
    return made


def test_log_tail_shows_only_what_is_new(layout):
    old = layout.log / "postgresql-Mon.log"
    old.write_text("old\n")
    tail = LogTail(layout)
    assert tail.read() == ""
    layout.start_log.write_text("first\n")
    old.write_text("old\nsecond\n")
    (layout.log / "postgresql-Tue.log").write_text("third\n")
    assert tail.read().splitlines() == ["first", "second", "third"]
    # A log emptied in between is shown from its beginning.
    old.write_text("x\n")
    assert "x" in tail.read().splitlines()


def test_keepers_log_is_set_aside_when_long(layout):
    layout.keeper_log.write_bytes(b"x" * 1_000_001)
    os.close(layout.open_keeper_log())
    assert layout.keeper_log.stat().st_size == 0
    assert (layout.log / "keeper.log.1").stat().st_size == 1_000_001
