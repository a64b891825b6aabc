"""The API's own description: for programs as OpenAPI, for people as pages."""

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from agon.platform.http.conditional import conditional
from agon.platform.http.documentation.site import Documentation, Served, Site
from agon.platform.http.edge import Answer
from agon.platform.http.errors import NotFound
from agon.platform.http.operations import Injected, route
from agon.platform.http.permissions import ANYONE

_YEAR = 365 * 24 * 3600
Reading = Request[Any, Any, Any]


@route(
    "GET",
    "/api/openapi.json",
    operation="documentation.openapi",
    summary="The description of this API",
    permission=ANYONE,
    limits=("public",),
    answer_example={"openapi": "3.1.0", "info": {"title": "Agon", "version": "0.1.0"}, "paths": {}},
)
async def openapi(request: Reading, documentation: Injected[Documentation]) -> Answer[bytes]:
    """OpenAPI 3.1 with every operation: its types, examples, error codes, permission and limits."""
    served = _site(request, documentation).openapi
    return conditional(request, served.body, media_type=served.media_type, tag=served.tag)


@route(
    "GET",
    "/docs",
    operation="documentation.overview",
    summary="How to use the API, and all that it can do",
    permission=ANYONE,
    limits=("public",),
    include_in_schema=False,
    media_type="text/html",
)
async def overview(request: Reading, documentation: Injected[Documentation]) -> Answer[bytes]:
    return _page(request, _site(request, documentation).overview)


@route(
    "GET",
    "/docs/errors",
    operation="documentation.errors",
    summary="Every error code",
    permission=ANYONE,
    limits=("public",),
    include_in_schema=False,
    media_type="text/html",
)
async def errors(request: Reading, documentation: Injected[Documentation]) -> Answer[bytes]:
    return _page(request, _site(request, documentation).errors)


@route(
    "GET",
    "/docs/api/{area:str}",
    operation="documentation.area",
    summary="The operations of one area",
    permission=ANYONE,
    limits=("public",),
    errors=(NotFound,),
    include_in_schema=False,
    media_type="text/html",
)
async def area(area: FromPath[str], request: Reading, documentation: Injected[Documentation]) -> Answer[bytes]:
    page = _site(request, documentation).areas.get(area)
    if page is None:
        raise NotFound
    return _page(request, page)


@route(
    "GET",
    "/docs/assets/{name:str}",
    operation="documentation.asset",
    summary="What the pages look like",
    permission=ANYONE,
    limits=("public",),
    errors=(NotFound,),
    include_in_schema=False,
    media_type="text/plain",
)
async def asset(name: FromPath[str], request: Reading, documentation: Injected[Documentation]) -> Answer[bytes]:
    assets = _site(request, documentation).assets
    if name in assets:
        return conditional(
            request, assets[name].body, media_type=assets[name].media_type, tag=assets[name].tag, max_age=_YEAR
        )
    # The name on a page of another version, met while versions change: today's asset is better than none.
    stem, suffix = name.partition(".")[0], name.rpartition(".")[2]
    for known, served in assets.items():
        if known.startswith(f"{stem}.") and known.endswith(f".{suffix}"):
            return conditional(request, served.body, media_type=served.media_type, tag=served.tag, max_age=0)
    raise NotFound


ROUTES: list[HTTPRouteHandler] = [openapi, overview, errors, area, asset]
"""What composition adds to the application's routes, together with a part named `documentation`."""


def _site(request: Reading, documentation: Documentation) -> Site:
    return documentation.of(request.app)


def _page(request: Reading, served: Served) -> Answer[bytes]:
    return conditional(request, served.body, media_type=served.media_type, tag=served.tag)
