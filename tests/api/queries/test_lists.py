"""Lists: grants, holds and payments with every status and page size, and accounts in every order."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.api.conftest import under_contract
from tests.api.queries.year import ACCOUNTS, BUSY, IDLE, Year
from tests.api.stage import Ask, Json, balance, eventually, fresh, payment, refused, staged
from tests.postgres import TestServers, owner
from tests.service import Service, service_here

PLACES = ["remaining", "held", "spent", "lapsed", "voided", "sent"]
STATUSES = {
    "grants": ["open", "spent", "expired", "voided", "sent"],
    "holds": ["open", "captured", "released", "expired"],
    "payments": ["paid", "failed", "refunded"],
}
_numbers = count(1)


def listed(service: Service, account: str, noun: str, **asked: Any) -> list[Json]:
    """A whole list, page by page."""
    path = f"/v1/accounts/{quote(account)}/{noun}" if noun != "accounts" else "/v1/accounts"
    found: list[Json] = []
    while True:
        response = service.get(path, **asked)
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page[noun]) <= asked.get("limit", 50)
        found += page[noun]
        if page["next_cursor"] is None:
            return found
        assert len(page[noun]) == asked.get("limit", 50)
        asked["cursor"] = page["next_cursor"]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def done(answer: Any) -> Json:
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


# Grants, holds and payments of a year -----------------------------------------------------------------------------


@pytest.mark.parametrize("noun", STATUSES)
@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_every_status_is_a_part_of_the_whole_list(year: Year, noun: str, limit: int) -> None:
    whole = listed(year.service, BUSY, noun, limit=1_000)
    assert len(whole) > 20
    for status in STATUSES[noun]:
        found = listed(year.service, BUSY, noun, limit=limit, status=status)
        assert found == [row for row in whole if row["status"] == status]
    if limit > 1:
        assert listed(year.service, BUSY, noun, limit=limit) == whole


def test_grants_are_those_of_the_events_newest_first(year: Year) -> None:
    for account in ACCOUNTS:
        granted = [event for event in reversed(year.events[account]) if event["type"] == "CreditsGranted"]
        changed = [event["data"] for event in year.events[account] if event["type"] == "GrantExpiryChanged"]
        expiries = {data["grant_id"]: {"expires_at": data["expires_at"]} for data in changed if "expires_at" in data}
        grants = listed(year.service, account, "grants", limit=1_000)
        for row, event in zip(grants, granted, strict=True):
            data = event["data"] | expiries.get(event["data"]["grant_id"], {})
            assert (row["grant_id"], row["granted_at"]) == (data["grant_id"], event["recorded_at"])
            names = ("kind", "amount", "source", "expires_at", "transaction_id", "payment_id", "description")
            for name in names:
                assert row[name] == data.get(name)


def test_every_credit_of_a_grant_is_in_one_place(year: Year) -> None:
    for account in ACCOUNTS:
        grants = listed(year.service, account, "grants", limit=1_000)
        for grant in grants:
            assert sum(grant[place] for place in PLACES) == grant["amount"]
            assert (grant["status"] == "open") == (grant["remaining"] + grant["held"] > 0)
        now = balance(year.service, quote(account))
        assert sum(grant["remaining"] for grant in grants) == now["available"]
        assert sum(grant["held"] for grant in grants) == now["held"] == 0
        sums = {place: sum(grant[place] for grant in grants) for place in PLACES}
        for place, types in {
            "lapsed": ["expiry", "reinstatement"],
            "voided": ["void"],
            "spent": ["deduction", "capture", "reversal"],
        }.items():
            assert sums[place] == -sum(e["credits"] for e in year.entries[account] if e["type"] in types)


def test_the_open_grants_are_the_lots_of_the_balance(year: Year, service: Service) -> None:
    for which, account in ((year.service, BUSY), (service, staged(service))):
        events = which.get(f"/v1/accounts/{account}/events", limit=1_000).json()["events"]
        opened = listed(which, account, "grants", status="open", limit=1_000, min_position=events[-1]["position"])
        lots = balance(which, account)["grants"]
        assert {row["grant_id"]: row["remaining"] for row in opened if row["remaining"]} == {
            lot["grant_id"]: lot["remaining"] for lot in lots
        }


def test_holds_are_those_of_the_events(year: Year) -> None:
    events = year.events[BUSY]
    placed = [event for event in reversed(events) if event["type"] == "CreditsHeld"]
    holds = listed(year.service, BUSY, "holds", limit=1_000)
    captured: Counter[str] = Counter()
    ends: dict[str, tuple[str, str]] = {}
    for event in events:
        data = event["data"]
        match event["type"]:
            case "HoldCaptured":
                captured[data["hold_id"]] += data["amount"]
                if data["final"]:
                    ends[data["hold_id"]] = ("captured", event["recorded_at"])
            case "HoldReleased":
                ends[data["hold_id"]] = ("released", event["recorded_at"])
            case "HoldExpired":
                ends[data["hold_id"]] = ("expired", data["effective_at"])
    assert {status for status, _ in ends.values()} == {"captured", "released", "expired"}
    for row, event in zip(holds, placed, strict=True):
        data = event["data"]
        assert (row["hold_id"], row["amount"], row["placed_at"]) == (
            data["hold_id"],
            data["amount"],
            event["recorded_at"],
        )
        assert (row["status"], row["ended_at"]) == ends[row["hold_id"]]
        assert (row["held"], row["captured"]) == (0, captured[row["hold_id"]])


def test_payments_show_what_they_bought(year: Year) -> None:
    grants = {row["grant_id"]: row for row in listed(year.service, BUSY, "grants", limit=1_000)}
    payments = listed(year.service, BUSY, "payments", limit=1_000)
    refunds: Counter[str] = Counter()
    for event in year.events[BUSY]:
        if event["type"] == "PaymentRefunded":
            refunds[event["data"]["payment_id"]] += event["data"]["amount_minor"]
    for row in payments:
        assert row["refunded_minor"] == refunds[row["payment_id"]]
        assert row["status"] == ("refunded" if row["refunded_minor"] == row["amount_minor"] else "paid")
        [bought] = row["grants"]
        grant = grants[bought["grant_id"]]
        assert bought == {name: grant[name] for name in bought}
        assert grant["payment_id"] == row["payment_id"]
    assert {0, 300, 1_000} <= {row["refunded_minor"] for row in payments}


def test_lists_of_an_account_that_has_nothing_and_of_one_that_is_not_there(year: Year) -> None:
    for noun in STATUSES:
        page = year.service.get(f"/v1/accounts/{IDLE}/{noun}").json()
        assert (page[noun], page["next_cursor"]) == ([], None)
        nobody = fresh("nobody")
        refused(year.service.get(f"/v1/accounts/{nobody}/{noun}"), 404, "account_not_found", account_id=nobody)


# As they change -------------------------------------------------------------------------------------------------


def test_a_grant_through_all_of_its_places(service: Service) -> None:
    account = service.open_account()

    def grant(answer: Json) -> Any:
        [row] = listed(service, account, "grants", min_position=answer["position"])
        return row["status"], [row[place] for place in PLACES]

    made = done(Ask("grant", account, {"kind": "permanent", "amount": 100}).post(service, "g"))
    assert grant(made) == ("open", [100, 0, 0, 0, 0, 0])
    spent = done(Ask("deduct", account, {"amount": 30}).post(service, "d"))
    assert grant(spent) == ("open", [70, 0, 30, 0, 0, 0])
    held = done(Ask("hold", account, {"amount": 50}).post(service, "h"))
    assert grant(held) == ("open", [20, 50, 30, 0, 0, 0])
    hold = {"hold_id": held["hold_id"]}
    assert grant(done(Ask("capture", account, {"amount": 10, "final": False}, hold).post(service, "c"))) == (
        "open",
        [20, 40, 40, 0, 0, 0],
    )
    voided = done(Ask("void", account, {}, {"grant_id": made["grant_id"]}).post(service, "v"))
    assert grant(voided) == ("open", [0, 40, 40, 0, 20, 0])
    assert grant(done(Ask("release", account, {}, hold).post(service, "r"))) == ("voided", [0, 0, 40, 0, 60, 0])


def test_a_payment_after_partial_refunds(service: Service) -> None:
    account = service.open_account()
    bought = Ask("payment", account, payment("pay-1", grant={"kind": "subscription", "amount": 100}))
    position = done(bought.post(service))["position"]

    def shown() -> Any:
        [row] = listed(service, account, "payments", min_position=position)
        [grant] = row["grants"]
        assert grant["expires_at"].endswith("Z")
        return row["status"], row["refunded_minor"], grant["remaining"], grant["voided"]

    assert shown() == ("paid", 0, 100, 0)
    for refund, expected in [
        (250, ("paid", 250, 75, 25)),
        (250, ("paid", 500, 50, 50)),
        (500, ("refunded", 1000, 0, 100)),
    ]:
        body = {"refund_id": f"re-{next(_numbers)}", "amount_minor": refund}
        position = done(Ask("payment_refund", account, body, {"payment_id": "pay-1"}).post(service))["position"]
        assert shown() == expected
    failed = done(Ask("payment", account, payment("pay-2", status="failed")).post(service))
    position = failed["position"]
    [row] = listed(service, account, "payments", status="failed", min_position=position)
    assert (row["payment_id"], row["grants"]) == ("pay-2", [])
    [row] = listed(service, account, "payments", status="refunded", min_position=position)
    assert row["payment_id"] == "pay-1"
    assert listed(service, account, "payments", status="paid", min_position=position) == []


# What time has ended and nobody has recorded ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unswept(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose sweeper has run once and will not run again today. Its database has another time zone."""
    server = servers.get("embedded")
    assert server is not None
    settings = {"CREDIT_LEDGER_SWEEP_INTERVAL_SECONDS": "86400"}
    with server.database() as conninfo:
        with psycopg.connect(owner(conninfo), autocommit=True) as connection:
            name = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("ALTER DATABASE {} SET timezone TO 'Asia/Kathmandu'").format(name))
        with service_here(conninfo, tmp_path_factory.mktemp("unswept"), settings=settings) as service:
            under_contract(service)
            yield service


