"""The commands of `agon events`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter
from rich.console import Console
from rich.table import Column, Table

from agon.kernel.paging import Page, PageRequest
from agon.kernel.tx import Tx
from agon.platform.events.history import (
    DeliveryState,
    EventDetails,
    EventRow,
)
from agon.platform.events.history import (
    list_events as read_events,
)
from agon.platform.events.history import (
    show_event as read,
)
from agon.platform.jobs.admin import requeue_job
from agon.roles.cli.invocation import on_site
from agon.roles.site import Site

Limit = Annotated[int, Parameter(help="At most so many, 1 to 100.")]
_console = Console(highlight=False)


def list_events(
    *,
    type: Annotated[str | None, Parameter(help="Such as account.registered.")] = None,  # noqa: A002 - the flag's name
    subject: Annotated[str | None, Parameter(help="Such as account:<id>.")] = None,
    since: Annotated[datetime | None, Parameter(help="Only events from this moment on (UTC).")] = None,
    limit: Limit = 20,
    cursor: str | None = None,
) -> None:
    """List events, newest first."""
    request = PageRequest(limit, cursor)

    async def work(site: Site) -> Page[EventRow]:
        return await site.database.fetch(
            lambda tx: read_events(tx, request, event_type=type, subject=subject, since=since)
        )

    page = on_site(work)
    table = Table(
        Column("event", no_wrap=True), *(Column(each, overflow="fold") for each in ("type", "subject", "occurred at"))
    )
    for each in page.items:
        table.add_row(str(each.id), each.type, each.subject, each.occurred_at.isoformat())
    _console.print(table)
    if page.next_cursor:
        _console.print(f"more: --cursor {page.next_cursor}", soft_wrap=True)


def show_event(event_id: UUID) -> None:
    """Show an event, and what became of it at each subscriber."""
    found = on_site(lambda site: _read(site, event_id))
    _console.print(f"{found.event.type} about {found.event.subject} at {found.event.occurred_at.isoformat()}")
    _console.print(found.event.data, soft_wrap=True)
    table = Table("subscriber", "state", "handled at", "job", "attempts", "last error")
    for each in found.deliveries:
        handled = each.processed_at.isoformat() if each.processed_at else ""
        error = (each.last_error or "").strip().rpartition("\n")[2]
        table.add_row(each.subscriber, each.state.value, handled, str(each.job_id or ""), str(each.attempts), error)
    _console.print(table)


def requeue_event(event_id: UUID) -> None:
    """Deliver an event again to every subscriber that gave it up."""
    count = on_site(lambda site: _requeue(site, event_id))
    _console.print(f"{count} deliveries wait again.")


async def _read(site: Site, event_id: UUID) -> EventDetails:
    return await site.database.fetch(lambda tx: read(tx, event_id, site.subscriptions))


async def _requeue(site: Site, event_id: UUID) -> int:
    async def verb(tx: Tx) -> int:
        found = await read(tx, event_id, site.subscriptions)
        dead = [each.job_id for each in found.deliveries if each.state is DeliveryState.DEAD and each.job_id]
        for job_id in dead:
            await requeue_job(tx, job_id)
        return len(dead)

    return await site.database.transact(verb)
