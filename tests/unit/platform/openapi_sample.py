"""Things that can be made, bought and read: a small API for the tests of its description."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from agon.kernel.errors import DomainError, Refusal
from agon.kernel.paging import Page
from agon.platform.http.conditional import conditional
from agon.platform.http.edge import Answer, Edge
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ADMIN, ANYONE, SIGNED_IN, VISITOR


class SoldOut(DomainError):
    """Somebody else was quicker."""

    code = "THINGS_SOLD_OUT"
    refusal = Refusal.CONFLICT
    title = "There is none left."


class TooManyLooks(DomainError):
    code = "THINGS_TOO_MANY_LOOKS"
    refusal = Refusal.LIMITED
    title = "One has to look away now and then."


class TokenBad(DomainError):
    code = "AUTH_TOKEN_BAD"
    refusal = Refusal.UNAUTHENTICATED
    title = "The token is bad."


DECLARED: dict[str, type[DomainError]] = {each.code: each for each in (SoldOut, TooManyLooks, TokenBad)}


class Colour(StrEnum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """What a thing is made of."""

    name: Annotated[str, Meta(min_length=1, max_length=20)]
    weight: Annotated[int, Meta(ge=1, le=1000)] = 1


class NewThing(msgspec.Struct, frozen=True):
    """What is made.

    With its parts.
    """

    name: Annotated[str, Meta(min_length=3, max_length=30, pattern="^[a-z]+$", description="In `small` letters.")]
    parts: Annotated[list[Part], Meta(min_length=1, max_length=4)]
    colour: Colour = Colour.RED
    shape: Literal["flat", "round"] = "flat"
    ready_at: datetime | None = None
    owner: uuid.UUID | None = None


class Thing(msgspec.Struct, frozen=True):
    """A thing as it is."""

    thing_id: uuid.UUID
    parts: list[Part]
    made_at: datetime
    looked_at: list[datetime]
    changed: dict[str, datetime]
    sold_at: datetime | None = None
    note: str | msgspec.UnsetType = msgspec.UNSET


class Slim(msgspec.Struct, frozen=True, omit_defaults=True):
    size: int
    width: int = 0


@route(
    "POST",
    "/api/v1/things",
    operation="things.make",
    summary="Make a thing",
    permission=SIGNED_IN,
    limits=("writes",),
    errors=(SoldOut,),
    example={"name": "chair", "parts": [{"name": "leg"}]},
)
async def make(data: JSONBody[NewThing], edge: Edge, stock: Injected[str]) -> Answer[Thing]:
    """Makes it.

    From what is `in stock`.
    """
    raise NotImplementedError


@route(
    "POST",
    "/api/v1/things/{thing_id:uuid}/buy",
    operation="things.buy",
    summary="Buy a thing",
    permission=SIGNED_IN,
    limits=("writes",),
    keyed=True,
)
async def buy(thing_id: FromPath[uuid.UUID], edge: Edge) -> Answer[Slim]:
    raise NotImplementedError


@route(
    "POST",
    "/api/v1/things/key",
    operation="things.key",
    summary="Take the key",
    permission=SIGNED_IN,
    limits=("writes",),
    secret=True,
    answer_example={"size": 7},
)
async def key(data: JSONBody[Part], edge: Edge) -> Answer[Slim]:
    raise NotImplementedError


@route(
    "GET",
    "/api/v1/things",
    operation="things.list",
    summary="List things",
    permission=VISITOR,
    limits=("reads",),
    limited_as=TooManyLooks,
)
async def list_things(
    edge: Edge,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
    cursor: FromQuery[str | None] = None,
    colour: FromQuery[Colour | None] = None,
    since: Annotated[int, QueryParameter(name="from", ge=1)] = 1,
) -> Answer[Page[Thing]]:
    raise NotImplementedError


@route(
    "DELETE",
    "/api/v1/things/{thing_id:uuid}",
    operation="things.drop",
    summary="Drop a thing",
    permission=ADMIN,
    limits=("writes",),
)
async def drop(thing_id: FromPath[uuid.UUID], edge: Edge) -> None:
    raise NotImplementedError


@route("GET", "/public", operation="things.public", summary="See all", permission=ANYONE, limits=("public",))
async def public(request: Request) -> Answer[bytes]:
    return conditional(request, b"{}")


@route(
    "GET",
    "/hidden",
    operation="things.hidden",
    summary="Hidden",
    permission=ANYONE,
    limits=(),
    include_in_schema=False,
)
async def hidden() -> Answer[bytes]:
    raise NotImplementedError


ROUTES = [make, buy, key, list_things, drop, public, hidden]


def described(routes: Sequence[HTTPRouteHandler]) -> Litestar:
    """An application of these routes, to be described and not called: nothing is behind its parts."""
    parts = {
        "edge": Provide(lambda: None, sync_to_thread=False),
        "stock": Provide(lambda: "full", sync_to_thread=False),
    }
    return Litestar(route_handlers=list(routes), dependencies=parts, openapi_config=None, logging_config=None)
