"""After an import of real usage, the days and the usage of all accounts add up exactly to the deducted credits."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.api.conftest import under_contract
from tests.api.imports.conftest import Imported
from tests.api.imports.importer import Importer
from tests.api.imports.test_import import PERMANENT, REAL_TOTAL, SUBSCRIPTION
from tests.api.stage import Json, eventually
from tests.long_form import times
from tests.service import Service, service_here
from tests.trace import ACCOUNTS, Expected, expected, real_trace


@pytest.fixture(scope="module")
def right(trace: Path) -> Expected:
    """The expected totals."""
    return expected(trace)


@pytest.fixture(scope="module")
def served(imported: Imported, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a database into which the trace was imported."""
    with service_here(imported.conninfo, tmp_path_factory.mktemp("imported")) as service:
        under_contract(service)
        days, asked = "/v1/accounts/user-0/rollups/daily", {**period(), "min_position": last_position(service)}
        eventually(lambda: service.get(days, **asked).is_success)
        yield service


def period() -> dict[str, str]:
    """Days that have all of the import, in any zone."""
    today = datetime.now(UTC).date()
    return {"from": str(today - timedelta(days=2)), "to": str(today + timedelta(days=2))}


def last_position(service: Service) -> int:
    [(position,)] = Importer(service.conninfo).rows("SELECT max(notification_id) FROM ledger.events")
    return int(position)


@pytest.mark.parametrize(("tz", "step"), [("UTC", 1), ("Asia/Kathmandu", times(10, 1))])
def test_days_and_usage_are_together_what_was_deducted(
    served: Service, right: Expected, trace: Path, tz: str, step: int
) -> None:
    """In UTC of all accounts, elsewhere of one in ten."""
    asked = {**period(), "tz": tz, "min_position": last_position(served)}
    by_day, by_usage, tokens = [], [], Counter[str]()
    accounts = range(0, ACCOUNTS, step)
    for account in accounts:
        path = f"/v1/accounts/user-{account}"
        days: Json = served.get(f"{path}/rollups/daily", **asked).json()
        usage: Json = served.get(f"{path}/usage", **asked, group_by="model").json()
        by_day.append(sum(day["deducted"] for day in days["days"]))
        by_usage.append(sum(group["credits"] for bucket in usage["buckets"] for group in bucket["groups"]))
        tokens.update({name: usage["totals"][name] for name in ("input_tokens", "output_tokens")})
        assert days["totals"]["closing_balance"] == SUBSCRIPTION + PERMANENT - by_day[-1]
    assert by_day == by_usage == [right.spent(account) for account in accounts]
    assert step > 1 or sum(by_day) == right.total
    assert step > 1 or real_trace() is None or sum(by_day) == REAL_TOTAL
    lines = trace.read_text().splitlines()[1:]
    rows = [line.split(",") for account in accounts for line in lines[account::ACCOUNTS]]
    assert tokens == {
        "input_tokens": sum(int(row[1]) for row in rows),
        "output_tokens": sum(int(row[2]) for row in rows),
    }


def test_the_operators_see_the_same_total(served: Service, right: Expected) -> None:
    answer = served.get("/v1/statistics", **period(), min_position=last_position(served)).json()["totals"]
    granted = ACCOUNTS * (SUBSCRIPTION + PERMANENT)
    assert (answer["granted"], answer["spent"], answer["accounts_opened"]) == (granted, right.total, ACCOUNTS)
    assert answer["outstanding"]["total"] == granted - right.total
    assert answer["deductions"] == len(right.prices)
