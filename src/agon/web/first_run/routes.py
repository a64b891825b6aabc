"""Routes of the first-run page; it works without scripts."""

from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, URLEncodedBody

from agon.domains.accounts.public import Accounts, AuthBusy, LinkInvalid
from agon.kernel.errors import DomainError
from agon.kernel.tx import Tx
from agon.platform.http.answers import Encoded
from agon.platform.http.conditional import conditional
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ANYONE
from agon.platform.http.problems import STATUS
from agon.platform.http.same_origin import CsrfInvalid, require_same_origin

_HTML = "text/html; charset=utf-8"
_PACKAGE = "agon.web.first_run"
_LONGEST = 512
Reading = Request[Any, Any, Any]


class SetupForm(msgspec.Struct):
    """What the page sends."""

    token: str = ""
    email: str = ""
    display_name: str = ""
    password: str = ""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(_PACKAGE), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )


def _page(template: str, status: int = 200, **values: object) -> Encoded[bytes]:
    body = _environment().get_template(template).render(values).encode()
    return Encoded(body, status, _HTML, {"Cache-Control": "no-store"})


@route(
    "GET",
    "/setup",
    operation="setup.page",
    summary="The form that makes the first administrator",
    permission=ANYONE,
    limits=("public",),
    include_in_schema=False,
    media_type="text/html",
)
async def page(edge: Edge, accounts: Injected[Accounts], token: FromQuery[str] = "") -> Answer[bytes]:
    try:
        await edge.fetch(lambda tx: accounts.setup.check_token(tx, token[:_LONGEST]))
    except LinkInvalid as refusal:
        return _page("spent.html.jinja", STATUS[refusal.refusal])
    return _page("form.html.jinja", form=SetupForm(token=token), problems={}, general=None)


@route(
    "POST",
    "/setup",
    operation="setup.submit",
    summary="Make the first administrator from the form",
    permission=ANYONE,
    limits=("auth",),
    errors=(LinkInvalid, AuthBusy, CsrfInvalid),
    status=200,
    secret=True,
    form=True,
    include_in_schema=False,
    media_type="text/html",
)
async def submit(
    request: Reading, data: URLEncodedBody[SetupForm], edge: Edge, accounts: Injected[Accounts]
) -> Answer[bytes]:
    require_same_origin(request)
    try:
        await edge.fetch(lambda tx: accounts.setup.check_token(tx, data.token[:_LONGEST]))
        applicant = await accounts.registration.applicant(
            email=data.email.strip(), password=data.password, display_name=data.display_name
        )

        async def set_up(tx: Tx) -> None:
            await accounts.setup.set_up(tx, data.token, applicant)

        await edge.transact(set_up)
    except LinkInvalid as refusal:
        return _page("spent.html.jinja", STATUS[refusal.refusal])
    except DomainError as refusal:
        problems = {each.field: each.message for each in refusal.errors}
        general = None if problems else refusal.detail
        return _page("form.html.jinja", STATUS[refusal.refusal], form=data, problems=problems, general=general)
    return _page("done.html.jinja", email=data.email)


@route(
    "GET",
    "/setup/style.css",
    operation="setup.style",
    summary="What the first-run page looks like",
    permission=ANYONE,
    limits=("public",),
    include_in_schema=False,
    media_type="text/css",
)
async def style(request: Reading) -> Answer[bytes]:
    return conditional(request, _style(), media_type="text/css; charset=utf-8", max_age=3600)


@lru_cache(maxsize=1)
def _style() -> bytes:
    tokens = resources.files("agon.platform.http.documentation").joinpath("assets/tokens.css")
    own = resources.files(_PACKAGE).joinpath("assets/first_run.css")
    return tokens.read_bytes() + own.read_bytes()


ROUTES: list[HTTPRouteHandler] = [page, submit, style]
