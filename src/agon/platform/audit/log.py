"""The audit log: what was done by whom, appended in the transaction that does it."""

import msgspec

from agon.kernel.ids import new_id
from agon.kernel.tx import Query
from agon.platform.context import current
from agon.platform.database.unit import UnitOfWork

_INSERT = Query(
    "audit.append",
    """insert into audit_log (id, at, actor, action, target_type, target_id, before, after, reason, severity,
                              ip_prefix, user_agent, request_id, method, route)
       select id, $2::timestamptz, $3, action, target_type, target_id, before, after, reason, severity,
              $11, $12, $13, $14, $15
       from unnest($1::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[], $9::text[], $10::text[])
            as entry (id, action, target_type, target_id, before, after, reason, severity)""",
    type(None),
)


async def append(unit: UnitOfWork) -> None:
    """Store the unit's audit entries; who acts, and in which request, is taken from the context."""
    context = current()
    entries = unit.audits
    await unit.execute(
        _INSERT,
        [new_id() for _ in entries],
        unit.now,
        context.actor,
        [entry.action for entry in entries],
        [entry.target_type for entry in entries],
        [entry.target_id for entry in entries],
        [_json(entry.before) for entry in entries],
        [_json(entry.after) for entry in entries],
        [entry.reason for entry in entries],
        [entry.severity.value for entry in entries],
        context.ip_prefix,
        context.user_agent,
        context.request_id,
        context.method,
        context.route,
    )


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
