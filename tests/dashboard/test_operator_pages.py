"""The pages of operators: accounts, statistics and the state of the service. Their numbers are those of the API."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest

from api.dashboard.charts import Series, columns
from api.dashboard.charts.chart import Point
from api.dashboard.pages import service as service_page
from people.api_keys import create_key
from tests.api.stage import eventually
from tests.dashboard.acting import path_of
from tests.dashboard.guests import ROOT, operator, person
from tests.postgres import owner
from tests.service import Service

NAMES = ("accounts", "statistics", "service", "uncollected", "revenue", "disputes", "prices", "prices/what_if")
PAGES = [f"{ROOT}/{name}" for name in NAMES]
_numbers = count(1)


def told(text: str) -> str:
    """The text of a page, without its markup."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def opened(service: Service, count: int) -> tuple[str, list[str]]:
    """Accounts with a prefix of their own and growing balances, all of them visible."""
    prefix = f"page-{next(_numbers)}-"
    names = [f"{prefix}{n:03}" for n in range(count)]
    commands = [{"op": "open", "account_id": name, "signup_credits": n} for n, name in enumerate(names, 1)]
    results = service.post("/v1/batch", {"commands": commands}).json()["results"]
    service.get("/v1/accounts", prefix=prefix, min_position=results[-1]["position"])
    return prefix, names


def listed(page: httpx.Response) -> list[str]:
    """The accounts of a page, in their order."""
    return re.findall(r'<th scope="row" class="words"><a href="[^"]+"><bdi>([^<]+)</bdi>', page.text)


# Accounts -----------------------------------------------------------------------------------------------------------


def test_accounts_are_found_sorted_and_paged_as_the_api_has_them(service: Service) -> None:
    prefix, names = opened(service, 60)
    service.post(f"/v1/accounts/{names[7]}/freeze", key="f")
    grant = {"kind": "subscription", "amount": 9_000, "transaction_id": "t"}
    position = service.post(f"/v1/accounts/{names[7]}/grants", grant).json()["position"]
    service.get("/v1/accounts", min_position=position)
    client = operator(service)
    for sort in ("account_id", "balance", "activity"):
        answer = service.get("/v1/accounts", prefix=prefix, sort=sort, limit=100).json()["accounts"]
        first = client.get(PAGES[0], params={"prefix": prefix, "sort": sort})
        following = re.search(r'href="([^"]+)" rel="next"', first.text)
        assert following is not None
        second = client.get(unescape(following[1]))
        assert listed(first) + listed(second) == [one["account_id"] for one in answer]
        assert 'rel="next"' not in second.text
        assert "First page" in second.text
    found = client.get(PAGES[0], params={"prefix": names[7]})
    assert listed(found) == [names[7]]
    for words in (f'href="{path_of(names[7])}"', ">9,008<", ">9,000<", ">8<", "frozen", "in 29 days"):
        assert words in found.text
    assert client.get(f"{ROOT}/").url.path == PAGES[0]


def test_accounts_are_filtered_by_labels_and_standing(service: Service) -> None:
    prefix, names = opened(service, 60)
    for number, name in enumerate(names[:54]):
        labels = {"of": prefix, "kind": "a b" if number % 2 else "c"}
        position = service.post(f"/v1/accounts/{name}", {"labels": labels}, key="l").json()["position"]
    position = service.post(f"/v1/accounts/{names[3]}/freeze", key="f").json()["position"]
    service.get("/v1/accounts", min_position=position)
    client = operator(service)
    first = client.get(PAGES[0], params={"labels": f"of={prefix}"})
    assert listed(first) == names[:50]
    following = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert following is not None
    assert listed(client.get(f"{PAGES[0]}{unescape(following[1]).partition('accounts')[2]}")) == names[50:54]
    both = client.get(PAGES[0], params={"labels": f" of={prefix} , kind=a b", "sort": "balance"})
    assert listed(both) == names[1:54:2][::-1]
    frozen = client.get(PAGES[0], params={"labels": f"of={prefix}", "standing": "frozen"})
    assert listed(frozen) == [names[3]]
    assert "kind=a b" in told(frozen.text)
    nobody = client.get(PAGES[0], params={"labels": f"of={prefix}", "standing": "closed"})
    assert f"No account has the labels of={prefix} and the standing closed." in told(nobody.text)
    for wrong in ({"labels": "plan"}, {"labels": "a b=c"}, {"standing": "gone"}):
        assert client.get(PAGES[0], params=wrong).status_code == 422


