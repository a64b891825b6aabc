"""What a sensitive action leaves behind."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A sensitive action: what was done to what, and the values before and after (no secrets).

    `action` is a member of `contracts.audit.AuditAction`; `target_type` and `target_id` name what was acted on.
    """

    action: str
    target_type: str
    target_id: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    reason: str | None = None
    severity: Severity = Severity.LOW
