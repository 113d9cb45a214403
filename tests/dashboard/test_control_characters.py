"""Control characters, and bytes that are no text, in whatever a page of billing reads: a clear answer, never 500."""

from collections.abc import Iterator
from random import SystemRandom

import httpx
import pytest

from api.contract.scopes import PAGES
from tests.dashboard.guests import ROOT, operator, token_in
from tests.dashboard.selling import checkout_of, selling
from tests.long_form import times
from tests.postgres import TestServers
from tests.service import Service

BAD = ("%00", "a%00b", "%01", "%1B", "%7F", "a%C2%85b", "%ED%A0%80", "%FF")
_chance = SystemRandom()
FORMS = {
    "plans": ("kind", "id", "price", "key"),
    "checkout/{checkout_id}": ("decision",),
    "subscription/upgrade": ("plan", "price", "subscription", "key", "quantity"),
    "subscription/downgrade": ("plan", "price", "subscription", "key", "quantity"),
    "subscription/cancel": ("subscription", "key", "when", "reason"),
    "subscription/reactivate": ("subscription", "key"),
    "subscription/portal": ("subscription", "key"),
    "/transfers": ("checkout_id", "amount", "date", "confirmed"),
    "keys": ("key_id", "decision", "name", "ends"),
    "/keys": ("key_id",),
    "/webhooks": ("webhook_id", "decision", "account_id", "reason"),
}
"""The fields of the forms of billing; those that begin with a slash are of no account."""
GOOD = {"kind": "package", "id": "pack", "price": "once", "key": "k", "decision": "pay", "plan": "pro", "when": "now"}
QUERIES = (
    *("reference", "received", "after", "before", "show", "state", "plan", "price", "subscription", "month", "q"),
    "version",
)


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in the test mode, whose pages have most forms."""
    yield from selling(servers, tmp_path_factory.mktemp("control"), manual="test")


def bad_for() -> list[str]:
    """What one field or parameter is tried with: three of them, other ones each time; in the long form all."""
    return _chance.sample(BAD, times(3, len(BAD)))


def _is_clear(answer: httpx.Response, *about: str) -> None:
    assert 400 <= answer.status_code < 500, (*about, answer.status_code)


def test_no_id_in_a_path_breaks_a_page(service: Service) -> None:
    account, clerk = service.open_account(), operator(service)
    token = token_in(clerk.get(f"{ROOT}/accounts/{account}/plans"))
    for name in PAGES:
        method, path = name.split()
        names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        for wanted, bad in ((one, bad) for one in names for bad in bad_for()):
            filled = {one: bad if one == wanted else account if one == "account_id" else "x" for one in names}
            there = ROOT + path.format(**filled)
            answer = clerk.request(method, there, data={"csrf": token} if method == "POST" else None)
            _is_clear(answer, name, wanted, bad)


def test_no_field_of_a_form_breaks_a_page(service: Service) -> None:
    account, clerk = service.open_account(), operator(service)
    made = checkout_of(service, account, package="pack")
    token = token_in(clerk.get(f"{ROOT}/accounts/{account}/plans"))
    for form, fields in FORMS.items():
        place = form if form.startswith("/") else f"/accounts/{account}/{form}"
        for field, bad in ((one, bad) for one in fields for bad in bad_for()):
            told = {one: GOOD.get(one, made["checkout_id"]) for one in fields if one != field}
            body = "&".join([f"csrf={token}", f"{field}={bad}", *(f"{name}={text}" for name, text in told.items())])
            headers = {"content-type": "application/x-www-form-urlencoded"}
            there = ROOT + place.format(checkout_id=made["checkout_id"])
            _is_clear(clerk.post(there, content=body, headers=headers), form, field, bad)
    assert service.get(f"/v1/checkouts/{made['checkout_id']}").json()["state"] == "open"


def test_no_query_breaks_a_page(service: Service) -> None:
    account, clerk = service.open_account(), operator(service)
    pages = ("/transfers", "/webhooks", "/revenue", "/disputes", "/prices", "/prices/what_if", "/catalog", "/keys")
    of_account = ("plans", "prices", "keys", "billing", "subscription/upgrade", "subscription/cancel")
    for page in (*pages, "/accounts", *(f"/accounts/{account}/{one}" for one in of_account)):
        for name, bad in ((one, bad) for one in QUERIES for bad in bad_for()):
            status = clerk.get(f"{ROOT}{page}?{name}={bad}").status_code
            assert status < 500, (page, name, bad)
