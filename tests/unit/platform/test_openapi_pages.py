"""The pages made from the description: complete, linked, escaped, small, and without anything to run."""

import gzip
import itertools
import re
import shlex
from contextlib import nullcontext
from html.parser import HTMLParser
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from agon.kernel.clock import SystemClock
from agon.kernel.errors import DomainError, Refusal
from agon.platform.http.access import Access
from agon.platform.http.application import ApplicationOptions, build_application, build_litestar
from agon.platform.http.documentation.catalogue import as_markdown, catalogue
from agon.platform.http.documentation.fields import members
from agon.platform.http.documentation.routes import ROUTES
from agon.platform.http.documentation.samples import coloured, curl
from agon.platform.http.documentation.site import Documentation, Site, build, prose, words
from agon.platform.http.gate import GateOptions
from agon.platform.http.openapi.describe import describe
from tests.unit.platform import openapi_sample as sample

BASE = "https://agon.test"
BUDGET = 60_000
"""Bytes of a compressed page."""


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return describe(sample.described(sample.ROUTES), sample.DECLARED)


@pytest.fixture(scope="module")
def site(description) -> Site:
    return build(description, BASE, {"writes": 1200}, sample.DECLARED)


def pages(site: Site) -> dict[str, str]:
    found = {"/docs": site.overview, "/docs/errors": site.errors}
    found |= {f"/docs/api/{name}": page for name, page in site.areas.items()}
    return {path: page.body.decode() for path, page in found.items()}


