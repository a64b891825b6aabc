"""What is known about the request or job that is being carried out, for logs and the audit log."""

from contextvars import ContextVar

import msgspec

from agon.contracts.accounts import Principal


class RequestContext(msgspec.Struct):
    """One request's or job's circumstances; filled in as they become known.

    `client_ip` is for limits and never stored; `ip_prefix` (/24 or /48) may be.
    """

    request_id: str = "-"
    method: str = ""
    route: str = ""
    client_ip: str = ""
    ip_prefix: str = ""
    user_agent: str = ""
    trace_parent: str | None = None
    actor: str = "system"
    """`account:{id}`, `anonymous`, or the part of the system that acts (`job:…`, `cli`)."""
    principal: Principal | None = None


_current: ContextVar[RequestContext | None] = ContextVar("agon_request", default=None)


def current() -> RequestContext:
    """The context of what is being carried out; an empty one outside of any."""
    return _current.get() or RequestContext()


def enter(context: RequestContext) -> None:
    """Make this the context of the running task and of what it starts."""
    _current.set(context)
