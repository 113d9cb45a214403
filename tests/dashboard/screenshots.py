"""The pictures of the docs: `scripts/screenshots` starts a demo and takes screenshots of it in a real browser."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.dashboard.browsing import chromium, opened
from tests.service import free_port

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOWCASE = "/dashboard/accounts/team-northwind"
DESK, PHONE = (1_280, 900), (390, 844)
_LINK = re.compile(r"^(Portal|Operator) link .*?: (\S+)$", re.MULTILINE)
_PATIENCE = 300
"""Seconds until the demo serves."""


@contextmanager
def demo() -> Iterator[tuple[str, dict[str, str], Path]]:
    """A demo without traffic: its address, its links by the kind of their user, and its data directory."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="credit-ledger-pictures-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
        environment |= {"CREDIT_LEDGER_DATA_DIR": folder, "CREDIT_LEDGER_PORT": str(port)}
        environment |= {"CREDIT_LEDGER_CREDIT_PRICE": "0.01", "CREDIT_LEDGER_CURRENCY": "EUR"}
        environment |= {"CREDIT_LEDGER_BILLING_URL": "https://product.example/billing"}
        log = Path(folder) / "demo.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "api.cli", "demo", "--still"]
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield f"http://127.0.0.1:{port}", _links(process, log), Path(folder) / "demo"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _links(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, str]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        found = re.findall(r"^(Portal|Operator) link .*?: (\S+)$", log.read_text(), re.MULTILINE)
        if len(found) == 2:  # both are printed once the demo listens
            return {kind.lower(): url for kind, url in found}
        time.sleep(0.2)
    raise SystemExit(f"the demo does not serve:\n{log.read_text()}")


def take_statement(browser: Browser, data_dir: Path) -> None:
    """Take a picture of the page of a statement of the last days."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_LEDGER_")}
    environment |= {"CREDIT_LEDGER_DATA_DIR": str(data_dir)}
    page_file = data_dir.parent / "statement.html"
    since = (datetime.now(UTC) - timedelta(days=9)).date().isoformat()
    command = [sys.executable, "-m", "api.cli", "statement", "iris-valdez", "--from", since]
    files = ["--out", str(page_file.with_suffix(".json")), "--html", str(page_file)]
    subprocess.run([*command, *files], env=environment, check=True)
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", viewport=_size(DESK))
    page = context.new_page()
    page.goto(page_file.as_uri(), wait_until="load")
    page.screenshot(path=IMAGES / "statement.png")
    print("docs/images/statement.png")
    context.close()


def take(browser: Browser, base: str, link: str, pictures: dict[str, tuple[str, tuple[int, int], str]]) -> None:
    """Open a link, and take pictures of pages. Each has a name, a path, a window size and a theme."""
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", viewport=_size(DESK))
    page = context.new_page()
    page.goto(link)
    for name, (path, size, scheme) in pictures.items():
        page.set_viewport_size(_size(size))
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(f"{base}{path}", wait_until="load")
        page.get_by_text("Europe/Berlin").or_(page.locator("h1")).first.wait_for()
        page.screenshot(path=IMAGES / f"{name}.png")
        print(f"docs/images/{name}.png")
    context.close()


def _size(size: tuple[int, int]) -> Any:
    return {"width": size[0], "height": size[1]}


def main() -> None:
    """Take all pictures again."""
    program = chromium()
    if program is None:
        raise SystemExit("chromium is needed; CREDIT_LEDGER_TEST_CHROMIUM may name one")
    with demo() as (base, links, data_dir), opened(program) as browser:
        own = {
            "overview": (SHOWCASE, DESK, "light"),
            "overview-dark": (SHOWCASE, DESK, "dark"),
            "overview-phone": (SHOWCASE, PHONE, "light"),
            "usage": (f"{SHOWCASE}/usage", DESK, "light"),
            "limits": (f"{SHOWCASE}/limits", DESK, "light"),
            "billing": (f"{SHOWCASE}/billing", DESK, "light"),
            "plans": (f"{SHOWCASE}/plans", DESK, "light"),
        }
        take(browser, base, links["portal"], own)
        others = {
            "operator-events": (f"{SHOWCASE}/events", DESK, "light"),
            "statistics": ("/dashboard/statistics", DESK, "light"),
        }
        take(browser, base, links["operator"], others)
        take_statement(browser, data_dir)


if __name__ == "__main__":
    main()
