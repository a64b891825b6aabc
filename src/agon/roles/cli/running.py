"""Commands that run Agon."""

from typing import Annotated

from cyclopts import Parameter

from agon.roles.cli.invocation import run, settings_from

Host = Annotated[str | None, Parameter(help="The address to listen on (AGON_HOST).")]
Port = Annotated[int | None, Parameter(help="The port to listen on (AGON_PORT).")]


def serve(*, host: Host = None, port: Port = None) -> None:
    """Start everything in one process: site, API and background work, with a database of its own if none is given."""
    from agon.roles.process import serve_everything

    run(serve_everything, settings_from({"http.host": host, "http.port": port}))


def api(*, host: Host = None, port: Port = None) -> None:
    """Start the HTTP side alone; the database must be migrated."""
    from agon.roles.process import serve_api

    run(serve_api, settings_from({"http.host": host, "http.port": port}))


def worker() -> None:
    """Start the background work alone: deliveries of events, jobs and periodic jobs."""
    from agon.roles.process import serve_worker

    run(serve_worker, settings_from())
