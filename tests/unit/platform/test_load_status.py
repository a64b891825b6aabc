"""Load status: thresholds and hysteresis."""

import pytest

from agon.platform.load_status import Load, LoadStatus, Measure, Threshold

POOL = {Measure.POOL_WAIT: Threshold(degraded=0.1, critical=0.5)}


class Bench:
    """A status with a clock moved by hand, one judgement a second."""

    def __init__(self, thresholds: dict[Measure, Threshold] = POOL) -> None:
        self.seconds = 0.0
        self.changes: list[Load] = []
        self.status = LoadStatus(thresholds, on_change=self.changes.append, now=lambda: self.seconds)

    def second(self, *waits: float, measure: Measure = Measure.POOL_WAIT) -> Load:
        self.seconds += 1
        for wait in waits:
            self.status.record(measure, wait)
        return self.status.judge()


def test_it_worsens_after_two_judgements_and_betters_a_step_at_a_time():
    bench = Bench()
    assert bench.second(0.6) is Load.HEALTHY
    assert bench.second(0.6) is Load.CRITICAL
    assert bench.status.multiplier() == 5
    seen = [bench.second() for _ in range(30)]
    assert seen[:14] == [Load.CRITICAL] * 14, "samples count for 10 s, then five calm judgements are needed"
    assert seen[14:19] == [Load.DEGRADED] * 5
    assert seen[19:] == [Load.HEALTHY] * 11
    assert bench.changes == [Load.CRITICAL, Load.DEGRADED, Load.HEALTHY]


@pytest.mark.parametrize(
    ("wait", "level", "multiplier"),
    [(0.0999, Load.HEALTHY, 1), (0.1, Load.DEGRADED, 2), (0.4999, Load.DEGRADED, 2), (0.5, Load.CRITICAL, 5)],
)
def test_the_thresholds_are_the_first_value_that_counts(wait: float, level: Load, multiplier: int):
    bench = Bench()
    for _ in range(3):
        bench.second(wait)
    assert bench.status.level is level
    assert bench.status.multiplier() == multiplier


def test_just_below_the_threshold_is_not_better():
    bench = Bench()
    for _ in range(3):
        bench.second(0.1)
    for _ in range(40):
        assert bench.second(0.09) is Load.DEGRADED
    for _ in range(20):
        bench.second(0.07)
    assert bench.status.level is Load.HEALTHY


def test_one_bad_second_is_forgiven():
    bench = Bench()
    for _ in range(5):
        bench.second(*[0.01] * 20)
    bench.second(*[0.9] * 3)
    assert bench.second(*[0.01] * 20) is Load.HEALTHY
    assert bench.changes == []


def test_a_few_slow_ones_among_many_do_not_count():
    bench = Bench()
    for _ in range(20):
        assert bench.second(*[0.01] * 96, *[2.0] * 4) is Load.HEALTHY
    for _ in range(12):
        bench.second(*[0.01] * 94, *[2.0] * 6)
    assert bench.status.level is Load.CRITICAL


def test_the_worst_measure_decides_and_measures_without_a_threshold_do_not():
    bench = Bench({**POOL, Measure.DATABASE: Threshold(degraded=0.2, critical=1.0)})
    for _ in range(3):
        bench.second(5.0, measure=Measure.LOOP_LAG)
    assert bench.status.level is Load.HEALTHY
    for _ in range(3):
        bench.second(0.0)
        bench.second(0.3, measure=Measure.DATABASE)
    assert bench.status.level is Load.DEGRADED
