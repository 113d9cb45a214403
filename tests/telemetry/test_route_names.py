"""Every route has its name in traces, and no path is told with its parameters."""

import re
from collections.abc import Iterator

import pytest

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from api.runtime.telemetry.route_names import NOWHERE, RouteNames


@pytest.fixture(scope="module")
def application() -> HotPath:
    app = create_app(load_settings(), "host=127.0.0.1")
    assert isinstance(app, HotPath)
    return app


def templates(application: HotPath) -> Iterator[str]:
    """The paths of the document, and some pages, which are not in it."""
    yield from application.app.openapi()["paths"]
    yield "/dashboard/portal/{token}"
    yield "/dashboard/accounts/{account_id}/payments/{payment_id}/receipt.pdf"
    yield "/dashboard/static/{digest}/{name}"


def test_every_route_is_found_by_its_paths(application: HotPath) -> None:
    quiet, open_ = (RouteNames(application.app.routes, accounts=accounts) for accounts in (False, True))
    found = list(templates(application))
    assert len(found) > 100
    for template in found:
        path = re.sub(r"\{\w+\}", "S3CRET", template).replace("/accounts/S3CRET", "/accounts/ada")
        assert quiet.find(path).template == template
        assert not {"S3CRET", "ada"} & set(quiet.find(path).told.split("/"))
        name = open_.find(path)
        assert "S3CRET" not in name.told
        assert name.account_id == ("ada" if "/accounts/{account_id}" in template else name.account_id)


@pytest.mark.parametrize("path", ["/nothing", "/v1/accounts//balance", "/v1/accounts/a/nothing", "/dashboardx"])
def test_an_address_that_does_not_exist_is_not_told(application: HotPath, path: str) -> None:
    names = RouteNames(application.app.routes, accounts=True)
    assert names.find(path) == NOWHERE
