"""The site is whole: each page opens, each link leads somewhere, the search finds, and no third party is asked."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.contract import the_app
from tests.dashboard.browsing import DESK, PHONE, barriers_at, fits, launched, resize

ROOT = Path(__file__).parents[2]
FIRST = "docs/index.html"
OF_THE_GENERATOR = {"genindex.html", "search.html", "index.html"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scripts/docs builds. It fails for anything that the generator warns of."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([ROOT / "scripts" / "docs", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / FIRST}\n"
    assert done.stderr == ""
    return folder


class _Links(HTMLParser):
    """What a page has: the anchors in it, the addresses that it leads to, and those that it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.leads: set[str] = set()
        self.loads: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.anchors.add(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.leads.add(str(given["href"]))
        elif given.get("href") or given.get("src"):
            self.loads.add(str(given.get("href") or given.get("src")))


@cache
def read(page: Path) -> _Links:
    links = _Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_each_page_of_docs_is_there_and_in_the_menu(site: Path) -> None:
    wanted = {place.relative_to(ROOT).with_suffix(".html").as_posix() for place in (ROOT / "docs").rglob("*.md")}
    wanted |= {"README.html", "CHANGELOG.html"}
    built = {page.relative_to(site).as_posix() for page in pages(site)}
    assert sorted(wanted - built) == []
    menu = {
        (site / "docs" / urlsplit(link).path).resolve().relative_to(site).as_posix()
        for link in read(site / FIRST).leads
        if not urlsplit(link).scheme
    }
    decisions = {name for name in wanted if name.startswith("docs/adr/0")}
    assert sorted(wanted - decisions - menu - {FIRST}) == []
    listed = {f"docs/adr/{link}" for link in read(site / "docs" / "adr" / "README.html").leads}
    assert sorted(decisions - listed) == []


def test_no_link_is_dead(site: Path) -> None:
    dead = [
        f"{page.relative_to(site)}: {link}"
        for page in pages(site)
        for link in read(page).leads | read(page).loads
        if not _leads_somewhere(page, link)
    ]
    assert dead == []


def _leads_somewhere(page: Path, link: str) -> bool:
    address = urlsplit(link)
    if address.scheme in {"http", "https", "mailto"}:
        return True
    target = page if not address.path else (page.parent / unquote(address.path)).resolve()
    if not target.is_file():
        return False
    return target.suffix != ".html" or not address.fragment or unquote(address.fragment) in read(target).anchors


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    elsewhere = {load for page in pages(site) for load in read(page).loads if urlsplit(load).netloc}
    assert elsewhere == set()


def test_the_reference_has_every_route_and_type(site: Path) -> None:
    document = the_app().openapi()
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "docs" / "reference").glob("*.html"))
    routes = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    assert [route for route in routes if route not in text] == []
    anchors = read(site / "docs" / "reference" / "types.html").anchors
    assert [name for name in document["components"]["schemas"] if name.lower() not in anchors] == []


BUILD = """
import sys
from pathlib import Path
from website.building import build
build(*map(Path, sys.argv[1:]), {"paths": {}})
"""


class Folder(NamedTuple):
    """A small repository with pages."""

    root: Path

    def write(self, place: str, text: str) -> None:
        (self.root / place).parent.mkdir(parents=True, exist_ok=True)
        (self.root / place).write_text(text)


def test_a_dead_link_a_dead_anchor_and_a_page_in_no_list_end_the_build(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "repository")
    folder.write("docs/index.md", "# All\n\n## Begin\n\n- [One](one.md): a page.\n- [Decisions](adr/README.md)\n")
    folder.write("docs/one.md", "# One\n\n[gone](gone.md), and [nowhere](two.md#nowhere).\n")
    folder.write("docs/two.md", "# Two\n\nIt is in no list.\n")
    folder.write("docs/adr/README.md", "# Decisions\n")
    folder.write("docs/adr/0001-one.md", "# 1. One\n")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, folder.root, tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    for said in ("'gone.md'", "'nowhere'", "two.md: WARNING: document isn't included in any toctree"):
        assert said in done.stderr
    assert done.stderr.count("WARNING") == 3


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


def opened(browser: Browser, address: str, size: tuple[int, int]) -> tuple[Page, list[str]]:
    """A page in a window of that size, and the list that everything goes to which is wrong with it."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if _is_ours(request.url) else complaints.append(request.url))
    page.goto(address)
    return page, complaints


def _is_ours(address: str) -> bool:
    return urlsplit(address).scheme in {"file", "data", "blob"}


def test_pages_can_be_read_by_everybody(browser: Browser, site: Path) -> None:
    page, complaints = opened(browser, (site / "index.html").as_uri(), PHONE)
    expect(page).to_have_title("Credit ledger")
    for place in (FIRST, "docs/disputes.html", "docs/reference/streams.html"):
        page.goto((site / place).as_uri())
        for size in (DESK, PHONE):
            resize(page, size)
            assert fits(page), place
    assert barriers_at(page, PHONE, DESK) == ""
    page.close()
    assert complaints == []


def test_the_search_finds_without_a_server(browser: Browser, site: Path) -> None:
    page, complaints = opened(browser, (site / "docs" / "glossary.html").as_uri(), DESK)
    page.get_by_role("textbox", name="Search").fill("breakage")
    page.keyboard.press("Enter")
    found = page.locator("#search-results li a")
    expect(found.filter(has_text="Revenue").first).to_be_visible()
    found.filter(has_text="Revenue").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Revenue")
    page.close()
    assert complaints == []