def test_a_search_that_finds_nothing_says_so(service: Service) -> None:
    client = operator(service)
    page = client.get(PAGES[0], params={"prefix": "<b>nobody\u202e"})
    assert "No account id begins with" in page.text
    assert "<b>nobody" not in page.text
    for wrong in ({"prefix": "x" * 129}, {"prefix": "a\x00b"}, {"sort": "size"}, {"cursor": "AAAA"}):
        page = client.get(PAGES[0], params=wrong)
        assert page.status_code == 422
        assert f"{next(iter(wrong))} must be" in told(page.text)
        assert 'aria-label="Operator"' in page.text, "the menu leads on"


def test_uncollected_amounts_lead_to_what_left_them(service: Service) -> None:
    account, client = service.open_account(permanent=30), operator(service)
    short = {"amount": 50, "on_shortfall": "available"}
    taken = service.post(f"/v1/accounts/{account}/deductions", short, key="short").json()
    service.get("/v1/uncollected", min_position=taken["position"])
    page = client.get(PAGES[3])
    assert f"{account} 20 {taken['deduction_id']}" in told(page.text)
    events = path_of(account, "events")
    assert f'href="{events}?version={taken["version"]}#v{taken["version"]}"' in page.text
    path = f"/v1/accounts/{account}/deductions/{taken['deduction_id']}/reversals"
    waived = service.post(path, {}, key="waive").json()
    service.get("/v1/uncollected", min_position=waived["position"])
    assert account not in client.get(PAGES[3]).text
    assert f"{account} 0 {taken['deduction_id']}" in told(client.get(PAGES[3], params={"status": "all"}).text)


# Statistics ---------------------------------------------------------------------------------------------------------


def test_statistics_are_those_of_the_api(service: Service) -> None:
    before = _refused(service)
    account = service.open_account(subscription=700, permanent=300)
    service.post(f"/v1/accounts/{account}/deductions", {"amount": 10_000, "task_id": "b"})
    spent = service.post(f"/v1/accounts/{account}/deductions", {"amount": 123, "task_id": "a"})
    eventually(lambda: _refused(service) > before)  # refusals are written down every second
    client, today = operator(service), datetime.now(UTC).date()
    for chosen, days in (("7d", 7), ("30d", 30), ("90d", 90)):
        query = {"from": str(today - timedelta(days=days - 1)), "to": str(today), "tz": "UTC"}
        answer = service.get("/v1/statistics", **query, min_position=spent.json()["position"]).json()
        page = client.get(PAGES[1], params={"range": chosen, "tz": "UTC"})
        assert page.status_code == 200
        _has_the_numbers(told(page.text), answer)
        assert page.text.count('<tr><th scope="row">') >= 4 * days


def _refused(service: Service) -> int:
    today = datetime.now(UTC).date()
    query = {"from": str(today - timedelta(days=1)), "to": str(today), "tz": "UTC"}
    refusals: dict[str, int] = service.get("/v1/statistics", **query).json()["totals"]["refusals"]
    return refusals.get("insufficient_credits", 0)


def _has_the_numbers(text: str, answer: dict[str, Any]) -> None:
    totals = answer["totals"]
    assert f"Outstanding at the end {totals['outstanding']['total']:,}" in text
    for name, label in [("granted", "Granted"), ("spent", "Spent"), ("lapsed", "Lapsed"), ("voided", "Voided")]:
        assert f"{label} {totals[name]:,}" in text
    assert f"insufficient_credits {totals['refusals']['insufficient_credits']:,}" in text
    assert f"Deductions {totals['deductions']:,}" in text
    last = answer["days"][-1]["outstanding"]
    row = (last["subscription_credits"], last["permanent_credits"], last["total"])
    assert " ".join(f"{credits:,}" for credits in row) in text, "the last row of the table of what is outstanding"