def soon() -> str:
    return (datetime.now(UTC) + timedelta(seconds=2)).isoformat()


def test_a_lot_whose_time_has_passed_is_expired_before_anybody_records_it(unswept: Service) -> None:
    account = unswept.open_account(permanent=5)
    body = {"kind": "subscription", "amount": 10, "expires_at": soon()}
    position = done(Ask("grant", account, body).post(unswept, "g"))["position"]

    def grants(**asked: Any) -> list[Json]:
        return listed(unswept, account, "grants", min_position=position, **asked)

    eventually(lambda: grants()[0]["status"] == "expired")
    [expired, signup] = grants()
    assert [expired[place] for place in PLACES] == [0, 0, 0, 10, 0, 0]
    assert grants(status="expired") == [expired]
    assert grants(status="open") == [signup]
    assert grants(status="spent") == grants(status="voided") == []
    assert balance(unswept, account)["version"] == 3  # it was not recorded


def test_what_is_held_of_a_lot_does_not_lapse_with_the_rest(unswept: Service) -> None:
    account = unswept.open_account()
    body = {"kind": "subscription", "amount": 10, "expires_at": soon()}
    done(Ask("grant", account, body).post(unswept, "g"))
    position = done(Ask("hold", account, {"amount": 4}).post(unswept, "h"))["position"]

    def grants(**asked: Any) -> list[Json]:
        return listed(unswept, account, "grants", min_position=position, **asked)

    eventually(lambda: bool(grants()[0]["remaining"] == 0))
    [grant] = grants(status="open")
    assert [grant[place] for place in PLACES] == [0, 4, 0, 6, 0, 0]
    assert grants(status="expired") == []


