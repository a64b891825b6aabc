"""Identifiers: UUID version 7, sortable by the millisecond they were made in."""

import secrets
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0b10 << 62


def new_id(unix_ms: int | None = None) -> UUID:
    """Make an identifier that sorts by time.

    Args:
        unix_ms: milliseconds since 1970; the system's time when not given. Only the order of identifiers
            rests on it, never a deadline, so it need not come from the `Clock`.

    Source: RFC 9562, section 5.7.
    """
    milliseconds = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    random = secrets.randbits(74)
    return UUID(
        int=(milliseconds & 0xFFFF_FFFF_FFFF) << 80
        | _VERSION_7
        | (random >> 62) << 64
        | _VARIANT_RFC
        | (random & 0x3FFF_FFFF_FFFF_FFFF)
    )