def test_statistics_of_two_dates_in_a_zone(service: Service) -> None:
    client = operator(service)
    query = {"from": "2026-01-30", "to": "2026-02-02", "tz": "Pacific/Auckland"}
    page = client.get(PAGES[1], params=query)
    assert "days in Pacific/Auckland" in page.text or "As of" not in page.text
    for name in ("30 Jan 2026", "2 Feb 2026"):
        assert name in page.text
    assert "3 Feb 2026" not in page.text
    assert 'value="2026-01-30"' in page.text
    assert "range=7d&amp;" in page.text or "tz=Pacific%2FAuckland&amp;range=7d" in page.text
    for wrong, said in [
        ({"from": "2026-02-02", "to": "2026-01-01"}, "to must not be before"),
        ({"from": "soon"}, "from must be a date"),
        ({"from": "1990-01-01", "to": "2026-01-01"}, "at most 1100 days"),
        ({"tz": "Mars/Olympus"}, "tz must be a time zone"),
    ]:
        page = client.get(PAGES[1], params=wrong)
        assert page.status_code == 422
        assert said in told(page.text)


def test_what_is_outstanding_is_not_added_up_over_days() -> None:
    series = (Series("Subscription", "subscription"), Series("Permanent", "permanent"))
    points = [Point("1", "1 May", (10, 5)), Point("2", "2 May", (20, 7))]
    chart = columns("owed", "Owed", series, points, str, counts="levels")
    assert [key.value for key in chart.legend] == ["20", "7"]
    assert "At the end there are 27 credits." in chart.description
    assert "sum" not in chart.description
    assert chart.table.rows == (("1 May", "10", "5", "15"), ("2 May", "20", "7", "27"))


# Service ------------------------------------------------------------------------------------------------------------


def test_the_state_of_the_service_is_that_of_readyz(service: Service) -> None:
    client = operator(service)
    page = client.get(PAGES[2])
    ready = service.get("/readyz").json()
    text = told(page.text)
    assert "The service is ready." in text
    for name, state in ready["projections"].items():
        assert f"{name} " in text
        assert f"{state['position']:,}" in text
    assert f"{ready['checkpoints']['position']:,}" in text
    assert ready["role"]["current_user"] in text
    assert "the clocks of machine and database agree" in text
    assert "Waiting for commit 0" in text
    assert 'data-poll="10"' in page.text


def test_what_is_wrong_with_the_service_is_said(service: Service) -> None:
    account = service.open_account(permanent=1)
    client = operator(service)
    with psycopg.connect(owner(service.conninfo), autocommit=True) as connection:
        insert = "INSERT INTO projections.drift (account_id, projection, position, detail) VALUES (%s, 'usage', 1, 'x')"
        connection.execute(insert, (account,))
        page = client.get(PAGES[2])
        connection.execute("DELETE FROM projections.drift WHERE account_id = %s", (account,))
    assert f"usage of {account}" in told(page.text)
    assert f'href="{path_of(account)}"' in page.text


STOPPED = {"within_bounds": False, "position": 7, "behind": 3, "as_of": None, "stopped_at": 8, "rebuilding": True}
FINE = {"within_bounds": True, "position": 7, "behind": 0, "as_of": None, "stopped_at": None, "rebuilding": False}


@pytest.mark.parametrize(
    ("state", "called"),
    [
        (FINE, ("up to date", "good")),
        (FINE | {"behind": 2}, ("catching up", "")),
        (FINE | {"rebuilding": True}, ("being rebuilt", "warn")),
        (FINE | {"within_bounds": False}, ("too far behind", "bad")),
        (FINE | {"position": None}, ("not built", "bad")),
        (FINE | {"position": None, "rebuilding": True}, ("being built", "warn")),
        (STOPPED, ("stopped", "bad")),
    ],
)
def test_how_a_projection_stands_has_a_name(state: dict[str, object], called: tuple[str, str]) -> None:
    assert service_page.status_of(state) == called


# Who may ------------------------------------------------------------------------------------------------------------


def test_these_pages_are_for_operators(service: Service) -> None:
    holder = person(service, service.open_account())
    looker = operator(service, create_key(service.conninfo, "looks", ["ledger:read"]))
    for path in PAGES:
        assert holder.get(path).status_code == 404
        assert looker.get(path).status_code == 200
