"""One good request for each operation, to be sent by anybody about anybody's things."""

import uuid
from collections.abc import Awaitable, Callable
from http import HTTPMethod
from typing import Any

import httpx
import msgspec

from agon.contracts.accounts import Role
from agon.roles.api import routes
from tests.functional.operations import OPERATIONS
from tests.functional.people import PASSWORD, People, Person, unique

routes()  # every operation is declared once the routes are imported


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request: the values of the path's parameters by name, and what else there is to it."""

    path: dict[str, str] = {}
    query: dict[str, str] = {}
    json: dict[str, Any] | None = None
    form: dict[str, str] | None = None
    headers: dict[str, str] = {}


Maker = Callable[[People, Person], Awaitable[Call]]
"""Makes a request about this person's things; what it needs to succeed is there when it returns."""


def always(call: Call) -> Maker:
    async def make(people: People, owner: Person) -> Call:
        return call

    return make


async def _register(people: People, owner: Person) -> Call:
    name = unique("n")
    return Call(json={"email": f"{name}@example.com", "password": PASSWORD, "display_name": "Noor", "username": name})


async def _log_in(people: People, owner: Person) -> Call:
    return Call(json={"email": owner.email, "password": PASSWORD})


async def _refresh(people: People, owner: Person) -> Call:
    return Call(json={"refresh_token": (await people.sign_in(owner)).refresh_token})


async def _list_roles(people: People, owner: Person) -> Call:
    return Call(path={"account_id": owner.account_id})


async def _grant_role(people: People, owner: Person) -> Call:
    return Call(path={"account_id": owner.account_id}, json={"role": "organizer", "scope": _somewhere()})


async def _revoke_role(people: People, owner: Person) -> Call:
    scope = _somewhere()
    await people.grant(owner, Role.ORGANIZER, scope)
    return Call(path={"account_id": owner.account_id, "role": "organizer"}, query={"scope": scope})


def _somewhere() -> str:
    """A scope in which a role opens nothing yet."""
    return f"tournament:{uuid.uuid4()}"


_SPENT_LINK = {"token": "made-up", "email": "nobody@example.com", "password": PASSWORD, "display_name": "Nobody"}
_NOTHING = always(Call())

CALLS: dict[str, Maker] = {
    "auth.grant_role": _grant_role,
    "auth.key_set": _NOTHING,
    "auth.list_roles": _list_roles,
    "auth.login": _log_in,
    "auth.logout": _NOTHING,
    "auth.logout_all": _NOTHING,
    "auth.read_account": _NOTHING,
    "auth.refresh": _refresh,
    "auth.register": _register,
    "auth.revoke_role": _revoke_role,
    "auth.setup": always(Call(json=_SPENT_LINK)),
    "auth.validate": _NOTHING,
    "documentation.area": always(Call(path={"area": "auth"})),
    "documentation.asset": always(Call(path={"name": "mark.svg"})),
    "documentation.errors": _NOTHING,
    "documentation.openapi": _NOTHING,
    "documentation.overview": _NOTHING,
    "health.details": _NOTHING,
    "health.live": _NOTHING,
    "health.metrics": _NOTHING,
    "health.ready": _NOTHING,
    "health.report": _NOTHING,
    "setup.page": _NOTHING,
    "setup.style": _NOTHING,
    "setup.submit": always(Call(form=_SPENT_LINK, headers={"sec-fetch-site": "same-origin"})),
}


def url_of(operation: str, path: dict[str, str]) -> str:
    """The operation's path with its parameters filled in."""
    parts = [
        path[part[1:-1].partition(":")[0]] if part.startswith("{") else part
        for part in OPERATIONS[operation].path.split("/")
    ]
    return "/".join(parts)


async def send(
    http: httpx.AsyncClient, operation: str, call: Call, credentials: dict[str, str] | None = None
) -> httpx.Response:
    """Send a request as whoever these credentials belong to."""
    return await http.request(
        HTTPMethod(OPERATIONS[operation].method),
        url_of(operation, call.path),
        params=call.query,
        json=call.json,
        data=call.form,
        headers={**call.headers, **(credentials or {})},
    )
