"""The documentation in a browser: accessible in both schemes, narrow and wide, strict, and without script."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from agon.kernel.clock import SystemClock
from agon.platform.http.access import Access
from agon.platform.http.application import ApplicationOptions, build_application, build_litestar
from agon.platform.http.documentation.routes import ROUTES
from agon.platform.http.documentation.site import Documentation
from agon.platform.http.gate import GateOptions
from agon.roles.api import described
from agon.roles.http_server import HttpServer, listen

FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync
"""
CHROMIUM = os.environ.get("AGON_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
PAGES = ("/docs", "/docs/errors", "/docs/api/auth")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; AGON_TEST_CHROMIUM says where it is")


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


class Whole(Documentation):
    """The documentation of all of Agon, served without the rest of it."""

    def of(self, litestar: Any) -> Any:
        return super().of(described())


@pytest_asyncio.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    """The pages on a port of this machine, behind the real edge with its Content-Security-Policy."""
    options = ApplicationOptions(version="1", gate=GateOptions())
    nothing: Any = None
    documentation = Whole("https://agon.example", {"auth": 10, "writes": 120})
    access = Access(nothing, Unlimited(), SystemClock())
    litestar = build_litestar(ROUTES, nothing, access, {"documentation": documentation}, options)
    listening = listen("127.0.0.1", 0)
    server = HttpServer(build_application(litestar, options, Unobserved()), listening, drain_seconds=1)
    await server.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    await server.stop()


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield launched
        await launched.close()


class Watched:
    """What goes wrong in a page: messages of the console, refused or failed requests, requests to elsewhere."""

    def __init__(self, page: Page, address: str) -> None:
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: request.url.startswith(address) or self.complaints.append(request.url))
        page.on("response", lambda answer: answer.ok or self.complaints.append(f"{answer.status}: {answer.url}"))


async def opened(browser: Browser, **options: Any) -> Page:
    return await (await browser.new_context(**options)).new_page()


async def open_all(page: Page) -> None:
    """Show what is folded away."""
    await page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


async def violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found.response["violations"]]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
async def test_pages_are_accessible(address, browser, scheme, width):
    page = await opened(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in PAGES:
        await page.goto(address + path)
        await open_all(page)
        assert await violations(page) == [], path
    await page.context.close()


@pytest.mark.parametrize("width", [360, 768, 1280])
async def test_pages_are_strict_and_fit(address, browser, width):
    """No message on the console, no request to elsewhere, nothing refused by the policy, no scrolling sideways."""
    page = await opened(browser, viewport={"width": width, "height": 900})
    watched = Watched(page, address)
    for path in PAGES:
        await page.goto(address + path)
        await open_all(page)
        assert await page.evaluate("document.documentElement.scrollWidth") == width, path
    assert watched.complaints == []
    await page.context.close()


async def test_what_these_tests_look_for_is_found(address, browser):
    page = await opened(browser)
    watched = Watched(page, address)
    await page.goto(f"{address}/docs")
    await page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    assert any(each.startswith("color-contrast") for each in await violations(page))
    await page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.test/pixel.png'}))")
    await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
    await page.wait_for_timeout(200)
    assert any("elsewhere.test" in each and "Content Security Policy" in each for each in watched.complaints)
    assert any("inline style" in each for each in watched.complaints)
    await page.context.close()


async def test_both_schemes_are_there(address, browser):
    seen = set()
    for scheme in ("light", "dark"):
        page = await opened(browser, color_scheme=scheme)
        await page.goto(f"{address}/docs")
        seen.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        await page.context.close()
    assert len(seen) == 2


async def test_the_keyboard_is_enough(address, browser):
    page = await opened(browser, viewport={"width": 360, "height": 700})
    await page.goto(f"{address}/docs/api/auth")
    await page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert await skip.inner_text() == "Skip to the content"
    assert (await skip.bounding_box() or {})["y"] >= 0
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(400):
        await page.keyboard.press("Tab")
        tag = await page.evaluate("document.activeElement.tagName")
        if tag == "BODY":
            break
        reached.add(tag)
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", tag
    assert {"A", "PRE", "SUMMARY"} <= reached
    await page.context.close()


async def test_it_is_read_and_walked_without_script(address, browser):
    page = await opened(browser, java_script_enabled=False, viewport={"width": 1280, "height": 800})
    await page.goto(f"{address}/docs")
    await page.locator("main a[href='/docs/api/auth#auth.login']").click()
    section = page.locator("[id='auth.login']")
    heading = section.locator("h2")
    bar = await page.locator(".bar").bounding_box() or {}
    assert (await heading.bounding_box() or {})["y"] >= bar["y"] + bar["height"]
    await section.locator("a.code", has_text="AUTH_INVALID_CREDENTIALS").click()
    assert page.url.endswith("/docs/errors#AUTH_INVALID_CREDENTIALS")
    entry = page.locator("[id='AUTH_INVALID_CREDENTIALS']")
    box = await entry.bounding_box() or {}
    assert bar["height"] <= box["y"] < 800
    await page.context.close()


async def test_nothing_moves_while_it_loads(address, browser):
    page = await opened(browser)
    await page.goto(f"{address}/docs/api/auth")
    shift = await page.evaluate(
        """new Promise(done => { let sum = 0;
           new PerformanceObserver(list => { for (const each of list.getEntries()) sum += each.value })
             .observe({type: 'layout-shift', buffered: true});
           setTimeout(() => done(sum), 300); })"""
    )
    assert shift == 0
    await page.context.close()
