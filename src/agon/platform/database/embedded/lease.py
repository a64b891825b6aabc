"""File locks that the kernel releases when their holder dies, however it dies.

flock(2) locks belong to the open file description: every process that inherits the descriptor holds the lock
too, and it is free once the last of them has closed it or is gone.
"""

import fcntl
import os
import time
from pathlib import Path

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX


def open_lock(path: Path) -> int:
    """Opens a lock file, without locking it; returns a descriptor that programs started later do not inherit."""
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, mode: int) -> bool:
    """Takes the lock if nobody stands in the way; changing the mode may lose the lock held before."""
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_if_free(path: Path) -> int | None:
    """Takes the exclusive lock if it is free and returns its descriptor, to be closed by the caller."""
    descriptor = open_lock(path)
    if try_lock(descriptor, EXCLUSIVE):
        return descriptor
    os.close(descriptor)
    return None


def is_free(path: Path, mode: int) -> bool:
    """Tells whether the lock could be taken at this moment."""
    descriptor = open_lock(path)
    try:
        return try_lock(descriptor, mode)
    finally:
        os.close(descriptor)


def lock_within(path: Path, seconds: float) -> int | None:
    """Takes the exclusive lock as soon as it is free and returns its descriptor; None when time runs out."""
    deadline = time.monotonic() + seconds
    while True:
        descriptor = lock_if_free(path)
        if descriptor is not None or time.monotonic() >= deadline:
            return descriptor
        time.sleep(0.01)


def wait_exclusively(descriptor: int) -> None:
    """Blocks until nobody else holds the lock, and then holds it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def release(descriptor: int) -> None:
    """Gives the lock up at once, even where a forked child still has the descriptor open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
