"""The HTTP side: which routes there are, and what they are given."""

from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from agon import __version__
from agon.domains.accounts import endpoints as accounts
from agon.platform.http.access import Access
from agon.platform.http.application import ApplicationOptions, build_application, build_litestar
from agon.platform.http.asgi import App
from agon.platform.http.documentation import routes as documentation
from agon.platform.http.documentation.site import Documentation
from agon.platform.http.gate import GateOptions
from agon.platform.http.service_routes import SERVICE_ROUTES
from agon.platform.observability.observers import HttpObserver
from agon.platform.settings.model import Settings
from agon.roles.site import Site
from agon.web import first_run


def routes() -> list[HTTPRouteHandler]:
    """Every route of Agon."""
    return [*SERVICE_ROUTES, *documentation.ROUTES, *accounts.ROUTES, *first_run.ROUTES]


def build_api(site: Site) -> App:
    """The whole HTTP application of a site."""
    settings = site.settings
    observer = HttpObserver(slow_seconds=settings.http.slow_request_ms / 1000)
    return build_application(routed(site), application_options(settings, site.version), observer)


def routed(site: Site) -> Litestar:
    """The routed part of the application, which describes itself."""
    access = Access(site.accounts.authenticator, site.limits, site.clock)
    token = site.settings.http.metrics_token
    pages = Documentation(site.settings.base_url, site.settings.limits.model_dump())
    parts = {
        "accounts": site.accounts,
        "documentation": pages,
        "health": site.health,
        "metrics_token": None if token is None else token.get_secret_value(),
    }
    made = build_litestar(routes(), site.database, access, parts, application_options(site.settings, site.version))
    pages.of(made)  # now rather than for the first reader
    return made


def described() -> Litestar:
    """The routes alone, for describing them: nothing behind them is there to be called."""
    nothing: Any = None
    parts: dict[str, Any] = dict.fromkeys(("accounts", "documentation", "health", "metrics_token"))
    options = ApplicationOptions(version=__version__, gate=GateOptions())
    return build_litestar(routes(), nothing, Access(nothing, nothing, nothing), parts, options)


def application_options(settings: Settings, version: str) -> ApplicationOptions:
    """What the application is told by the settings."""
    http = settings.http
    gate = GateOptions(
        trusted_proxies=tuple(str(network) for network in http.trusted_proxies),
        allowed_hosts=tuple(http.allowed_hosts),
        https_base=settings.base_url if settings.production else None,
        hsts=http.hsts,
        frame_ancestors=tuple(http.frame_ancestors),
        image_origins=() if http.storage_origin is None else (http.storage_origin,),
    )
    return ApplicationOptions(
        version=version, gate=gate, cors_origins=tuple(http.cors_origins), body_limit=http.body_limit_bytes
    )
