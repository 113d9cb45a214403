"""The summary has in one answer what the other queries have in many."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api.http.queries.history import history_of
from api.http.queries.summary import summary_of
from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    ReverseDeduction,
)
from ledger.domain.errors import AccountNotFound
from ledger.service import Ledger
from projections.models.history.queries import Wanted
from tests.api.conftest import under_contract
from tests.api.queries.wired import wired
from tests.api.stage import Ask, Json, balance, fresh, refused, staged
from tests.conftest import Clock
from tests.postgres import TestServers
from tests.projections.moving import projected
from tests.service import Service, service_here
from tests.store.asking import submission

ZONES = ["UTC", "Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Los_Angeles"]
DAY = timedelta(days=1)


async def _write(database: str) -> None:
    """Forty days of use up to now, some of it given back, and lots that lapse at different moments to come."""
    chance, clock = Random(7), Clock()
    now = datetime.now(UTC)
    async with Ledger(database, clock=clock).running() as ledger:

        async def ask(command: Command, operation: str) -> Any:
            done = await ledger.execute(submission(command, operation, None))
            assert isinstance(done, Recorded)
            return done.events[-1]

        clock.now = now - timedelta(days=41)
        await ask(OpenAccount("user", 20_000), "open")
        for days in (320, 320, 340, 9_999):
            await ask(GrantCredits("user", "subscription", 100 * days, lifetime=timedelta(days=days)), "grant")
        for clock.now in sorted(now - timedelta(minutes=1) - DAY * 40 * chance.random() ** 2 for _ in range(300)):
            spent = await ask(DeductCredits("user", chance.randint(1, 99)), "deduct")
            if chance.random() < 0.2:
                await ask(ReverseDeduction("user", spent.deduction_id, 1), "reverse")
            if chance.random() < 0.1:
                hold = await ask(PlaceHold("user", 50), "hold")
                await ask(CaptureHold("user", hold.hold_id, 20), "capture")
        await projected(ledger, database)


@pytest.fixture(scope="module")
def used(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one account, `user`, that has been used until now."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo:
        asyncio.run(_write(conninfo))
        with service_here(conninfo, tmp_path_factory.mktemp("used")) as service:
            under_contract(service)
            yield service


def summary(service: Service, account: str, **asked: Any) -> Json:
    response = service.get(f"/v1/accounts/{account}/summary", **asked)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def day_rows(service: Service, account: str, first: date, last: date, tz: str) -> dict[date, Json]:
    asked = {"from": first.isoformat(), "to": last.isoformat(), "tz": tz}
    rows = service.get(f"/v1/accounts/{account}/rollups/daily", **asked).json()["days"]
    return {date.fromisoformat(row["date"]): row for row in rows}


def use(rows: list[Json]) -> Json:
    return {name: sum(row[name] for row in rows) for name in ("deducted", "reversed", "deductions")}


@pytest.mark.parametrize("tz", ZONES)
def test_use_of_today_this_week_and_this_month_is_that_of_the_days(used: Service, tz: str) -> None:
    found = summary(used, "user", tz=tz)
    today = date.fromisoformat(found["last_seven_days"][-1]["date"])
    assert today in {(datetime.now(UTC) - late).astimezone(ZoneInfo(tz)).date() for late in (timedelta(), DAY / 24)}
    rows = day_rows(used, "user", today - 45 * DAY, today, tz)
    week, month = (row for row in (today - today.weekday() * DAY, today.replace(day=1)))
    assert found["usage"] == {
        "today": use([rows[today]]),
        "this_week": use([row for day, row in rows.items() if day >= week]),
        "this_month": use([row for day, row in rows.items() if day >= month]),
    }
    assert found["last_seven_days"] == [{"date": day.isoformat(), **use([row])} for day, row in list(rows.items())[-7:]]
    assert found["tz"] == tz
    credits, tasks = (
        sum(row[name] for day, row in rows.items() if day >= month) for name in ("deducted", "deductions")
    )
    assert found["average_cost_per_task"] == {"credits": credits, "tasks": tasks, "average": average(credits, tasks)}


def average(credits: int, tasks: int) -> str | None:
    if not tasks:
        return None
    return str((Decimal(credits) / tasks).quantize(Decimal("0.01"), ROUND_HALF_UP))


def test_there_is_use_to_compare(used: Service) -> None:
    found = summary(used, "user")
    assert all(day["deducted"] for day in found["last_seven_days"][1:-1])
    assert sum(day["reversed"] for day in found["last_seven_days"]) > 0


def test_the_zone_decides_what_today_is(used: Service) -> None:
    """From one end of the world to the other there are always two dates, and with the same hours in them."""
    east, west = (summary(used, "user", tz=tz) for tz in ("Pacific/Kiritimati", "Pacific/Niue"))
    assert east["last_seven_days"][-1]["date"] > west["last_seven_days"][-1]["date"]


def check_balance(service: Service, account: str, found: Json) -> None:
    now = balance(service, account)
    shared = found["balance"].keys() & now.keys() - {"as_of"}
    assert shared >= {"total", "held", "available", "version", "position", "subscription_expire_at"}
    assert {name: found["balance"][name] for name in shared} == {name: now[name] for name in shared}
    assert found["standing"] == now["standing"]
    lapsing: Counter[str] = Counter()
    for lot in now["grants"]:
        if lot["expires_at"]:
            lapsing[lot["expires_at"]] += lot["remaining"]
    assert found["balance"]["expiries"] == [{"expires_at": at, "credits": lapsing[at]} for at in sorted(lapsing)]


def test_the_rest_is_what_the_other_queries_say(used: Service) -> None:
    found = summary(used, "user")
    check_balance(used, "user", found)
    assert len(found["balance"]["expiries"]) == 3  # of four lots, two lapse together
    history = used.get("/v1/accounts/user/history", limit=10).json()
    assert found["last_entries"] == history["entries"]
    [last] = used.get("/v1/accounts/user/history", limit=1, type="deduction,capture").json()["entries"]
    assert found["last_deduction"] == last
    assert (found["as_of_position"], found["as_of"]) == (history["as_of_position"], history["as_of"])


def test_a_write_is_seen_at_once(service: Service) -> None:
    account = staged(service)
    capture = Ask("capture", account, {"amount": 15}, {"hold_id": "hld_5"}).post(service, "c").json()
    found = summary(service, account, min_position=capture["position"])
    assert found["last_deduction"] == found["last_entries"][0]
    assert found["last_deduction"]["deduction_id"] == capture["deduction_id"]
    assert sum(day["deducted"] for day in found["last_seven_days"]) == 45
    check_balance(service, account, found)
    frozen = Ask("freeze", account).post(service, "f").json()
    assert summary(service, account, min_position=frozen["position"])["standing"] == "frozen"


def test_of_an_account_without_use(service: Service) -> None:
    account = service.open_account()
    found = summary(service, account)
    nothing = {"deducted": 0, "reversed": 0, "deductions": 0}
    assert found["usage"] == dict.fromkeys(("today", "this_week", "this_month"), nothing)
    assert found["average_cost_per_task"] == {"credits": 0, "tasks": 0, "average": None}
    assert (found["last_deduction"], found["last_entries"], found["balance"]["expiries"]) == (None, [], [])
    nobody = fresh("nobody")
    refused(service.get(f"/v1/accounts/{nobody}/summary"), 404, "account_not_found", account_id=nobody)


@pytest.mark.parametrize("name", ["ada\0", "ada\ud800"])
async def test_a_name_that_no_text_can_have_fails_nobody_who_shares_the_statement(database: str, name: str) -> None:
    async with wired(database) as reads:
        asked: list[Any] = [summary_of(reads, one, ZoneInfo("UTC")) for one in (name, "nobody")]
        asked += [history_of(reads, Wanted(one), "newest first") for one in (name, "nobody")]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in found] == [AccountNotFound] * 4
