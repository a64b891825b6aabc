"""The command line: which commands there are; each is loaded only when it is called."""

import sys

import cyclopts

from agon import __version__

application = cyclopts.App(
    name="agon",
    version=__version__,
    help="Agon, the open, self-hosted platform for competition. `agon serve` starts all of it.",
)
migrate = cyclopts.App(name="migrate", help="Bring the database to a revision, or show where it is.")
events = cyclopts.App(name="events", help="Facts that were recorded, and what became of them.")
jobs = cyclopts.App(name="jobs", help="Work that waits, runs or has failed.")
audit = cyclopts.App(name="audit", help="The audit log.")
feature = cyclopts.App(name="feature", help="Feature switches.")
keys = cyclopts.App(name="keys", help="The keys that sign access tokens.")
for group in (migrate, events, jobs, audit, feature, keys):
    application.command(group)

_HERE = "agon.roles.cli"
application.command(f"{_HERE}.running:serve")
application.command(f"{_HERE}.running:api")
application.command(f"{_HERE}.running:worker")
application.command(f"{_HERE}.first_run:init")
application.command(f"{_HERE}.doctor:doctor")
application.command(f"{_HERE}.reference:openapi")
application.command(f"{_HERE}.reference:settings")
application.command(f"{_HERE}.reference:errors")
application.command(f"{_HERE}.reference:metrics")
migrate.command(f"{_HERE}.schema:up")
migrate.command(f"{_HERE}.schema:down")
migrate.command(f"{_HERE}.schema:status")
migrate.command(f"{_HERE}.schema:new")
migrate.command(f"{_HERE}.schema:dump")
events.command(f"{_HERE}.facts:list_events", name="list")
events.command(f"{_HERE}.facts:show_event", name="show")
events.command(f"{_HERE}.facts:requeue_event", name="requeue")
jobs.command(f"{_HERE}.work:list_jobs", name="list")
jobs.command(f"{_HERE}.work:show_job", name="show")
jobs.command(f"{_HERE}.work:requeue")
jobs.command(f"{_HERE}.work:discard")
audit.command(f"{_HERE}.trail:verify")
feature.command(f"{_HERE}.switches:list_features", name="list")
feature.command(f"{_HERE}.switches:set_feature", name="set")
keys.command(f"{_HERE}.signing:list_keys", name="list")
keys.command(f"{_HERE}.signing:rotate")


def main() -> None:
    """Run the command that the arguments name; problems that an operator can mend end with one clear line."""
    try:
        application()
    except KeyboardInterrupt:
        sys.exit(130)
