"""A small application on the real edge and a real database, for the tests of the edge."""

import asyncio
import uuid
from contextlib import nullcontext
from typing import Annotated, Any

import httpx
import msgspec
from litestar.params import FromPath, FromQuery, JSONBody

from agon.contracts.accounts import AccountId, LoginSessionId, Principal, Role
from agon.kernel.clock import SystemClock
from agon.kernel.errors import DomainError, Refusal
from agon.kernel.events import Event
from agon.kernel.tx import Query, Tx
from agon.platform.context import RequestContext
from agon.platform.database.database import Database
from agon.platform.http.access import Access
from agon.platform.http.application import ApplicationOptions, build_application, build_litestar
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.errors import AuthRequired
from agon.platform.http.gate import GateOptions
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ADMIN, ANYONE, SIGNED_IN, VISITOR

COUNT = Query("sample.count", "select count(*) from event where subject = $1", int)
SLEEP = Query("sample.sleep", "select pg_sleep($1)::text", str)
FAIL = Query("sample.fail", "select (1 / $1::int)", int)
ECHO = Query("sample.echo", "select $1::text", str)


class OutOfStock(DomainError):
    code = "SAMPLE_OUT_OF_STOCK"
    refusal = Refusal.CONFLICT
    title = "There is none left."


class ThingMade(Event, frozen=True, kw_only=True):
    type = "sample.made"
    about = "name"
    name: str


class NewThing(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=3, max_length=2000)]
    amount: int = 1
    seconds: float = 0
    refuse: bool = False


class Thing(msgspec.Struct):
    name: str
    amount: int
    serial: uuid.UUID


@route("POST", "/api/v1/things", operation="sample.make", summary="Make", permission=VISITOR, limits=("writes",))
async def make(data: JSONBody[NewThing], edge: Edge) -> Answer[Thing]:
    return await edge.write(lambda tx: _make(tx, data))


@route(
    "POST", "/api/v1/paid", operation="sample.pay", summary="Pay", permission=SIGNED_IN, limits=("writes",), keyed=True
)
async def pay(data: JSONBody[NewThing], edge: Edge) -> Answer[Thing]:
    return await edge.write(lambda tx: _make(tx, data))


@route(
    "POST", "/api/v1/keys", operation="sample.key", summary="Key", permission=SIGNED_IN, limits=("writes",), secret=True
)
async def key(data: JSONBody[NewThing], edge: Edge) -> Answer[Thing]:
    return await edge.write(lambda tx: _make(tx, data))


@route(
    "GET",
    "/api/v1/things/{thing_id:uuid}",
    operation="sample.read",
    summary="Read",
    permission=SIGNED_IN,
    limits=("reads",),
)
async def read(thing_id: FromPath[uuid.UUID], edge: Edge, amount: FromQuery[int] = 1) -> Answer[Thing]:
    return edge.answer(Thing(str(edge.principal.account_id), amount, thing_id))


@route("GET", "/api/v1/staff", operation="sample.staff", summary="Staff", permission=ADMIN, limits=("reads",))
async def staff(edge: Edge) -> Answer[str]:
    return edge.answer("in")


@route("GET", "/api/v1/broken", operation="sample.break", summary="Break", permission=ANYONE, limits=("public",))
async def broken(edge: Edge, text: FromQuery[str] = "") -> Answer[int]:
    if text:
        return await edge.read(lambda tx: tx.one(ECHO, text))
    return await edge.read(lambda tx: tx.one(FAIL, 0))


@route("GET", "/api/v1/long", operation="sample.long", summary="Long", permission=ANYONE, limits=("public",))
async def long(edge: Edge, note: Injected[str]) -> Answer[str]:
    return edge.answer(note * 1000)


@route(
    "DELETE",
    "/api/v1/things/{thing_id:uuid}",
    operation="sample.drop",
    summary="Drop",
    permission=SIGNED_IN,
    limits=("writes",),
)
async def remove(thing_id: FromPath[uuid.UUID], edge: Edge) -> None:
    """Nothing to tell."""


ROUTES = [make, pay, key, read, staff, broken, long, remove]


async def _make(tx: Tx, data: NewThing) -> Thing:
    tx.record(ThingMade(name=data.name))
    if data.seconds:
        await tx.one(SLEEP, data.seconds)
    if data.refuse:
        raise OutOfStock(data={"left": 0})
    return Thing(data.name, data.amount, uuid.uuid4())


class Allowance(msgspec.Struct):
    allowed: bool
    limit: int
    remaining: int
    reset_seconds: float
    retry_after: float


class CountingLimits:
    """A limiter of the tests' own: so many hits for a category and key, and never again."""

    def __init__(self, **limits: int) -> None:
        self.limits = limits
        self.hits: dict[tuple[str, str], int] = {}

    async def hit(self, category: str, key: str) -> Allowance:
        limit = self.limits.get(category, 1_000_000)
        count = self.hits[category, key] = self.hits.get((category, key), 0) + 1
        return Allowance(count <= limit, limit, limit - count, 60, 30)


class Tokens:
    """Tokens are the numbers of accounts; `admin-…` is one."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    async def authenticate(self, token: str) -> Principal:
        roles = {Role.ADMIN, Role.PLAYER} if token.startswith("admin-") else {Role.PLAYER}
        try:
            account = AccountId(uuid.UUID(token.removeprefix("admin-")))
        except ValueError:
            raise AuthRequired from None
        return Principal(account, LoginSessionId(account), frozenset(roles))

    async def confirm(self, principal: Principal) -> Principal:
        if str(principal.account_id) in self.revoked:
            raise AuthRequired
        return principal


class Observed:
    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int, str]] = []

    def span(self, method: str, trace_parent: str | None) -> Any:
        return nullcontext()

    def finished(self, context: RequestContext, status: int, seconds: float) -> None:
        self.requests.append((context.method, context.route, status, context.actor))


class Sample(httpx.AsyncClient):
    """A client of the sample application."""

    def __init__(
        self, database: Database, gate: GateOptions | None = None, observer: Any = None, **limits: int
    ) -> None:
        self.limits = CountingLimits(**limits)
        self.tokens = Tokens()
        self.observed = Observed()
        options = ApplicationOptions(version="1", gate=gate or GateOptions(), cors_origins=("https://game.test",))
        access = Access(self.tokens, self.limits, SystemClock())
        litestar = build_litestar(ROUTES, database, access, {"note": "long "}, options)
        application = build_application(litestar, options, observer or self.observed)
        super().__init__(transport=httpx.ASGITransport(application), base_url="http://agon.test")


def signed_in(account: uuid.UUID | None = None, *, key: str | None = None, admin: bool = False) -> dict[str, str]:
    headers = {"authorization": f"Bearer {'admin-' if admin else ''}{account or uuid.uuid4()}"}
    return headers | ({"idempotency-key": key} if key else {})


async def made(database: Database, name: str) -> int:
    return await database.fetch(lambda tx: tx.one(COUNT, f"sample:{name}"))


async def at_once(*calls: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*calls))
