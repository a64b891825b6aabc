"""The locks on which the life of the embedded server hangs."""

import os
import subprocess
import sys
import threading

from agon.platform.database.embedded.lease import (
    EXCLUSIVE,
    SHARED,
    is_free,
    lock_if_free,
    lock_within,
    open_lock,
    release,
    try_lock,
    wait_exclusively,
)


def test_sharers_share_and_keep_the_exclusive_one_out(tmp_path):
    path = tmp_path / "lock"
    first, second = open_lock(path), open_lock(path)
    assert try_lock(first, SHARED)
    assert try_lock(second, SHARED)
    assert lock_if_free(path) is None
    assert not is_free(path, EXCLUSIVE)
    assert is_free(path, SHARED)
    # The last one is told from the others by whether it can have the lock for itself.
    assert not try_lock(first, EXCLUSIVE)
    os.close(first)
    assert try_lock(second, EXCLUSIVE)
    assert not is_free(path, SHARED)
    os.close(second)
    assert is_free(path, EXCLUSIVE)


def test_waiting_ends_with_the_last_holder(tmp_path):
    path = tmp_path / "lock"
    holder, waiter = open_lock(path), open_lock(path)
    assert try_lock(holder, SHARED)
    waiting = threading.Thread(target=wait_exclusively, args=(waiter,))
    waiting.start()
    assert waiting.is_alive()
    os.close(holder)
    waiting.join(timeout=5)
    assert not waiting.is_alive()
    assert not is_free(path, SHARED)
    os.close(waiter)


def test_waiting_is_bounded(tmp_path):
    path = tmp_path / "lock"
    holder = lock_if_free(path)
    assert holder is not None
    assert lock_within(path, 0.02) is None
    os.close(holder)
    taken = lock_within(path, 0.02)
    assert taken is not None
    os.close(taken)


def test_child_that_inherits_the_descriptor_holds_the_lock_until_it_ends(tmp_path):
    path = tmp_path / "lock"
    holder = lock_if_free(path)
    assert holder is not None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(holder,))
    os.close(holder)
    assert not is_free(path, EXCLUSIVE)
    child.communicate(b"\n")
    assert is_free(path, EXCLUSIVE)


def test_giving_up_frees_the_lock_for_inheritors_too(tmp_path):
    path = tmp_path / "lock"
    holder = lock_if_free(path)
    assert holder is not None
    copy = os.dup(holder)
    release(holder)
    assert is_free(path, EXCLUSIVE)
    os.close(copy)
