"""Whom a switch admits."""

import hashlib
from enum import StrEnum

import msgspec

BUCKETS = 100


class State(StrEnum):
    """How a switch stands."""

    OFF = "off"
    ON = "on"
    PERCENTAGE = "percentage"
    LIST = "list"


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """How a feature is switched; `percentage` and `members` count in their own states only."""

    state: State
    percentage: int = 0
    members: frozenset[str] = frozenset()

    def admits(self, feature: str, key: str | None) -> bool:
        """Whether the feature is on for a key; without one it is off unless it is on for all."""
        match self.state:
            case State.ON:
                return True
            case State.OFF:
                return False
            case State.PERCENTAGE:
                return self.percentage >= BUCKETS or (key is not None and bucket(feature, key) < self.percentage)
            case State.LIST:
                return key in self.members


def bucket(feature: str, key: str) -> int:
    """Where a key stands for a feature, 0 to 99, the same everywhere and for ever.

    A growing percentage only adds keys; the feature's name is in it, so that not the same ones are always first.
    """
    digest = hashlib.sha256(f"{feature}\x00{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS
