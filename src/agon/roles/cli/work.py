"""The commands of `agon jobs`."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from agon.kernel.paging import Page, PageRequest
from agon.kernel.tx import Tx
from agon.platform.jobs import admin
from agon.roles.cli.invocation import fail, on_site
from agon.roles.site import Site

_console = Console(highlight=False)


def list_jobs(
    *,
    state: Annotated[admin.JobState | None, Parameter(help="Only jobs in this state.")] = None,
    name: Annotated[str | None, Parameter(help="Only jobs of this kind.")] = None,
    limit: Annotated[int, Parameter(help="At most so many, 1 to 100.")] = 20,
    cursor: str | None = None,
) -> None:
    """List what waits, runs or has failed for good, newest first; what is done is not kept."""
    request = PageRequest(limit, cursor)

    async def work(site: Site) -> Page[admin.JobRow]:
        return await site.database.fetch(lambda tx: admin.list_jobs(tx, request, state=state, name=name))

    page = on_site(work)
    table = Table("job", "name", "state", "attempts", "due at", "last error")
    for each in page.items:
        error = (each.last_error or "").strip().rpartition("\n")[2]
        table.add_row(str(each.id), each.name, each.state, str(each.attempts), each.due_at.isoformat(), error)
    _console.print(table)
    if page.next_cursor:
        _console.print(f"more: --cursor {page.next_cursor}", soft_wrap=True)


def show_job(job_id: int) -> None:
    """Show a job with its last failures."""

    async def work(site: Site) -> admin.JobDetails:
        return await site.database.fetch(lambda tx: admin.show_job(tx, job_id))

    found = on_site(work)
    job = found.job
    _console.print(f"{job.name}: {job.state}, {job.attempts} attempts, due at {job.due_at.isoformat()}")
    _console.print(job.payload.decode(errors="replace"), soft_wrap=True)
    for failure in found.failures:
        _console.print(f"\n{failure.at.isoformat()}\n{failure.traceback}", soft_wrap=True, markup=False)


def requeue(
    job_id: int | None = None,
    *,
    name: Annotated[str | None, Parameter(help="All dead jobs of this kind, instead of one.")] = None,
) -> None:
    """Run a job that failed for good again, or all of one kind."""
    if (job_id is None) == (name is None):
        fail("name either one job, or with --name a kind of job")

    async def verb(tx: Tx) -> int:
        if name is not None:
            return await admin.requeue_jobs(tx, name)
        await admin.requeue_job(tx, job_id or 0)
        return 1

    async def work(site: Site) -> int:
        return await site.database.transact(verb)

    _console.print(f"{on_site(work)} wait again.")


def discard(job_id: int, *, reason: Annotated[str | None, Parameter(help="Why, for the audit log.")] = None) -> None:
    """Give up a job that failed for good; an event given up counts as handled."""

    async def work(site: Site) -> None:
        await site.database.transact(lambda tx: admin.discard_job(tx, job_id, reason))

    on_site(work)
    _console.print("discarded.")
