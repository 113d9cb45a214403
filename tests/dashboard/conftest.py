"""The fixtures of the dashboard's tests: one browser, and visits that must report no errors."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browsing import DESK, Visit, launched
from tests.dashboard.guests import all_leave
from tests.postgres import TestServers
from tests.service import Service, service_here

NewVisit = Callable[..., Visit]
expect.set_options(timeout=30_000)  # a loaded machine takes its time


@pytest.fixture(autouse=True)
def _guests_leave() -> Iterator[None]:
    yield
    all_leave()


@pytest.fixture(scope="package")  # a service works although nobody asks it: it ends with its folder
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with only the accounts of this folder's tests, because operators see lists of all accounts."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("dashboard")) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for the folder, where no test has an event loop of its own: that of the driver is the thread's."""
    with launched() as found:
        yield found


@pytest.fixture
def new_visit(browser: Browser, service: Service) -> Iterator[NewVisit]:
    """Makes visits. At the end no page may have reported an error or requested anything from another host."""
    visits: list[Visit] = []

    def make(size: tuple[int, int] = DESK, **options: Any) -> Visit:
        given: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **given)
        zone = given["timezone_id"] if given.get("java_script_enabled", True) else None
        visits.append(Visit(service, context, zone))
        return visits[-1]

    yield make
    complaints = [said for visit in visits for said in visit.unexpected()]
    for visit in visits:
        visit.context.close()
    assert complaints == []


@pytest.fixture
def visit(new_visit: NewVisit) -> Visit:
    """One visit."""
    return new_visit()
