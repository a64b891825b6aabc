"""Cached reads against a model: whatever the order of reads, commits, invalidations and cancellations, no read is older
than the last invalidation that had returned before it began.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agon.kernel.clock import ManualClock
from agon.platform.cache.cache import Cache
from agon.platform.cache.reads import CachedRead

ITEM = CachedRead("test_model", "item", int, ttl=60, tags=("item:{id}", "all"), stale_tolerant=True)
ITEMS = st.integers(0, 1)
STEPS = st.one_of(
    st.tuples(st.just("read"), ITEMS),
    st.tuples(st.just("let_go"), st.integers(0, 5)),
    st.tuples(st.just("commit"), ITEMS),
    st.tuples(st.just("invalidate"), ITEMS),
    st.tuples(st.just("invalidate_all"), st.just(0)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("advance"), st.sampled_from([1, 59, 61, 400])),
    st.tuples(st.just("load_status"), st.sampled_from([1, 2, 5])),
)


class World:
    """What is stored, what has been announced, and readers that stop before and after they look at what is stored."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
        self.multiplier = 1
        self.cache = Cache(clock=self.clock, size=200, load_multiplier=lambda: self.multiplier)
        self.stored = [0, 0]
        self.announced = [0, 0]
        self.generation = [0, 0]
        self.gates: list[asyncio.Future[None]] = []
        self.readers: list[asyncio.Task[None]] = []
        self.loading: dict[tuple[int, int], int] = {}

    async def _gate(self) -> None:
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate

    async def _load(self, item: int, generation: int) -> int:
        ticket = (item, generation)
        self.loading[ticket] = self.loading.get(ticket, 0) + 1
        assert self.loading[ticket] == 1, "one load at a time"
        try:
            await self._gate()
            seen = self.stored[item]
            await self._gate()
            return seen
        finally:
            self.loading[ticket] -= 1

    async def _reader(self, item: int) -> None:
        announced, generation = self.announced[item], self.generation[item]
        answer = await self.cache.read(ITEM, item, lambda: self._load(item, generation))
        assert ITEM.decode(answer.body) >= announced
        assert answer.age <= ITEM.ttl * 5

    async def step(self, kind: str, number: int) -> None:
        if kind == "read":
            self.readers.append(asyncio.create_task(self._reader(number)))
        elif kind == "let_go":
            self._let_go(number)
        elif kind == "commit":
            self.stored[number] += 1
        elif kind.startswith("invalidate"):
            items = [0, 1] if kind == "invalidate_all" else [number]
            await self.cache.invalidate(["all"] if kind == "invalidate_all" else [f"item:{number}"])
            for item in items:
                self.announced[item] = self.stored[item]
                self.generation[item] += 1
        elif kind == "cancel" and self.readers:
            self.readers[number % len(self.readers)].cancel()
        elif kind == "advance":
            self.clock.advance(timedelta(seconds=number))
        elif kind == "load_status":
            self.multiplier = number
        for _ in range(8):
            await asyncio.sleep(0)

    def _let_go(self, number: int) -> None:
        waiting = [gate for gate in self.gates if not gate.done()]
        if waiting:
            waiting[number % len(waiting)].set_result(None)

    async def finish(self) -> None:
        for _ in range(500):
            if all(reader.done() for reader in self.readers):
                break
            await self.step("let_go", 0)
        for reader in self.readers:
            assert reader.done(), "nobody hangs"
            if not reader.cancelled():
                reader.result()
        assert not self.cache._flights._running


@settings(max_examples=400, deadline=None)
@given(steps=st.lists(STEPS, max_size=60))
def test_no_read_is_older_than_the_last_invalidation_before_it(steps: list[tuple[str, Any]]):
    async def run() -> None:
        world = World()
        for kind, number in steps:
            await world.step(kind, number)
        await world.finish()

    asyncio.run(run())
