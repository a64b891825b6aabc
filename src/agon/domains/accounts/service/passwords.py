"""Passwords: hashed and checked with bcrypt, on threads of their own that never starve the rest."""

import asyncio
import math
import os
import secrets
import string
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from importlib import resources
from typing import ParamSpec, TypeVar

import bcrypt
import msgspec
import structlog

from agon.domains.accounts.errors import AuthBusy, WeakPassword
from agon.domains.accounts.rules.passwords import prehash, weaknesses

P = ParamSpec("P")
T = TypeVar("T")

_NICENESS = 10
_PATIENCE_SECONDS = 10.0
_log = structlog.get_logger(__name__)
_HASH_TEXT = string.ascii_letters + string.digits
_HASH_LENGTH = 31


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """The bundled list of the most common passwords, in lower case; read at first use."""
    file = resources.files(__name__.rpartition(".")[0]).joinpath("common_passwords.txt")
    _, _, listed = file.read_text(encoding="utf-8").partition("\n\n")
    return frozenset(listed.splitlines())


class HashOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How passwords are hashed.

    `threads` hash for everyone, and one more for devices that their account knows, so that a flood of strangers does
    not keep players out. At most `queue_limit` may wait in each of the two queues.
    """

    cost: int = 12
    threads: int = 2
    queue_limit: int = 16


class Passwords:
    """Hashes and checks passwords.

    Args:
        pepper: the secret mixed into every hash, at least 32 bytes.
        options: cost and limits.
        minimum: the fewest characters of a new password.
    """

    def __init__(self, pepper: bytes, options: HashOptions, minimum: int = 8) -> None:
        self._pepper = pepper
        self._options = options
        self._minimum = minimum
        self._everyone = _Lane("hash", options.threads, options.queue_limit, _use_idle_time)
        self._known = _Lane("hash-known", 1, options.queue_limit, _give_way)
        salt = bcrypt.gensalt(options.cost).decode()
        self._dummy = salt + "".join(secrets.choice(_HASH_TEXT) for _ in range(_HASH_LENGTH))

    def check_strength(self, password: str, *, email: str | None, username: str | None) -> None:
        """Refuse a password that is easy to guess.

        Raises:
            WeakPassword: it is, with the reasons.
        """
        found = weaknesses(password, minimum=self._minimum, common=common_passwords(), email=email, username=username)
        if found:
            raise WeakPassword(errors=found)

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            AuthBusy: too many wait already.
        """
        return await self._everyone.run(self._hashed, password)

    def _hashed(self, password: str) -> str:
        return bcrypt.hashpw(prehash(self._pepper, password), bcrypt.gensalt(self._options.cost)).decode()

    async def matches(self, password: str, password_hash: str | None, *, known_device: bool) -> bool:
        """Whether the password is the one that was hashed; without a hash it is not, which takes as long to say.

        Raises:
            AuthBusy: too many wait already.
        """
        lane = self._known if known_device else self._everyone
        same = await lane.run(self._checked, password, password_hash or self._dummy)
        return same and password_hash is not None

    def _checked(self, password: str, password_hash: str) -> bool:
        return bcrypt.checkpw(prehash(self._pepper, password), password_hash.encode())

    def close(self) -> None:
        """Stop the threads once they have finished what they are at."""
        self._everyone.close()
        self._known.close()


class _Lane:
    """A bounded queue in front of threads that give way to the rest of the process.

    bcrypt lets go of the interpreter, so as many threads as processors would leave the event loop and the database
    waiting for a processor; on Linux each thread lowers its own priority instead.

    Args:
        name: of the threads.
        threads: how many hash at once.
        queue_limit: how many may wait.
        give_way: is run by each thread first.
    """

    def __init__(self, name: str, threads: int, queue_limit: int, give_way: Callable[[], None]) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=give_way)
        self._threads = threads
        self._limit = threads + queue_limit
        self._inside = 0
        self._lock = threading.Lock()
        self._seconds = 0.25
        """How long one takes, for the advice on when to come back."""

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function on the lane's threads.

        Raises:
            AuthBusy: the queue is full, or the machine too busy to get to it.
        """
        if self._inside >= self._limit:
            raise AuthBusy(retry_after=math.ceil(self._inside / self._threads * self._seconds))
        with self._lock:
            self._inside += 1
        try:
            future = self._executor.submit(self._timed, function, *args, **kwargs)
        except RuntimeError as error:  # the process is shutting down
            self._left()
            raise AuthBusy(retry_after=1) from error
        future.add_done_callback(self._left)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise AuthBusy(retry_after=_PATIENCE_SECONDS) from error

    def _timed(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        started = time.perf_counter()
        result = function(*args, **kwargs)
        self._seconds = 0.8 * self._seconds + 0.2 * (time.perf_counter() - started)
        return result

    def _left(self, _: Future[T] | None = None) -> None:
        """Free the place: when a thread is done, or its caller went before it began. One that began is not stopped."""
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _use_idle_time() -> None:
    """Run only where the processor has nothing else to do: whoever wakes up takes it at once.

    A lower priority alone lets a hash go on to the end of its time slice, which requests then wait for.
    """
    if sys.platform == "linux":  # elsewhere a priority belongs to the whole process
        try:
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
        except OSError as error:  # a sandbox that knows priorities only
            _log.info("no_idle_scheduling", reason=error.strerror)
            _give_way()


def _give_way() -> None:
    """Run with a lower priority: for few, who should be served on a busy machine too."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
