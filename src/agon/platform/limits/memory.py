"""Counters of one process, bounded in number.

The library's own memory storage looks through all keys after every hit (4 ms a hit at 50,000 keys) and never says no to
another key; this one drops what has expired, and else what was used longest ago, a few at a time.
"""

import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable

from limits.aio.storage import MovingWindowSupport, Storage

_DROPPED_PER_NEW_KEY = 2
_ENDS, _COUNT, _FIRST_TIME = 0, 1, 1
"""What stands where in the numbers of a key: when it expires; then, in a fixed window, how many hits there were, or, in
a moving one, the time of each. Plain arrays, since a million objects would make every full garbage collection a pause.
"""


class BoundedMemory(Storage, MovingWindowSupport):
    """A storage for the strategies of `limits`: fixed and moving windows.

    Exact under asyncio: nothing is awaited between reading and writing.

    Args:
        max_keys: how many keys are kept; a key that has to go is one that was not used for the longest time.
        now: seconds since any fixed moment.
    """

    STORAGE_SCHEME = None

    def __init__(self, max_keys: int, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._max_keys = max_keys
        self._now = now
        self._keys: OrderedDict[str, array[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return ()

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self._now()
        numbers = self._used(key)
        if numbers is None:
            numbers = self._add(key, array("d", (now + expiry, 0)), now)
        elif numbers[_ENDS] <= now:
            numbers[_ENDS], numbers[_COUNT] = now + expiry, 0
        numbers[_COUNT] += amount
        return int(numbers[_COUNT])

    async def get(self, key: str) -> int:
        numbers = self._keys.get(key)
        return 0 if numbers is None or numbers[_ENDS] <= self._now() else int(numbers[_COUNT])

    async def get_expiry(self, key: str) -> float:
        numbers = self._keys.get(key)
        return self._now() if numbers is None else numbers[_ENDS]

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = self._now()
        numbers = self._used(key)
        if numbers is None:
            numbers = self._add(key, array("d", (now + expiry,)), now)
        past = bisect_left(numbers, now - expiry, lo=_FIRST_TIME)
        del numbers[_FIRST_TIME:past]
        if len(numbers) - _FIRST_TIME + amount > limit:
            return False
        numbers.extend([now] * amount)
        numbers[_ENDS] = now + expiry
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        now = self._now()
        numbers = self._keys.get(key)
        if numbers is None:
            return now, 0
        past = bisect_left(numbers, now - expiry, lo=_FIRST_TIME)
        count = len(numbers) - past
        return (numbers[past], min(count, limit)) if count else (now, 0)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        count = len(self._keys)
        self._keys.clear()
        return count

    async def clear(self, key: str) -> None:
        self._keys.pop(key, None)

    def _used(self, key: str) -> "array[float] | None":
        numbers = self._keys.get(key)
        if numbers is not None:
            self._keys.move_to_end(key)
        return numbers

    def _add(self, key: str, numbers: "array[float]", now: float) -> "array[float]":
        for _ in range(_DROPPED_PER_NEW_KEY):
            oldest = next(iter(self._keys), None)
            if oldest is None or (len(self._keys) < self._max_keys and self._keys[oldest][_ENDS] > now):
                break
            del self._keys[oldest]
        self._keys[key] = numbers
        return numbers
