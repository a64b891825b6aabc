"""How loaded this process is: healthy, degraded or critical, judged from waits that every request feels."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum

import msgspec
import structlog

WINDOW_SECONDS = 10.0
_SAMPLES = 1000
_PERCENTILE = 0.95
_BETTER = 0.8
"""It counts as better only below this part of the threshold, so that it does not swing around it."""
_WORSE_AFTER = 2
_BETTER_AFTER = 5
_JUDGE_SECONDS = 1.0
_LAG_SECONDS = 0.1
_log = structlog.get_logger(__name__)


class Measure(StrEnum):
    """What is sampled, in seconds; each is judged by its 95th percentile over the last 10 s."""

    POOL_WAIT = "pool_wait"
    LOOP_LAG = "loop_lag"
    DATABASE = "database"


class Load(IntEnum):
    """The value is what the gauge `load_status` shows."""

    HEALTHY = 0
    DEGRADED = 1
    CRITICAL = 2


MULTIPLIER = {Load.HEALTHY: 1, Load.DEGRADED: 2, Load.CRITICAL: 5}
"""How much longer stale-tolerant cached reads live."""


class Threshold(msgspec.Struct, frozen=True):
    """Seconds from which a measure is degraded, and critical."""

    degraded: float
    critical: float


class LoadStatus:
    """Takes samples and judges them.

    It worsens when two judgements in a row say so, by as much as they say; it betters one step at a time, after five
    in a row that are clearly below the threshold.

    Args:
        thresholds: for each measure that counts.
        on_change: is told the new status.
        now: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        thresholds: Mapping[Measure, Threshold],
        *,
        on_change: Callable[[Load], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._thresholds = dict(thresholds)
        self._samples: dict[Measure, deque[tuple[float, float]]] = {
            measure: deque(maxlen=_SAMPLES) for measure in Measure
        }
        self._on_change = on_change
        self._now = now
        self._worse = 0
        self._better = 0
        self.level = Load.HEALTHY

    def record(self, measure: Measure, seconds: float) -> None:
        """Take a sample."""
        self._samples[measure].append((self._now(), seconds))

    def multiplier(self) -> int:
        """How many times longer stale-tolerant reads live now: 1, 2 or 5."""
        return MULTIPLIER[self.level]

    def judge(self) -> Load:
        """Judge the samples; to be called once a second."""
        worst = max((self._load_of(measure, 1.0) for measure in self._thresholds), default=Load.HEALTHY)
        calmest = max((self._load_of(measure, _BETTER) for measure in self._thresholds), default=Load.HEALTHY)
        self._worse = self._worse + 1 if worst > self.level else 0
        self._better = self._better + 1 if calmest < self.level else 0
        if self._worse >= _WORSE_AFTER:
            self._change(worst)
        elif self._better >= _BETTER_AFTER:
            self._change(Load(self.level - 1))
        return self.level

    def _change(self, level: Load) -> None:
        _log.log(30 if level > self.level else 20, "load_changed", load=level.name.lower())
        self.level = level
        self._worse = self._better = 0
        if self._on_change is not None:
            self._on_change(level)

    def _load_of(self, measure: Measure, part: float) -> Load:
        since = self._now() - WINDOW_SECONDS
        values = sorted(value for at, value in self._samples[measure] if at >= since)
        if not values:
            return Load.HEALTHY
        percentile = values[math.ceil(len(values) * _PERCENTILE) - 1]
        threshold = self._thresholds[measure]
        if percentile >= threshold.critical * part:
            return Load.CRITICAL
        return Load.DEGRADED if percentile >= threshold.degraded * part else Load.HEALTHY


async def watch(status: LoadStatus) -> None:
    """Sample how late the event loop is, and judge once a second; runs until cancelled."""
    loop = asyncio.get_running_loop()
    judged = loop.time()
    while True:
        before = loop.time()
        await asyncio.sleep(_LAG_SECONDS)
        after = loop.time()
        status.record(Measure.LOOP_LAG, max(0.0, after - before - _LAG_SECONDS))
        if after - judged >= _JUDGE_SECONDS:
            judged = after
            status.judge()
