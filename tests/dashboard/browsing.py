"""A real browser: Debian's chromium, driven by Playwright. An error that a page reports fails its test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.dashboard.guests import ROOT, portal_link
from tests.service import ADMIN_KEY, Service

PHONE, DESK, WALL = (360, 740), (1_280, 900), (2_560, 1_440)
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--renderer-process-limit=1", "--in-process-gpu"),  # fewer processes to start
]


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

    def __init__(self, service: Service, context: BrowserContext) -> None:
        self.service = service
        self.context = context
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


def _found(page: Page, options: dict[str, Any]) -> str:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], "preload": False, **options}
    found = AxeResults(page.evaluate("options => axe.run(options)", options))
    return str(found.generate_report()) if found.violations_count else ""


def fits(page: Page) -> bool:
    """Whether no element is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
