"""The threads that hash: bounded, shed what is too much, give way, and never mix strangers with known devices."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import bcrypt
import pytest

from agon.domains.accounts.errors import AuthBusy
from agon.domains.accounts.service.passwords import HashOptions, Passwords

PEPPER = b"0123456789abcdef0123456789abcdef"


class Bench:
    """bcrypt with a hold on it: each call is noted, and waits until let go."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.priorities: list[tuple[int, int]] = []
        self.let_go = threading.Event()
        self._check = bcrypt.checkpw

    def check(self, given: bytes, stored: bytes) -> bool:
        self.calls.append((threading.current_thread().name, stored))
        if sys.platform == "linux":
            thread = threading.get_native_id()
            self.priorities.append((os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)))
        self.let_go.wait(10)
        return self._check(given, stored)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench()
    monkeypatch.setattr(bcrypt, "checkpw", made.check)
    yield made
    made.let_go.set()


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(PEPPER, HashOptions(cost=4, threads=1, queue_limit=2))
    yield made
    made.close()


async def started(bench: Bench, calls: int) -> None:
    for _ in range(500):
        if len(bench.calls) == calls:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{len(bench.calls)} calls, not {calls}")


async def test_a_full_queue_is_shed_with_when_to_come_back(bench: Bench, passwords: Passwords):
    waiting = [asyncio.create_task(passwords.matches("p", None, known_device=False)) for _ in range(3)]
    await started(bench, 1)
    with pytest.raises(AuthBusy) as refused:
        await passwords.matches("p", None, known_device=False)
    assert refused.value.retry_after is not None
    assert refused.value.retry_after >= 1
    bench.let_go.set()
    assert await asyncio.gather(*waiting) == [False, False, False]
    assert await passwords.matches("p", None, known_device=False) is False


async def test_known_devices_pass_a_flood_of_strangers(bench: Bench, passwords: Passwords):
    strangers = [asyncio.create_task(passwords.matches("p", None, known_device=False)) for _ in range(3)]
    await started(bench, 1)
    known = asyncio.create_task(passwords.matches("p", None, known_device=True))
    await started(bench, 2)
    assert {name.rpartition("_")[0] for name, _ in bench.calls} == {"hash", "hash-known"}
    bench.let_go.set()
    await asyncio.gather(known, *strangers)


async def test_a_caller_that_goes_away_frees_its_place(bench: Bench, passwords: Passwords):
    first = asyncio.create_task(passwords.matches("p", None, known_device=False))
    await started(bench, 1)
    for _ in range(5):
        queued = [asyncio.create_task(passwords.matches("p", None, known_device=False)) for _ in range(2)]
        await asyncio.sleep(0)
        for task in queued:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*queued, return_exceptions=True)
        )
    bench.let_go.set()
    assert await first is False
    assert len(bench.calls) == 1


async def test_a_name_that_nobody_has_costs_one_hash_of_the_same_cost(bench: Bench, passwords: Passwords):
    bench.let_go.set()
    stored = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    assert not await passwords.matches("p", stored, known_device=False)
    assert not await passwords.matches("p", None, known_device=False)
    (_, real), (_, dummy) = bench.calls
    assert real == stored.encode()
    assert dummy[:7] == real[:7]
    assert len(dummy) == len(real) == 60


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority belongs to the whole process")
async def test_the_threads_give_way_to_the_rest_of_the_process(bench: Bench, passwords: Passwords):
    bench.let_go.set()
    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    await passwords.matches("p", None, known_device=False)
    await passwords.matches("p", None, known_device=True)
    [(strangers, _), (known, niceness)] = bench.priorities
    assert strangers == os.SCHED_IDLE
    assert (known, niceness) == (before[0], 10)
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority belongs to the whole process")
async def test_in_a_sandbox_without_idle_scheduling_they_lower_their_priority(
    bench: Bench, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    bench.let_go.set()
    await passwords.matches("p", None, known_device=False)
    assert [niceness for _, niceness in bench.priorities] == [10]


async def test_nobody_waits_longer_than_patience(bench: Bench, passwords: Passwords, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agon.domains.accounts.service.passwords._PATIENCE_SECONDS", 0.05)
    with pytest.raises(AuthBusy) as refused:
        await passwords.matches("p", None, known_device=False)
    assert refused.value.retry_after == 0.05
    bench.let_go.set()


async def test_after_closing_it_is_busy(passwords: Passwords):
    passwords.close()
    with pytest.raises(AuthBusy):
        await passwords.hash("a long walk by the river")
