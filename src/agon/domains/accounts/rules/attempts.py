"""When a try at a password counts: how wrong passwords slow guessing down without locking anyone out."""

from datetime import datetime, timedelta

import msgspec

WINDOW = timedelta(minutes=15)
PER_WINDOW = 10
"""Wrong passwords in a window; the tenth brings the first delay. So no more than ten count in any 15 minutes."""
LONGEST_DELAY = timedelta(hours=1)
IN_ROW = 100
"""Wrong passwords without a right one between; after so many, devices that the account does not know are refused
(NIST SP 800-63B, section 5.2.2)."""


class Failures(msgspec.Struct, frozen=True):
    """The wrong passwords of one subject: an account's unknown devices together, or one known device.

    `in_row` counts every failed attempt since the last success, `recent` holds when those that counted failed.
    """

    in_row: int = 0
    recent: tuple[datetime, ...] = ()
    blocked_until: datetime | None = None


def counts(failures: Failures, now: datetime, *, known_device: bool) -> bool:
    """Whether an attempt made now is looked at; otherwise it is answered like a wrong password, whatever was given."""
    if failures.in_row >= IN_ROW and not known_device:
        return False
    return failures.blocked_until is None or now >= failures.blocked_until


def after_failure(failures: Failures, now: datetime, *, counted: bool) -> Failures:
    """The failures with one more; `counted` says whether that attempt was looked at."""
    in_row = failures.in_row + 1
    if not counted:
        return msgspec.structs.replace(failures, in_row=in_row)
    recent = (*(each for each in failures.recent if now - each < WINDOW), now)
    if len(recent) < PER_WINDOW:
        return Failures(in_row, recent)
    return Failures(in_row, (), now + delay(in_row))


def delay(in_row: int) -> timedelta:
    """How long attempts do not count after a full window: 15 minutes, twice that after 20 in a row, up to an hour."""
    doublings = max(0, in_row // PER_WINDOW - 1)
    return min(WINDOW * 2 ** min(doublings, 8), LONGEST_DELAY)
