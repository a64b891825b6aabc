"""The site: every page and asset, made once for an application and kept as bytes."""

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Litestar
from markupsafe import Markup, escape

from agon.kernel.errors import ERRORS, DomainError
from agon.platform.http.conditional import entity_tag
from agon.platform.http.documentation.catalogue import Entry, catalogue
from agon.platform.http.documentation.samples import coloured
from agon.platform.http.documentation.views import AreaView, areas
from agon.platform.http.openapi.describe import Description, describe

_PACKAGE = "agon.platform.http.documentation"
_STYLES = ("tokens.css", "page.css", "text.css", "reference.css")
_CODE = re.compile(r"`([^`]+)`")
HTML = "text/html; charset=utf-8"
CSS = "text/css; charset=utf-8"
SVG = "image/svg+xml"


class Served(msgspec.Struct, frozen=True):
    """A page or an asset as it is sent."""

    body: bytes
    media_type: str
    tag: str


class Site(msgspec.Struct, frozen=True):
    """Everything that is served; assets by their names, which change with what is in them."""

    openapi: Served
    overview: Served
    errors: Served
    areas: Mapping[str, Served]
    assets: Mapping[str, Served]


class Documentation:
    """The documentation of an application; one part of the composition, given to the routes as `documentation`."""

    def __init__(self, base_url: str, limits: Mapping[str, int] | None = None) -> None:
        """Say what belongs to this installation.

        Args:
            base_url: its public address, without a slash at the end; examples call it.
            limits: requests a minute by category of limits; left out, the pages name the categories only.
        """
        self._base_url = base_url
        self._limits = limits or {}
        self._site: Site | None = None

    def of(self, litestar: Litestar) -> Site:
        """The site of the application, made at the first call; call it at start to spare the first reader the wait."""
        if self._site is None:
            self._site = build(describe(litestar), self._base_url, self._limits)
        return self._site


def build(
    description: Description,
    base_url: str,
    limits: Mapping[str, int],
    declared: Mapping[str, type[DomainError]] = ERRORS,
) -> Site:
    """Make every page of a description."""
    assets = _assets()
    views = areas(description, base_url, limits)
    entries = catalogue(declared, description)
    environment = _environment()
    common = {
        "areas": views,
        "version": description["info"]["version"],
        "base_url": base_url,
        "style": next(name for name in assets if name.startswith("docs.")),
        "mark": next(name for name in assets if name.startswith("mark.")),
    }

    def page(template: str, **values: Any) -> Served:
        return _served(environment.get_template(template).render(common, **values).encode(), HTML)

    return Site(
        openapi=_served(msgspec.json.encode(description), "application/json"),
        overview=page("overview.html.jinja", current="overview", limits=limits, problem=_problem(description)),
        errors=page("errors.html.jinja", current="errors", groups=_grouped(entries, views)),
        areas={view.name: page("area.html.jinja", current=view.name, area=view) for view in views},
        assets=assets,
    )


def _problem(description: Description) -> Markup:
    """What a refusal looks like, with the fields that are wrong."""
    examples = description["components"]["examples"]
    malformed = (each for each in examples.values() if "errors" in each["value"])
    return coloured(next(malformed, examples["NOT_FOUND"])["value"])


def _served(body: bytes, media_type: str) -> Served:
    return Served(body, media_type, entity_tag(body))


def _assets() -> dict[str, Served]:
    folder = files(_PACKAGE) / "assets"
    styles = "\n".join((folder / name).read_text(encoding="utf-8") for name in _STYLES)
    assets = {"docs.css": _served(styles.encode(), CSS), "mark.svg": _served((folder / "mark.svg").read_bytes(), SVG)}
    return {_with_hash(name, asset.body): asset for name, asset in assets.items()}


def _with_hash(name: str, body: bytes) -> str:
    stem, _, suffix = name.partition(".")
    return f"{stem}.{hashlib.blake2b(body, digest_size=6).hexdigest()}.{suffix}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["prose"] = prose
    environment.filters["words"] = words
    return environment


def words(text: str) -> Markup:
    """One line of text, with what stands between backticks as code."""
    parts = _CODE.split(text)  # every second one stood between backticks
    marked = [Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)]
    return Markup("").join(marked)


def prose(text: str) -> Markup:
    """A docstring as paragraphs."""
    return Markup("\n").join(Markup("<p>{}</p>").format(words(each)) for each in text.split("\n\n") if each.strip())


def _grouped(entries: list[Entry], views: list[AreaView]) -> list[tuple[str, list[Entry]]]:
    """The entries of each area of the API, and before them those of no area."""
    names = {view.name.upper(): view.name for view in views}
    groups: dict[str, list[Entry]] = {"": []}
    for entry in entries:
        groups.setdefault(names.get(entry.area, ""), []).append(entry)
    return list(groups.items())