def test_a_hold_whose_time_has_passed_is_expired_before_anybody_records_it(unswept: Service) -> None:
    account = unswept.open_account(permanent=10)
    placed = done(Ask("hold", account, {"amount": 4, "expires_in_seconds": 2}).post(unswept, "h"))

    def holds(**asked: Any) -> list[Json]:
        return listed(unswept, account, "holds", min_position=placed["position"], **asked)

    eventually(lambda: holds()[0]["status"] == "expired")
    [hold] = holds(status="expired")
    assert (hold["held"], hold["amount"], hold["ended_at"]) == (0, 4, placed["expires_at"])
    assert holds(status="open") == []
    assert balance(unswept, account)["version"] == placed["version"]


def test_a_payment_does_not_show_what_has_lapsed(unswept: Service) -> None:
    account = unswept.open_account()
    end = soon()
    grant = {"kind": "subscription", "amount": 10, "expires_at": end}
    position = done(Ask("payment", account, payment("p", grant=grant)).post(unswept))["position"]

    def bought() -> Json:
        found: Json = listed(unswept, account, "payments", min_position=position)[0]["grants"][0]
        return found

    eventually(lambda: bool(bought()["remaining"] == 0))
    assert instant(bought()["expires_at"]) == instant(end)


def test_times_are_utc_whatever_the_databases_zone_is(unswept: Service) -> None:
    account = staged(unswept)
    today = datetime.now(UTC).date().isoformat()
    position = unswept.get(f"/v1/accounts/{account}/events").json()["events"][-1]["position"]
    asked = {"min_position": position}
    answers = [
        unswept.get(f"/v1/accounts/{account}/{name}", **asked)
        for name in ("history", "grants", "holds", "payments", "summary", "history.csv")
    ]
    days = {"from": today, "to": today, **asked}
    answers += [unswept.get(f"/v1/accounts/{account}/{name}", **days) for name in ("rollups/daily", "usage")]
    answers += [unswept.get("/v1/statistics", **days), unswept.get("/v1/accounts", **asked)]
    for answer in answers:
        times = re.findall(r"\d{4}-\d\d-\d\dT[^\",\r]*", answer.text)
        assert times
        assert [text for text in times if not text.endswith("Z")] == [], answer.url


