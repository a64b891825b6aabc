"""The chain of seals over the audit log: what is hashed, and how one seal follows from the one before.

hash = SHA-256(hash before || the row), in the order of sealing; the first seal follows on 32 zero bytes. The row's
bytes are a JSON array of its columns. The database gives times as microseconds and JSON as its own normal text, so
that no session's settings show in them.
"""

import hashlib
from typing import Final
from uuid import UUID

import msgspec

BEGINNING: Final = bytes(32)
_FORMAT: Final = 1
"""Of the bytes below; another one would need a number of its own, for old seals keep theirs."""


class AuditRow(msgspec.Struct, frozen=True):
    """A row of the audit log as it is sealed; `at` in microseconds since 1970, `before` and `after` as JSON text."""

    seq: int
    id: UUID
    at: int
    actor: str
    action: str
    target_type: str
    target_id: str
    before: str | None
    after: str | None
    reason: str | None
    severity: str
    ip_prefix: str
    user_agent: str
    request_id: str
    method: str
    route: str


ROW_COLUMNS: Final = """
    log.seq, log.id, (extract(epoch from log.at) * 1000000)::bigint as at, log.actor, log.action, log.target_type,
    log.target_id, log.before::text as before, log.after::text as after, log.reason, log.severity, log.ip_prefix,
    log.user_agent, log.request_id, log.method, log.route
"""
"""The columns of `AuditRow`, in its order, of `audit_log as log`."""

_encoder = msgspec.json.Encoder()


def sealed(before: bytes, row: AuditRow) -> bytes:
    """The hash that seals a row after the seal `before`."""
    return hashlib.sha256(before + _encoder.encode([_FORMAT, *msgspec.structs.astuple(row)])).digest()
