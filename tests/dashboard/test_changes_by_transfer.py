"""Changes of a subscription at our own provider: what was foreseen is what is paid, and what comes."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.subscribed import wish
from tests.billing.changes.stripe_server import now_of
from tests.dashboard.acting import fields_of
from tests.dashboard.guests import ROOT, operator, person
from tests.dashboard.selling import checkout_of, credits, selling
from tests.postgres import TestServers
from tests.service import Service, wait_for


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that plays payments, and sells one plan more."""
    for running in selling(servers, tmp_path_factory.mktemp("changing"), manual="test"):
        price = {"price": "monthly", "interval": {"months": 1}, "amount_minor": 9_900, "currency": "EUR"}
        body = {"name": "Max", "credits": 12_000, "rank": 900, "prices": [price]}
        assert running.client.put("/v1/plans/max", json=body).status_code == 201
        yield running


def pay(client: httpx.Client, url: str) -> None:
    """Press Pay on the page of a checkout."""
    path = urlsplit(url).path
    answer = client.post(path, data={**fields_of(client.get(path)), "decision": "pay"})
    assert answer.status_code == 200, answer.text


def becomes(service: Service, account: str, plan: str) -> None:
    wait_for(lambda: plan_of(service, account) == plan)


def more_than(service: Service, account: str, had: int) -> None:
    wait_for(lambda: credits(service, account) > had)


def plan_of(service: Service, account: str) -> object:
    return (now_of(service, account) or {}).get("plan")


def test_an_upgrade_costs_and_gives_what_was_foreseen(service: Service) -> None:
    account = service.open_account(permanent=0)
    client = person(service, account)
    checkout_of(service, account, plan="free")
    wait_for(lambda: plan_of(service, account) == "free")
    had = credits(service, account)
    for plan in ("pro", "max"):
        foreseen = wish(service, account, "upgrade", {"plan": plan}, "?dry_run=true").json()
        asked = wish(service, account, "upgrade", {"plan": plan}).json()
        assert foreseen["effect"] == asked["effect"] == "checkout"
        assert plan_of(service, account) != plan, "nothing changes before it is paid"
        pay(client, asked["checkout_url"])
        becomes(service, account, plan)
        more_than(service, account, had)
        assert credits(service, account) - had == pytest.approx(foreseen["credits_now"], abs=3)
        position = service.get(f"/v1/accounts/{account}/balance").json()["position"]
        paid = service.get(f"/v1/accounts/{account}/payments", min_position=position).json()["payments"][0]
        assert paid["amount_minor"] == pytest.approx(foreseen["amount_now_minor"], abs=3)
        had = credits(service, account)

    ends = wish(service, account, "cancel").json()["cancel_at"]
    wait_for(lambda: (now_of(service, account) or {})["cancel_at"] is not None)
    assert (now_of(service, account) or {})["cancel_at"] == ends
    assert wish(service, account, "reactivate").status_code == 200
    wait_for(lambda: (now_of(service, account) or {})["cancel_at"] is None)
    assert wish(service, account, "downgrade", {"plan": "pro"}).json()["at"] == ends
    wait_for(lambda: (now_of(service, account) or {})["next_plan"] == "pro")
    portal = service.post(f"/v1/accounts/{account}/portal", {"return_url": "https://shop.example/"}).json()["url"]
    assert portal.startswith(service.url)
    assert client.get(urlsplit(portal).path).status_code == 200
    assert credits(service, account) == had


def test_a_refused_wish_says_the_way_out(service: Service) -> None:
    """Not with the words of the API, which name ids: with a button."""
    account = service.open_account(permanent=0)
    client = person(service, account)
    base = f"{ROOT}/accounts/{account}/subscription"

    def refused(path: str, status: int, sentence: str, way: str) -> None:
        answer = client.get(f"{base}/{path}")
        assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
        assert f'href="{ROOT}/accounts/{account}/{way}"' in answer.text

    refused("upgrade?plan=pro", 409, "no active plan", "plans")
    pay(client, checkout_of(service, account, plan="pro", price="monthly")["url"])
    becomes(service, account, "pro")
    refused("upgrade?plan=pro", 409, "the present plan already", "billing")
    refused("downgrade?plan=max", 409, "nobody has to wait for it", "subscription/upgrade?plan=max")
    refused("upgrade?plan=free", 422, "cannot be changed to this plan", "plans")
    refused("upgrade?plan=none", 404, "not offered", "plans")
    refused("reactivate", 409, "nothing to take back", "billing")
    form = client.get(f"{base}/upgrade?plan=max")
    wish(service, account, "cancel", {"reason": "too dear & <slow>"})
    wait_for(lambda: (now_of(service, account) or {})["cancel_at"] is not None)
    refused("upgrade?plan=max", 409, "It ends on", "subscription/reactivate")
    refused("cancel", 409, "It ends on", "subscription/reactivate")
    answer = client.post(f"{base}/upgrade", data=fields_of(form))
    assert (answer.status_code, "It ends on" in answer.text) == (409, True), "the form was shown before"
    plans = client.get(f"{ROOT}/accounts/{account}/plans").text
    assert plans.count("Reactivate it") == 1, "beside Max, to which it could be changed"


def test_operators_see_why_somebody_cancelled(service: Service) -> None:
    account = service.open_account(permanent=0)
    client = person(service, account)
    path = f"{ROOT}/accounts/{account}/billing"
    operating = operator(service)
    assert "Changes asked for" not in operating.get(path).text
    pay(client, checkout_of(service, account, plan="pro", price="monthly")["url"])
    becomes(service, account, "pro")
    wish(service, account, "upgrade", {"plan": "max"})
    wish(service, account, "cancel", {"reason": "too dear & <slow>"})
    shown = operating.get(path).text
    part = shown[shown.index("Changes asked for") :]
    assert "too dear &amp; &lt;slow&gt;" in part
    assert part.index("Cancellation") < part.index("Upgrade"), "the newest first"
    assert "Changes asked for" not in client.get(path).text, "the holder is not shown who asked for what"
