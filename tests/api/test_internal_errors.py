"""Internal errors: 500 with a request id and the cause in the log, and never reported as a lost database."""

import logging
from collections.abc import AsyncIterator, Callable

import httpx
import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from jinja2 import BaseLoader, Environment, TemplateNotFound
from psycopg_pool import PoolTimeout

from api.app import create_app
from api.dashboard import rendering
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from ledger.postgres.errors import LOST
from tests.api.contract import check_problem
from tests.api.stage import refused
from tests.service import ADMIN_KEY

NO_DATABASE = "host=/nowhere dbname=none"


class Without(BaseLoader):
    """All templates except some, as after a damaged installation."""

    def __init__(self, loader: BaseLoader, *missing: str) -> None:
        self._loader = loader
        self._missing = missing

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        if template in self._missing:
            raise TemplateNotFound(template)
        return self._loader.get_source(environment, template)


@pytest.fixture
def app() -> FastAPI:
    """The service as it is, without a database: nothing here needs one."""
    front = create_app(load_settings(admin_key=ADMIN_KEY), NO_DATABASE)
    assert isinstance(front, HotPath)
    return front.app


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger") as found:
        yield found


def without_templates(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    templates = rendering.environment()
    assert templates.loader is not None
    monkeypatch.setattr(templates, "loader", Without(templates.loader, *missing))
    monkeypatch.setattr(templates, "cache", {})


def logged(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The log line of a failed request."""
    (record,) = [record for record in caplog.records if record.name == "credit_ledger.api"]
    assert record.levelname == "ERROR"
    return record


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file", "notes.txt"), TimeoutError(), PermissionError()]
)
async def test_an_error_of_a_file_is_an_internal_error(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, error: OSError
) -> None:
    async def reads_a_file() -> None:
        raise error

    app.add_api_route("/v1/notes", reads_a_file)
    answer = await client.get("/v1/notes")
    check_problem(answer)
    request_id = refused(answer, 500, "internal_error")["request_id"]
    assert answer.headers["x-request-id"] == request_id
    assert "notes.txt" not in answer.text  # what is wrong inside is for the log
    record = logged(caplog)
    assert request_id in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def test_each_failed_request_has_an_id_of_its_own(app: FastAPI, client: httpx.AsyncClient) -> None:
    async def fails() -> None:
        raise OSError

    app.add_api_route("/v1/fails", fails)
    ids = {(await client.get("/v1/fails")).json()["request_id"] for _ in range(3)}
    assert len(ids) == 3


async def test_a_missing_template_is_told_on_a_page(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_templates(monkeypatch, "sign_in.html")
    answer = await client.get("/dashboard/sign-in")
    assert answer.status_code == 500
    assert "An error occurred" in answer.text
    assert "database" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["x-request-id"] in logged(caplog).getMessage()


async def test_so_is_one_that_every_page_needs(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_templates(monkeypatch, "sign_in.html", "failed.html")
    answer = await client.get("/dashboard/sign-in")
    request_id = refused(answer, 500, "internal_error")["request_id"]
    records = [record for record in caplog.records if record.name == "credit_ledger.api"]
    assert request_id in records[-1].getMessage()


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("gone"), PoolTimeout("none is free"), psycopg.InterfaceError("closed")]
)
async def test_a_lost_connection_is_told_as_such(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, error: psycopg.Error
) -> None:
    async def asks() -> None:
        raise error

    app.add_api_route("/v1/asks", asks)
    answer = await client.get("/v1/asks")
    check_problem(answer)
    refused(answer, 503, "unavailable")
    assert [record for record in caplog.records if record.name == "credit_ledger.api"] == []


async def test_whatever_happens_to_a_socket_of_the_database_is_a_lost_connection() -> None:
    """psycopg makes one of it: that is why no OSError has to be taken for one."""
    for conninfo in (
        NO_DATABASE,
        "host=127.0.0.1 port=1",
        "host=name.invalid",
        "host=127.0.0.1 port=1 connect_timeout=2",
    ):
        with pytest.raises(LOST):
            await psycopg.AsyncConnection.connect(conninfo)
