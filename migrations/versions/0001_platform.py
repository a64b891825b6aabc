"""The platform: events, jobs, invalidations, idempotency, audit log, feature switches."""

from agon.platform.database.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql(__file__, "up")


def downgrade() -> None:
    run_sql(__file__, "down")
