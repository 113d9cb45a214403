"""A real browser: Debian's chromium, driven by Playwright. An error that a page reports fails its test.

A page costs a second of a processor and its tests share what they can: one browser, sessions that are begun without a
page (`enter`), and one load for all sizes of a window and both colour schemes (`barriers_at`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.dashboard.guests import ROOT, guest, operator, portal_link
from tests.service import ADMIN_KEY, Service

PHONE, DESK, WALL = (360, 740), (1_280, 900), (2_560, 1_440)
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--renderer-process-limit=1", "--in-process-gpu"),  # fewer processes to start
]

_READ_COLOURS_ONCE = """() => {
  const color = axe.commons.color.Color.prototype, read = color.parseString, known = new Map();
  color.parseString = function (text) {
    const found = known.get(text);
    if (found) [this.r, this.g, this.b, this.alpha] = found;
    else { read.call(this, text); known.set(text, [this.r, this.g, this.b, this.alpha]); }
    return this;
  };
}"""
"""Makes axe remember the colours that it has read: a page has few, and to read them again is a third of its work."""


def chromium() -> str | None:
    """The path of the browser: CREDIT_LEDGER_TEST_CHROMIUM, or from the PATH."""
    return os.environ.get("CREDIT_LEDGER_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser until the block ends. Skips the test if there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no chromium here: pages are not looked at in a real browser (see scripts/test)")
    with opened(program) as browser:
        yield browser


@contextmanager
def opened(program: str) -> Iterator[Browser]:
    """That browser until the block ends."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*_ARGUMENTS, *sandbox])
        yield browser
        browser.close()


class Visit:
    """One user with a browser window of their own, and the errors that its pages reported."""

    def __init__(self, service: Service, context: BrowserContext, zone: str | None) -> None:
        self.service = service
        self.context = context
        self.zone = zone
        """The time zone that the script of a page would tell the service; None without scripts."""
        self.complaints: list[str] = []
        self.expected: set[str] = set()
        """The errors that a test causes on purpose, as parts of their messages."""
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._asked)
        self.page = context.new_page()

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(f"{kind}: {text}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc not in {urlsplit(self.service.url).netloc, ""}:
            self.complaints.append(f"a third party was asked: {request.url}")

    def enter(self, account: str) -> None:
        """Be the holder of an account from now on, as after a portal link, and load no page."""
        client = guest(self.service)
        assert client.get(portal_link(self.service, account), follow_redirects=False).status_code == 303
        self._keep_cookies(client)

    def enter_as_operator(self, key: str = ADMIN_KEY) -> None:
        """Be an operator from now on, as after the sign-in page, and load no page."""
        self._keep_cookies(operator(self.service, key))

    def _keep_cookies(self, client: httpx.Client) -> None:
        """Have the cookies of a client, and the time zone that the first page would have told the service."""
        cookies = {cookie.name: cookie.value or "" for cookie in client.cookies.jar}
        cookies |= {"credit_ledger_zone": self.zone} if self.zone else {}
        host = str(urlsplit(self.service.url).hostname)
        self.context.add_cookies(
            [{"name": name, "value": value, "domain": host, "path": ROOT} for name, value in cookies.items()]
        )

    def open_portal_link(self, account: str, **fields: Any) -> Page:
        """Open a portal link."""
        self.page.goto(portal_link(self.service, account, **fields))
        return self.page

    def sign_in(self, key: str = ADMIN_KEY) -> Page:
        """Sign in as an operator."""
        self.page.goto(f"{self.service.url}{ROOT}/sign-in")
        self.page.get_by_text("Sign in as an operator").click()  # where people sign in, the form is behind this
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        return self.page

    def go(self, path: str) -> Page:
        """Go to a page of the dashboard."""
        self.page.goto(f"{self.service.url}{ROOT}{path}")
        return self.page

    def unexpected(self) -> list[str]:
        """The errors that the test did not expect."""
        return [said for said in self.complaints if not any(part in said for part in self.expected)]


def barriers(page: Page) -> str:
    """The accessibility problems that axe finds; an empty text if there are none."""
    return _found(page, {})


def barriers_in_light_and_dark(page: Page) -> str:
    """The accessibility problems in both colour schemes. Only the rules about colours are checked twice."""
    light = barriers(page)
    page.emulate_media(color_scheme="dark")
    dark = _found(page, {"runOnly": ["color-contrast", "link-in-text-block"]})
    page.emulate_media(color_scheme="light")
    return light + dark


def resize(page: Page, size: tuple[int, int]) -> None:
    """Give the window of a page another size."""
    page.set_viewport_size({"width": size[0], "height": size[1]})


def barriers_at(page: Page, *sizes: tuple[int, int]) -> str:
    """What keeps anybody out of a page in windows of these sizes: what axe finds in both colour schemes, and elements
    that are wider than the window. An empty text if there is nothing."""
    found = []
    for size in sizes:
        resize(page, size)
        found += [barriers_in_light_and_dark(page), "" if fits(page) else f"It is wider than {size[0]} pixels."]
    return "\n".join(filter(None, found))


def _found(page: Page, options: dict[str, Any]) -> str:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(_READ_COLOURS_ONCE)
    options = {"resultTypes": ["violations"], "preload": False, **options}
    found = AxeResults(page.evaluate("options => axe.run(options)", options))
    return str(found.generate_report()) if found.violations_count else ""


def fits(page: Page) -> bool:
    """Whether no element is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
