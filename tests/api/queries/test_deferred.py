"""Deferred revenue, as a route, a page and a file: what the export says, also while the log is being read."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from audit.revenue import reading
from audit.revenue.months import MonthSums
from audit.revenue.reading import KnownRevenue, RevenueReading, StillReading
from audit.revenue.worth import Worth
from ledger.commit.submission import Recorded
from ledger.domain import commands as c
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.service import Ledger
from ledger.store import EventLog, Feed, read
from tests.commands import command
from tests.conftest import Clock
from tests.dashboard.guests import ROOT, all_leave, operator
from tests.postgres import TestServers
from tests.service import Service, service_here
from tests.store.asking import open_account, submission

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def shop(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in which 1,000 credits were bought for 6.00 EUR and 300 of them spent, and nothing of it read yet."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("shop")) as running:
        assert running.get("/v1/revenue/deferred").json() == {"as_of_position": 0, "as_of": None, "months": []}
        assert "Nothing was paid yet." in operator(running).get(f"{ROOT}/revenue/deferred").text
        account = running.open_account()
        grant = {"kind": "permanent", "amount": 1_000, "source": "topup"}
        paid = {"payment_id": "p", "provider": "till", "status": "paid", "amount_minor": 600, "currency": "EUR"}
        assert running.post(f"/v1/accounts/{account}/payments", {**paid, "grant": grant}).status_code == 201
        assert running.post(f"/v1/accounts/{account}/deductions", {"amount": 300}, key="d").status_code == 201
        yield running
        all_leave()


def test_the_route_the_page_and_the_file_say_what_the_export_says(shop: Service, tmp_path: Path) -> None:
    found = shop.get("/v1/revenue/deferred").json()
    assert found["months"] == [
        {
            "month": f"{NOW:%Y-%m}",
            "currency": "EUR",
            "paid_minor": 600,
            "back_minor": 0,
            "spent_minor": 180,
            "breakage_minor": 0,
            "returned_minor": 0,
            "deferred_minor": 420,
            "revenue_minor": 180,
        }
    ]
    assert found["as_of_position"] == shop.get("/v1/events", limit=1_000).json()["events"][-1]["position"]
    client, export = operator(shop), tmp_path / "revenue.csv"
    assert command(shop.conninfo, "export", "--format", "revenue", "--to", export).status == 0
    file = client.get(f"{ROOT}/revenue/deferred.csv")
    assert file.headers["content-disposition"] == 'attachment; filename="revenue.csv"'
    assert file.content == export.read_bytes()
    page = client.get(f"{ROOT}/revenue/deferred").text
    assert re.findall(r'class="figure">([^<]+)<', page) == ["€4.20", "€1.80", "€0.00"]


def test_who_comes_while_the_log_is_read_is_told_so(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def still(_: RevenueReading, __: datetime) -> KnownRevenue:
        raise StillReading(2_000, 9_000)

    monkeypatch.setattr(RevenueReading, "known", still)
    answer = shop.get("/v1/revenue/deferred")
    assert (answer.status_code, answer.json()["code"]) == (503, "projection_unavailable")
    assert answer.headers["retry-after"] == "5"
    client = operator(shop)
    page = client.get(f"{ROOT}/revenue/deferred")
    assert page.status_code == 200
    assert "2,000 of 9,000 events so far." in page.text
    assert client.get(f"{ROOT}/revenue/deferred.csv").status_code == 503


# In the process of the test -----------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def log(database: str) -> AsyncIterator[EventLog]:
    opened = EventLog(database, readers=2)
    await opened.open()
    yield opened
    await opened.close()


async def lived(ledger: Ledger, clock: Clock, turns: int, key: str = "") -> None:
    """Payments for credits and for a subscription that ends between two events; some are spent, some go back."""
    for turn in range(turns):
        name = f"{key}{turn}"
        what = SubscriptionPayment(f"s{name}", "initial", clock(), clock(), clock() + timedelta(days=3))
        paid = c.RecordPayment("ada", f"p{name}", "till", "paid", 1_000, "EUR", subscription=what)
        if turn % 3:
            paid = replace(paid, grants=(c.GrantCredits("ada", "permanent", 7 + turn, "topup"),), subscription=None)
        for command_, operation in (
            (paid, "payment"),
            (c.DeductCredits("ada", 3), "deduct"),
            (c.RefundPayment("ada", f"p{name}", f"r{name}", 100, "till"), "refund"),
        ):
            done = await ledger.execute(submission(command_, operation, name))
            assert isinstance(done, Recorded), done
        clock.forward(days=2)


async def from_the_start(log: EventLog, now: datetime) -> Any:
    """The months by one fold of the whole log, which is told how late it is."""
    feed, worth, sums = Feed(log), Worth(), MonthSums()
    for logged in read(await feed.rows(0, await feed.last_position(), 100_000)):
        for move in worth.add(logged):
            sums.add(move)
    return sums.months(worth.ended(now))


async def test_it_reads_on_and_comes_to_what_one_fold_of_the_whole_log_comes_to(
    ledger: Ledger, clock: Clock, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAGE", 3)
    kept = RevenueReading(log, patience=60)
    await open_account(ledger, "ada", permanent=100)
    async with kept.running():
        for part in range(4):
            await lived(ledger, clock, 4, f"{part}-")
            for later in (timedelta(0), timedelta(days=9)):
                now = clock() + later  # a later question changes nothing of an earlier one
                found = await kept.known(now)
                assert found.months == await from_the_start(log, now)
                assert found.position == await Feed(log).last_position()
        assert sum(one.breakage for one in (await kept.known(clock())).months) > 0


async def test_it_reads_in_the_background_and_forgets(ledger: Ledger, clock: Clock, log: EventLog) -> None:
    await open_account(ledger, "ada", permanent=100)
    await lived(ledger, clock, 3)
    kept = RevenueReading(log, patience=0.0)
    async with kept.running():
        with pytest.raises(StillReading, match="0 of 0 events"):
            await kept.known(clock())
        assert kept._task is not None
        await kept._task
        kept._patience = 60
        assert (await kept.known(clock())).months == await from_the_start(log, clock())
        assert kept._forgets is not None
        assert kept._forgets.when() > asyncio.get_running_loop().time() + 800
        kept._forget()
        assert kept._fold.position == 0
        assert (await kept.known(clock())).months == await from_the_start(log, clock())