# Accounts -------------------------------------------------------------------------------------------------------

LAST_CHARACTER = "\U0010ffff"
ENDINGS = ["", "%", "%%", "_", "__", "a", "A", "aa", "ab", "\\", "\\%", "'", '"', "é", "e\u0301", "😀", "😀a", " ", "ß"]
ENDINGS += [LAST_CHARACTER, LAST_CHARACTER * 2, "a" + LAST_CHARACTER]


def opened(service: Service, accounts: Iterable[tuple[str, int]]) -> int:
    """Open accounts at once; returns a position that has them all."""
    commands = [{"op": "open", "account_id": account, "signup_credits": credits} for account, credits in accounts]
    results = service.post("/v1/batch", {"commands": commands, "atomic": True}).json()["results"]
    assert {result["status"] for result in results} == {201}
    return max(int(result["position"]) for result in results)


def ids(rows: list[Json]) -> list[str]:
    return [row["account_id"] for row in rows]


def test_a_prefix_is_taken_letter_by_letter(service: Service) -> None:
    stem = fresh("prefix")
    names = [stem + ending for ending in ENDINGS]
    position = opened(service, [(name, len(name)) for name in names])
    for ending in [*ENDINGS, "b", "😀😀", "*", "."]:
        for sort in ("account_id", "balance", "activity"):
            found = ids(
                listed(service, "", "accounts", prefix=stem + ending, sort=sort, limit=3, min_position=position)
            )
            assert sorted(found) == sorted(name for name in names if name.startswith(stem + ending)), (ending, sort)


def test_without_a_prefix_all_accounts_are_listed(service: Service) -> None:
    position = opened(service, [(fresh(LAST_CHARACTER), 1), (fresh("!"), 1)])
    with psycopg.connect(service.conninfo) as connection:
        rows = connection.execute("SELECT DISTINCT originator_id FROM ledger.events").fetchall()
    found = ids(listed(service, "", "accounts", limit=1_000, min_position=position))
    assert found == sorted(name for (name,) in rows)


@pytest.mark.parametrize("limit", [1, 2, 5, 1_000])
def test_accounts_in_every_order_over_ties(service: Service, limit: int) -> None:
    stem = fresh("sort")
    credits = [5, 7, 0, 5, 5, 7, 2**53 - 1, 0, 5, 6, 5, 5]
    position = opened(service, [(f"{stem}-{n:02}", amount) for n, amount in enumerate(credits)])
    done(Ask("deduct", f"{stem}-03", {"amount": 5}).post(service, "k"))
    position = done(Ask("freeze", f"{stem}-01").post(service, "k"))["position"]
    asked = {"prefix": stem, "limit": limit, "min_position": position}
    by_id, by_balance, by_activity = (
        listed(service, "", "accounts", sort=sort, **asked) for sort in ("account_id", "balance", "activity")
    )
    assert ids(by_id) == [f"{stem}-{n:02}" for n in range(len(credits))]
    assert by_balance == sorted(by_id, key=lambda row: (row["total"], row["account_id"]), reverse=True)
    assert by_activity == sorted(by_id, key=lambda row: (row["last_activity_at"], row["account_id"]), reverse=True)
    assert ids(by_activity)[:2] == [f"{stem}-01", f"{stem}-03"]
    assert len({row["total"] for row in by_id}) < len(by_id)


def test_an_account_in_the_list_is_what_its_balance_says(service: Service) -> None:
    account = staged(service)
    position = done(Ask("freeze", account).post(service, "k"))["position"]
    [row] = listed(service, "", "accounts", prefix=account, min_position=position)
    now = balance(service, account)
    shared = row.keys() & now.keys()
    assert shared >= {"account_id", "standing", "total", "held", "available", "version", "subscription_expire_at"}
    assert {name: row[name] for name in shared} == {name: now[name] for name in shared}
    events = service.get(f"/v1/accounts/{account}/events").json()["events"]
    assert (row["opened_at"], row["last_activity_at"]) == (events[0]["recorded_at"], events[-1]["recorded_at"])
