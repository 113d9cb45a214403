"""Front ends of products: which origins may ask /api, and where mailed links lead."""

from collections.abc import Iterator

import pytest

from api.runtime.people.hosts import page_in
from api.runtime.settings import load_settings
from people.errors import AccessRefused
from tests.postgres import TestServers
from tests.service import Service, service_here

OURS, LOCAL = "https://app.example.com", "http://localhost:3000"
STRANGERS = ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null", ""]
LOGIN = {"email": "ada@example.com", "password": "wrong"}


@pytest.fixture(scope="module")
def open_service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    server = servers.get("embedded")
    assert server is not None
    settings = {"CREDIT_LEDGER_REGISTRATION": "open", "CREDIT_LEDGER_ALLOWED_ORIGINS": f"{OURS}, {LOCAL}"}
    folder = tmp_path_factory.mktemp("origins")
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        yield running


def granted(service: Service, method: str, path: str, origin: str, **headers: str) -> dict[str, str]:
    """The headers for browsers in an answer."""
    answer = service.client.request(
        method,
        path,
        headers={"Origin": origin, "Authorization": "", **headers},
        json=LOGIN if method == "POST" else None,
    )
    assert answer.headers.get_list("vary", split_commas=True).count("origin") == int(path.startswith("/api/"))
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def test_named_origins_may_ask_and_read_what_they_are_answered(open_service: Service) -> None:
    for origin in (OURS, LOCAL):
        asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
        told = granted(open_service, "OPTIONS", "/api/user/email", origin, **asked)
        assert told["access-control-allow-origin"] == origin
        assert "PATCH" in told["access-control-allow-methods"]
        assert "authorization" in told["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in told
        for method, path in (("POST", "/api/auth/login"), ("GET", "/api/user/sessions"), ("GET", "/api/nothing")):
            told = granted(open_service, method, path, origin)
            assert told["access-control-allow-origin"] == origin, "of a refusal too"
            shown = set(told["access-control-expose-headers"].split(", "))
            assert {"retry-after", "content-disposition", "credit-ledger-version", "ratelimit"} <= shown


def test_nobody_else_may_and_nothing_else_is_shown(open_service: Service) -> None:
    for origin in STRANGERS:
        assert granted(open_service, "POST", "/api/auth/login", origin) == {}
        asked = {"Access-Control-Request-Method": "POST"}
        assert granted(open_service, "OPTIONS", "/api/auth/login", origin, **asked) == {}
    for path in ("/v1/accounts", "/healthz", "/dashboard/sign-in", "/openapi.json"):
        assert granted(open_service, "GET", path, OURS) == {}


def test_a_proxy_that_is_not_named_is_told_of_once(open_service: Service) -> None:
    """Whoever sends X-Forwarded-For is no proxy for that, and nothing of what they send is in the log."""
    for number in range(3):
        headers = {"X-Forwarded-For": f"203.0.113.{number}", "Authorization": ""}
        assert open_service.client.post("/api/auth/login", json=LOGIN, headers=headers).status_code == 401
    told = [line for line in open_service.log.read_text().splitlines() if "X-Forwarded-For" in line]
    assert len(told) <= 1, "the other tests of this process may have been told before"
    assert "203.0.113" not in open_service.log.read_text()


def test_mailed_links_lead_to_the_front_end_if_there_is_one() -> None:
    cases = {
        "http://127.0.0.1:8000/dashboard/verify/t": {},
        "https://credits.example/ledger/dashboard/verify/t": {"public_url": "https://credits.example/ledger/"},
        "https://app.example/account/verify/t": {"people_url": "https://app.example/account/", "host": "0.0.0.0"},
    }
    for link, settings in cases.items():
        assert page_in(load_settings(**settings))("verify/t") == link
    with pytest.raises(AccessRefused, match="CREDIT_LEDGER_PUBLIC_URL"):
        page_in(load_settings(host="0.0.0.0"))("verify/t")
