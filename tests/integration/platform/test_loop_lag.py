"""The sampler of the event loop's lag, on a loop that is really blocked."""

import asyncio
import time

import pytest

from agon.platform.load_status import Load, LoadStatus, Measure, Threshold, watch


async def test_the_sampler_sees_a_blocked_event_loop():
    status = LoadStatus({Measure.LOOP_LAG: Threshold(degraded=0.05, critical=10.0)})
    task = asyncio.create_task(watch(status))
    deadline = time.monotonic() + 5
    while status.level is Load.HEALTHY and time.monotonic() < deadline:
        time.sleep(0.2)
        await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert status.level is Load.DEGRADED
