"""Rate limits shared through a real Valkey: exact over processes, stricter while it is down, back by themselves."""

import asyncio
import sys
import time

import pytest

from agon.platform import valkey
from agon.platform.breakers import Breaker, State
from agon.platform.limits.rates import RateLimits, Rule, Strategy
from tests.integration.platform.valkey_servers import Valkey, running_valkey

RULES = [
    Rule("login", 5, 2, Strategy.FIXED),
    Rule("reads", 50, 60),
    Rule("fixed", 50, 60, Strategy.FIXED),
    Rule("quick", 4, 2),
    Rule("single", 1, 60),
    Rule("closed", 0, 60),
]


@pytest.mark.parametrize("category", ["reads", "fixed"])
async def test_two_processes_count_together_exactly(
    shared_server: Valkey, category: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(valkey, "BUDGET_SECONDS", 10)  # however busy the machine is, the shared counters answer
    first, second = RateLimits(shared_server.url, RULES), RateLimits(shared_server.url, RULES)
    answers = await asyncio.gather(
        *(rates.hit(category, "203.0.113.9") for _ in range(100) for rates in (first, second))
    )
    assert sum(answer.allowed for answer in answers) == 50
    assert all(answer.limit == 50 for answer in answers), "the shared counters answered, not the fallback"
    refused = await second.hit(category, "203.0.113.9")
    assert refused.remaining == 0
    assert 55 <= refused.retry_after <= 60
    assert (await first.hit(category, "203.0.113.10")).remaining == 49
    await first.close()
    await second.close()


OTHER_PROCESS = """
import asyncio, sys
from agon.platform import valkey
from agon.platform.limits.rates import RateLimits, Rule
valkey.BUDGET_SECONDS = 10
async def main():
    rates = RateLimits(sys.argv[1], [Rule("reads", 50, 60)])
    answers = await asyncio.gather(*(rates.hit("reads", "processes") for _ in range(60)))
    print(sum(answer.allowed for answer in answers))
    await rates.close()
asyncio.run(main())
"""


async def test_separate_processes_count_together(shared_server: Valkey):
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", OTHER_PROCESS, shared_server.url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [(await process.communicate())[0] for process in processes]
    assert sum(int(output) for output in outputs) == 50


@pytest.mark.parametrize("category", ["login", "quick"])
async def test_waiting_as_long_as_told_is_enough(shared_server: Valkey, category: str):
    rates = RateLimits(shared_server.url, RULES)
    amount = 5 if category == "login" else 4
    for _ in range(amount):
        assert (await rates.hit(category, "a")).allowed
    await asyncio.sleep(0.6)
    refused = await rates.hit(category, "a")
    assert not refused.allowed
    assert 1 <= refused.retry_after <= 2
    await asyncio.sleep(refused.retry_after)
    assert (await rates.hit(category, "a")).allowed
    await rates.close()


async def test_valkey_urls_and_zero_amounts(shared_server: Valkey):
    rates = RateLimits(shared_server.url.replace("redis", "valkey"), RULES)
    assert (await rates.hit("reads", "by-name")).remaining == 49
    assert not (await rates.hit("closed", "a")).allowed
    await rates.close()


async def test_killed_in_mid_use_it_falls_back_stricter_and_recovers(own_server: Valkey):
    fallbacks: list[str] = []
    breaker = Breaker("limits", open_seconds=0.5)
    rates = RateLimits(own_server.url, RULES, breaker=breaker, on_fallback=fallbacks.append)
    before = await asyncio.gather(*(rates.hit("reads", "a") for _ in range(40)))
    assert [answer.allowed for answer in before] == [True] * 40

    own_server.kill()
    during = await asyncio.gather(*(rates.hit("reads", "a") for _ in range(100)))
    assert sum(answer.allowed for answer in during) == 25, "half, counted by the process: stricter, and never open"
    assert {answer.limit for answer in during} == {25}
    assert [(await rates.hit("single", "a")).allowed for _ in range(3)] == [True, False, False]
    assert breaker.state is State.OPEN
    assert fallbacks == ["reads"] * 100 + ["single"] * 3

    started = time.monotonic()
    for _ in range(200):
        await rates.hit("reads", "b")
    assert time.monotonic() - started < 0.5, "while it is known to be down nobody waits for it"

    own_server.start_again()
    await asyncio.sleep(0.6)
    limits_seen = [(await rates.hit("reads", "c")).limit for _ in range(4)]
    assert limits_seen == [50] * 4
    assert breaker.state is State.CLOSED
    await rates.close()


async def test_a_frozen_server_costs_at_most_the_budget(own_server: Valkey):
    breaker = Breaker("limits", open_seconds=60)
    rates = RateLimits(own_server.url, RULES, breaker=breaker)
    assert (await rates.hit("reads", "a")).limit == 50
    own_server.freeze()
    try:
        started = time.monotonic()
        answers = await asyncio.gather(*(rates.hit("reads", "a") for _ in range(60)))
        assert time.monotonic() - started < 0.9
        assert sum(answer.allowed for answer in answers) == 25
        assert breaker.state is State.OPEN
    finally:
        own_server.thaw()
    await rates.close()


async def test_it_starts_without_the_server():
    with running_valkey() as server:
        url = server.url
    rates = RateLimits(url, RULES)
    assert (await rates.hit("reads", "a")).limit == 25
    await rates.close()
