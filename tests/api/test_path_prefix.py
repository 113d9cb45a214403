"""Below a path of its host the service answers as without one, whether a proxy passes the path on or takes it away."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.http.hot_path import HotPath
from api.http.path_prefix import AddPathPrefix, StripPathPrefix
from api.http.requests.encoded_slashes import SLASH
from api.runtime.settings import OWN_PATHS, load_settings
from tests.api.stage import Json
from tests.api.test_hot_path import GOOD, REQUESTS, asked, client
from tests.service import ADMIN_KEY

PREFIX = "/ledger/v1"
"""It ends as addresses of the service begin, which must not be taken for one of them."""
FORMS = {"passed on": PREFIX, "taken away": ""}


def prefixed(database: str) -> StripPathPrefix:
    """A client of the service below the prefix."""
    app = create_app(load_settings(admin_key=ADMIN_KEY, public_url=f"https://product.example{PREFIX}"), database)
    assert isinstance(app, StripPathPrefix)
    return app


def framework_behind(app: ASGIApp) -> ASGIApp:
    """The same without the way past the framework, which comes behind the authentication."""
    assert isinstance(app, StripPathPrefix)
    assert isinstance(app.app, HotPath)
    return StripPathPrefix(app.app.framework, PREFIX)


@pytest_asyncio.fixture
async def below(database: str) -> AsyncIterator[StripPathPrefix]:
    app = prefixed(database)
    assert isinstance(app.app, HotPath)
    async with app.app.app.router.lifespan_context(app.app.app):
        yield app


async def test_every_form_of_the_path_gives_the_same_answers(below: StripPathPrefix) -> None:
    answers: list[list[Json]] = []
    for account, before in {"framework": PREFIX, **FORMS}.items():
        async with client(framework_behind(below) if account == "framework" else below) as way:
            opened = await way.post(f"{before}/v1/accounts", json={"account_id": account}, headers=GOOD)
            assert opened.status_code == 201
            answers.append(
                [await asked(way, account, method, before + path, *more) for method, path, *more in REQUESTS.values()]
            )
    for name, *told in zip(REQUESTS, *answers, strict=True):
        assert told[0] == told[1] == told[2], name


class _Seen:
    """An application that records its requests."""

    def __init__(self) -> None:
        self.paths: list[tuple[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append((scope["root_path"], scope["path"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@pytest.mark.parametrize(
    ("asked_for", "path"),
    [
        ("/ledger/docs", "/ledger/docs"),
        ("/docs", "/ledger/docs"),
        ("/ledger", "/ledger"),
        ("/ledger/", "/ledger/"),
        ("/", "/ledger/"),
        ("/ledgers/x", "/ledger/ledgers/x"),
        ("/a%2Fb%20%C3%A9", f"/ledger/a{SLASH}b é"),
        ("/ledger%2Fdocs", f"/ledger/ledger{SLASH}docs"),
    ],
)
async def test_the_application_sees_what_its_caller_asked_for(asked_for: str, path: str) -> None:
    seen = _Seen()
    async with client(StripPathPrefix(AddPathPrefix(seen, "/ledger"), "/ledger")) as way:
        await way.get(asked_for)
    assert seen.paths == [("/ledger", path)]


@pytest.mark.parametrize("before", FORMS.values(), ids=FORMS)
async def test_deductions_and_batches_go_past_the_framework(below: StripPathPrefix, before: str) -> None:
    assert isinstance(below.app, HotPath)
    seen = _Seen()
    below.app.app = seen  # type: ignore[assignment]  # whoever comes to it was not led past
    async with client(below) as way:
        for path in ("/v1/accounts/ada/deductions", "/v1/batch"):
            assert (await way.post(before + path, json={}, headers=GOOD)).status_code in {404, 422}
    assert seen.paths == []


@pytest.mark.parametrize("before", FORMS.values(), ids=FORMS)
async def test_the_description_of_the_api_stays_below_the_path(before: str) -> None:
    async with client(prefixed("postgresql:///nowhere")) as way:
        document = (await way.get(f"{before}/openapi.json")).json()
        assert document["servers"] == [{"url": PREFIX}]
        page = (await way.get(f"{before}/docs")).text
        assert f"url: '{PREFIX}/openapi.json'" in page
        await _is_all_there(way, page, before)


async def _is_all_there(way: httpx.AsyncClient, page: str, before: str) -> None:
    """Whatever a page names begins with the path, and is found as the proxy asks for it."""
    named = set(re.findall(r"[\"'](/[^\"'/][^\"']*)[\"']", page))
    assert len(named) == 4
    for path in named:
        assert path.startswith(f"{PREFIX}/")
        found = await way.get(before + path.removeprefix(PREFIX))
        assert found.status_code == 200, path


async def test_without_a_path_nothing_is_added(database: str) -> None:
    front = create_app(load_settings(admin_key=ADMIN_KEY, public_url="https://product.example/"), database)
    assert isinstance(front, HotPath)
    async with client(front) as way:
        assert (await way.get("/openapi.json")).json()["servers"] == [{"url": "/"}]
        assert (await way.get("/dashboard")).headers["location"] == "/dashboard/"


def test_no_prefix_begins_as_the_services_own_addresses_do() -> None:
    front = create_app(load_settings(), "postgresql:///nowhere")
    assert isinstance(front, HotPath)
    own = set(front.app.openapi()["paths"]) | {getattr(route, "path", "/v1") for route in front.app.routes}
    assert {path.split("/")[1] for path in own} == OWN_PATHS