class Elements(HTMLParser):
    """Every element of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.found if attribute in attributes]


def test_every_link_leads_somewhere(site):
    """Also the `type` of every problem, which is the address of its code on the page of errors."""
    found = pages(site)
    anchors = {path: set(Elements(text).values("id")) for path, text in found.items()}
    known = {*found, "/api/openapi.json", *(f"/docs/assets/{name}" for name in site.assets)}
    links = 0
    for path, text in found.items():
        for link in Elements(text).values("href"):
            page, _, anchor = link.partition("#")
            assert (page or path) in known, f"{path} links to {link}"
            assert not anchor or anchor in anchors[page or path], f"{path} links to {link}"
            links += 1
    assert links > 60


def test_ids_are_unique(site):
    for text in pages(site).values():
        ids = Elements(text).values("id")
        assert len(ids) == len(set(ids))


def test_nothing_inline_and_nothing_from_elsewhere(site):
    """What the Content-Security-Policy would refuse is not there in the first place."""
    for text in pages(site).values():
        for tag, attributes in Elements(text).found:
            assert tag not in {"script", "style", "iframe", "object", "form"}
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("src", "href", "srcset", "action"):
                assert re.match(r"[/#]", attributes.get(name) or "/"), attributes


def test_headings_are_in_order(site):
    for text in pages(site).values():
        levels = [int(tag[1]) for tag, _ in Elements(text).found if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_an_operation_is_shown_with_all_that_it_declares(site):
    text = " ".join(Elements(pages(site)["/docs/api/things"]).text.split())
    for shown in (
        "Make a thing",
        "Makes it. From what is in stock.",
        "/api/v1/things/{thing_id}/buy",
        "signed in",
        "the admin role",
        "writes, 1,200 a minute per account",
        "reads, per account",
        "Idempotency-Key required",
        "In small letters.",
        "3 to 30 characters · matches ^[a-z]+$",
        "parts[].weight",
        "1 to 1,000 · default 1",
        "flat round",
        "THINGS_SOLD_OUT 409 There is none left.",
        "limit integer, in query",
        "How many.",
    ):
        assert shown in text, shown
    assert "Hidden" not in text


def test_the_catalogue_has_every_code(description):
    codes = {each.code: each for each in catalogue(sample.DECLARED, description)}
    described = set(description["components"]["examples"])
    assert set(codes) == described | set(sample.DECLARED)
    assert all(each.title and each.advice for each in codes.values())
    sold_out = codes["THINGS_SOLD_OUT"]
    assert (sold_out.status, sold_out.about, sold_out.operations) == (
        409,
        "Somebody else was quicker.",
        ("things.make",),
    )
    assert codes["THINGS_VALIDATION_ERROR"].status == 400
    assert codes["RATE_LIMITED"].operations == ()


def test_the_catalogue_is_a_page_of_the_reference_too():
    text = as_markdown(sample.DECLARED)
    for code in ("THINGS_SOLD_OUT", "INTERNAL_ERROR", "METHOD_NOT_ALLOWED"):
        assert text.count(f'<a id="{code}"></a>') == 1
    rows = [line for line in text.splitlines() if line.startswith("| <a")]
    assert len(rows) == len(catalogue(sample.DECLARED))
    assert all(line.count("|") == 5 for line in rows)


def test_text_is_never_markup():
    hostile = "<script>alert(1)</script> `<img src=x>`"
    assert words(hostile) == "&lt;script&gt;alert(1)&lt;/script&gt; <code>&lt;img src=x&gt;</code>"
    assert prose("a\n\n<b>") == "<p>a</p>\n<p>&lt;b&gt;</p>"
    assert coloured({'<i>"': "</pre>"}) == (
        '{\n  <span class="key">&#34;&lt;i&gt;\\&#34;&#34;</span>: <span class="text">&#34;&lt;/pre&gt;&#34;</span>\n}'
    )


def test_hostile_declarations_stay_text(description):
    hostile = "</title><script>alert(1)</script>"

    class Hostile(DomainError):
        code = "THINGS_HOSTILE"
        refusal = Refusal.CONFLICT
        title = hostile

    described = msgspec.json.decode(msgspec.json.encode(description).replace(b"Make a thing", hostile.encode()))
    built = build(described, BASE, {}, {**sample.DECLARED, Hostile.code: Hostile})
    for text in pages(built).values():
        assert "<script" not in text
    assert "&lt;script&gt;" in pages(built)["/docs/errors"]
    assert "&lt;script&gt;" in pages(built)["/docs/api/things"]


def test_calls_can_be_typed_as_they_stand(description):
    operation = description["paths"]["/api/v1/things"]["post"]
    hostile = {"name": 'it\'s $HOME `id` \\ "quoted"\n'}
    operation = {**operation, "requestBody": {"content": {"application/json": {"example": hostile}}}}
    typed = shlex.split(curl(BASE, "/api/v1/things", "post", operation))
    assert typed[:4] == ["curl", "-X", "POST", f"{BASE}/api/v1/things"]
    assert msgspec.json.decode(typed[typed.index("-d") + 1]) == hostile
    assert "Authorization: Bearer $TOKEN" in typed


def test_calls_fill_in_the_path_and_the_key(description):
    path = "/api/v1/things/{thing_id}/buy"
    typed = shlex.split(curl(BASE, path, "post", description["paths"][path]["post"]))
    assert re.fullmatch(BASE + r"/api/v1/things/[0-9a-f-]{36}/buy", typed[3])
    assert "Idempotency-Key: $(uuidgen)" in typed


def test_types_that_hold_themselves_come_to_an_end():
    itself = {"$ref": "#/components/schemas/Tree"}
    components = {"Tree": {"type": "object", "properties": {"branches": {"type": "array", "items": itself}}}}
    found = [each.path for each in members(itself, components)]
    assert found[:2] == ["branches", "branches[].branches"]
    assert len(found) < 10


def test_pages_of_large_areas_are_within_budget(description):
    """A hundred operations as large as the largest of the sample, in one area, each with words of its own."""
    largest = description["paths"]["/api/v1/things"]["post"]
    random = Random(1)

    def own_words(number: int) -> dict[str, Any]:
        words = " ".join(f"{random.getrandbits(28):x}" for _ in range(40))
        return {**largest, "operationId": f"things.make_{number}", "summary": words[:40], "description": words}

    many = {f"/api/v1/things/{number}": {"post": own_words(number)} for number in range(100)}
    built = build({**description, "paths": many}, BASE, {}, sample.DECLARED)
    for path, text in pages(built).items():
        assert len(gzip.compress(text.encode())) < BUDGET, path


class Unlimited:
    allowed, limit, remaining, reset_seconds = True, 200, 199, 1.0

    async def hit(self, category: str, key: str) -> "Unlimited":
        return self

    def client_key(self, address: str) -> str:
        return address


class Unobserved:
    def span(self, *_: Any) -> Any:
        return nullcontext()

    def finished(self, *_: Any) -> None:
        """Nobody looks."""


@pytest.fixture(scope="module")
def client() -> httpx.AsyncClient:
    """The documentation behind the whole edge, but for a database, which it does not need."""
    options = ApplicationOptions(version="1", gate=GateOptions())
    nothing: Any = None
    access = Access(nothing, Unlimited(), SystemClock())
    litestar = build_litestar(ROUTES, nothing, access, {"documentation": Documentation(BASE)}, options)
    application = build_application(litestar, options, Unobserved())
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=BASE)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/", "text/html; charset=utf-8"),
        ("/docs/errors", "text/html; charset=utf-8"),
        ("/docs/api/documentation", "text/html; charset=utf-8"),
    ],
)
async def test_pages_are_served_once_to_each_reader(client, path, kind):
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["cache-control"] == "public, max-age=60"
    again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get(path, headers={"if-none-match": 'W/"other"'})
    assert other.content == answer.content


async def test_the_served_description_describes_its_own_route(client):
    served = (await client.get("/api/openapi.json")).json()
    assert list(served["paths"]) == ["/api/openapi.json"]


async def test_assets_are_kept_for_a_year(client):
    page = Elements((await client.get("/docs")).text)
    (style,) = [each["href"] for tag, each in page.found if tag == "link" and each["rel"] == "stylesheet"]
    answer = await client.get(style)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000"
    assert b"prefers-color-scheme: dark" in answer.content
    old = await client.get(re.sub(r"docs\.\w+\.css", "docs.0123.css", style))
    assert (old.content, old.headers["cache-control"]) == (answer.content, "public, max-age=0")


@pytest.mark.parametrize(
    "path", ["/docs/api/nothing", "/docs/assets/other.css", "/docs/assets/site.py", "/docs/assets/..%2f..%2fsite.py"]
)
async def test_there_is_nothing_else(client, path):
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_assets_are_named_for_what_is_in_them(description, monkeypatch):
    before = build(description, BASE, {}, sample.DECLARED)
    monkeypatch.setattr("agon.platform.http.documentation.site._STYLES", ("tokens.css",))
    after = build(description, BASE, {}, sample.DECLARED)
    assert len(before.assets.keys() - after.assets.keys()) == 1
