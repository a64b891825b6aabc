"""Health: each part judged for itself, asked once however many ask."""

import asyncio
import gc
from collections.abc import Awaitable
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest

from agon.kernel.clock import ManualClock
from agon.platform.observability.health import Component, Degraded, Health, Status
from tests.unit.platform.observability_support import captured_logs

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Part:
    """A part that can be made to fail, hang or limp."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: BaseException | None = None
        self.until: asyncio.Event | None = None

    async def check(self) -> None:
        self.asked += 1
        if self.until is not None:
            await self.until.wait()
        if self.error is not None:
            raise self.error


class Parts:
    def __init__(self) -> None:
        self.database, self.cache, self.mail, self.migrations = Part(), Part(), Part(), Part()

    def health(self, *, check_seconds: float = 2.0, keep_seconds: float = 0.0) -> Health:
        return Health(
            {
                Component.MAIL: self.mail.check,
                Component.DATABASE: self.database.check,
                Component.CACHE: self.cache.check,
            },
            migrations=self.migrations.check,
            clock=ManualClock(NOW),
            check_seconds=check_seconds,
            keep_seconds=keep_seconds,
        )


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_all_is_well(parts: Parts) -> None:
    report = await parts.health().report(detailed=True)
    assert (report.status, report.timestamp) == (Status.HEALTHY, NOW)
    assert list(report.components) == [Component.CACHE, Component.DATABASE, Component.MAIL]
    for part in report.components.values():
        assert (part.status, part.error) == (Status.HEALTHY, None)
        assert part.duration_ms is not None


@pytest.mark.parametrize(
    ("failing", "error", "expected", "ready"),
    [
        ("database", OSError("down"), (Status.UNHEALTHY, Status.UNHEALTHY), False),
        ("database", Degraded("slow"), (Status.DEGRADED, Status.DEGRADED), True),
        ("cache", OSError("down"), (Status.DEGRADED, Status.UNHEALTHY), True),
        ("mail", Degraded("breaker half open"), (Status.DEGRADED, Status.DEGRADED), True),
        ("mail", asyncio.CancelledError(), (Status.DEGRADED, Status.UNHEALTHY), True),
        ("migrations", RuntimeError("0007 is missing"), (Status.HEALTHY, None), False),
    ],
)
async def test_what_a_failing_part_means(
    parts: Parts, failing: str, error: BaseException, expected: tuple[Status, Status | None], ready: bool
) -> None:
    getattr(parts, failing).error = error
    health = parts.health()
    report = await health.report()
    of_part = {component.value: part.status for component, part in report.components.items()}.get(failing)
    assert (report.status, of_part) == expected
    assert await health.ready() is ready


async def test_errors_are_for_staff_and_without_secrets(parts: Parts) -> None:
    parts.cache.error = ConnectionError("cannot reach redis://:hunter2@10.1.2.3:6379")
    health = parts.health()
    public = (await health.report()).components[Component.CACHE]
    assert (public.error, public.duration_ms) == (None, None)
    detailed = (await health.report(detailed=True)).components[Component.CACHE]
    assert detailed.error == "ConnectionError: cannot reach redis://[redacted]@[ip]:6379"


async def test_a_part_that_hangs_is_given_up(parts: Parts) -> None:
    parts.cache.until = asyncio.Event()
    health = parts.health(check_seconds=0.02)
    report = await health.report(detailed=True)
    assert report.status is Status.DEGRADED
    assert report.components[Component.CACHE].error == "no answer within 0.02 s"
    assert report.components[Component.DATABASE].status is Status.HEALTHY


async def test_a_check_that_does_not_heed_its_cancellation_is_not_started_again() -> None:
    release = asyncio.Event()
    started = 0

    async def deaf() -> None:
        nonlocal started
        started += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise OSError("too late")

    parts = Parts()
    health = Health(
        {Component.DATABASE: deaf},
        migrations=parts.migrations.check,
        clock=ManualClock(NOW),
        check_seconds=0.02,
        keep_seconds=0,
    )
    with captured_logs("error") as logs:
        try:
            for error in ("no answer within 0.02 s", "the last check still hangs", "the last check still hangs"):
                report = await health.report(detailed=True)
                assert report.components[Component.DATABASE].error == error
            assert started == 1
            assert not await health.ready()
        finally:
            release.set()
            await asyncio.sleep(0.01)
        assert (await health.report(detailed=True)).components[Component.DATABASE].error == "OSError: too late"
        gc.collect()
    assert logs.text == ""  # nor does asyncio complain of an error that nobody looked at


async def test_a_flood_of_questions_is_one_check(parts: Parts) -> None:
    parts.database.until = asyncio.Event()
    health = parts.health(keep_seconds=60)
    asking: list[Awaitable[object]] = [health.report() for _ in range(50)]
    asking += [health.ready() for _ in range(50)]
    tasks = [asyncio.ensure_future(one) for one in asking]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[0].cancel()
    parts.database.until.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results.count(True) == 50
    await health.report()
    assert [parts.database.asked, parts.cache.asked, parts.mail.asked, parts.migrations.asked] == [1, 1, 1, 1]


async def test_a_result_is_kept_for_a_moment_only(parts: Parts) -> None:
    health = parts.health(keep_seconds=0.03)
    assert await health.ready()
    parts.database.error = OSError("down")
    assert await health.ready()
    await asyncio.sleep(0.04)
    assert not await health.ready()
    parts.database.error = None
    assert not await health.ready()
    await asyncio.sleep(0.04)
    assert await health.ready()


async def test_readiness_does_not_wait_for_other_parts(parts: Parts) -> None:
    parts.cache.until = asyncio.Event()
    health = parts.health()
    async with asyncio.timeout(0.5):
        assert await health.ready()
    assert parts.cache.asked == 0


async def test_shutdown_ends_readiness_at_once(parts: Parts) -> None:
    health = parts.health()
    parts.database.until = asyncio.Event()
    asking = asyncio.create_task(health.ready())
    await asyncio.sleep(0)
    health.begin_shutdown()
    parts.database.until.set()
    assert not await asking
    assert not await health.ready()
    assert parts.database.asked == 1
    assert (await health.report()).status is Status.HEALTHY


async def test_a_change_is_logged_once(parts: Parts) -> None:
    health = parts.health()
    with captured_logs("info") as logs:
        await health.report()
        parts.mail.error = OSError("refused by bob@example.org")
        await health.report()
        await health.report()
        parts.mail.error = None
        await health.report()
    down, up = logs.lines
    assert (down["event"], down["component"], down["status"], down["level"]) == (
        "health_changed",
        "mail",
        "unhealthy",
        "warning",
    )
    assert down["reason"] == "OSError: refused by [email]"
    assert (up["status"], up["level"]) == ("healthy", "info")


async def test_a_check_does_not_run_in_the_context_of_who_asks(parts: Parts) -> None:
    asking: ContextVar[str] = ContextVar("asking", default="nobody")
    seen: list[str] = []

    async def check() -> None:
        seen.append(asking.get())

    health = Health({Component.DATABASE: check}, migrations=parts.migrations.check, clock=ManualClock(NOW))
    asking.set("a request")
    await health.report()
    assert seen == ["nobody"]


def test_every_component_of_the_contract_is_known() -> None:
    names: list[str] = [component.value for component in Component]
    assert names == ["database", "read_database", "cache", "bus", "storage", "mail", "token_rpc", "jobs"]
