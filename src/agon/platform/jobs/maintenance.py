"""What the platform itself does by a timetable."""

from collections.abc import Mapping
from datetime import timedelta

from agon.platform.audit.sealing import seal
from agon.platform.audit.verify import verify
from agon.platform.database.database import Database
from agon.platform.jobs.periodic import Periodic
from agon.platform.retention import Retention

_VERIFY_TIMEOUT = 4 * 3600.0


class AuditLogBroken(Exception):
    """The audit log is not as it was sealed; the message names the first row."""


def maintenance(database: Database, periods: Mapping[str, timedelta] | None = None) -> list[Periodic]:
    """The platform's periodic work.

    Args:
        database: whose tables are cared for.
        periods: how long rows are kept, by table, where that differs from what is declared.
    """
    retention = Retention(database, periods)

    async def seal_audit_log() -> None:
        await seal(database)

    async def verify_audit_log() -> None:
        found = (await verify(database)).broken
        if found is not None:
            message = f"{found.kind} at position {found.position}, row {found.audit_seq}"
            raise AuditLogBroken(message)

    async def care_for_partitions() -> None:
        await retention.make_partitions()
        await retention.drop_partitions()

    async def prune() -> None:
        await retention.prune()

    return [
        Periodic("audit.seal", "* * * * * */5", seal_audit_log),
        Periodic("audit.verify", "41 4 * * *", verify_audit_log, timeout=_VERIFY_TIMEOUT),
        Periodic("retention.partitions", "17 3 * * *", care_for_partitions),
        Periodic("retention.prune", "* * * * *", prune),
    ]
