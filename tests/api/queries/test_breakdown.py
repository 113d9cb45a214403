"""Where the credits went, against the entries of the history, which are added up here by every name."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import pytest_asyncio

from api.http.json_answer import JsonAnswer
from api.http.queries import breakdown
from api.http.queries.breakdown import breakdown_of
from api.http.queries.periods import Period
from api.http.queries.reads import Reads
from ledger.domain.errors import AccountNotFound
from tests.api.queries.wired import wired
from tests.api.queries.year import BUSY, FIRST, IDLE, LAST, SMALL, Year
from tests.api.stage import Json

DAY = timedelta(days=1)
WHOLE = Period(FIRST, LAST, ZoneInfo("UTC"))
PERIODS = [
    WHOLE,
    Period(FIRST, LAST, ZoneInfo("Asia/Kathmandu")),
    Period(FIRST + 20 * DAY, FIRST + 50 * DAY, ZoneInfo("Europe/Berlin")),
    Period(FIRST - 9 * DAY, FIRST - 8 * DAY, ZoneInfo("UTC")),
]
TOKENS = ["input_tokens", "output_tokens", "cached_tokens"]
MEASURES = ["credits", *TOKENS, "count"]
OTHER = "all others"


@pytest_asyncio.fixture
async def reads(year: Year) -> AsyncIterator[Reads]:
    async with wired(year.service.conninfo) as found:
        yield found


async def told(reads: Reads, account: str, period: Period = WHOLE) -> Json:
    found: Json = orjson.loads(JsonAnswer(await breakdown_of(reads, account, period)).body)
    return found


def uses(year: Year, account: str, period: Period) -> list[Json]:
    """Deductions and captures in a period, with their local dates."""
    used = (one for one in year.entries[account] if one["type"] in ("deduction", "capture"))
    dated = [one | {"date": datetime.fromisoformat(one["recorded_at"]).astimezone(period.tz).date()} for one in used]
    return [one for one in dated if period.first <= one["date"] <= period.last]


def said(name: str) -> Callable[[Json], Any]:
    return lambda entry: (entry["usage"] or {}).get(name)


def sums(entries: Iterable[Json]) -> Json:
    listed = list(entries)
    tokens = {name: sum(said(name)(one) or 0 for one in listed) for name in TOKENS}
    return {"credits": -sum(one["credits"] for one in listed), **tokens, "count": len(listed)}


def by(entries: Iterable[Json], key: Callable[[Json], Any]) -> dict[Any, list[Json]]:
    found: defaultdict[Any, list[Json]] = defaultdict(list)
    for one in entries:
        found[key(one)].append(one)
    return found


def listed(kind: str, rows: list[Json]) -> dict[Any, Json]:
    """Sums by name; no name is there twice."""
    found = {OTHER if row.get("other") else row[kind]: {name: row[name] for name in MEASURES} for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("account", [SMALL, BUSY])
@pytest.mark.parametrize("period", PERIODS)
async def test_all_that_was_used_is_told_by_every_name(year: Year, reads: Reads, account: str, period: Period) -> None:
    used = uses(year, account, period)
    found = await told(reads, account, period)
    assert {name: found["totals"][name] for name in MEASURES} == sums(used)
    for row in found["measured"]:
        of_model = [one for one in used if said("model")(one) == row["model"]]
        failed = [one for one in of_model if said("success")(one) is False]
        durations = [duration for one in of_model if (duration := said("duration_ms")(one)) is not None]
        assert (row["failures"], row["timed"], row["duration_ms"]) == (len(failed), len(durations), sum(durations))
    assert sum(row["failures"] for row in found["measured"]) == found["totals"]["failures"]
    for kind in ("provider", "model", "project", "member"):
        rows = found[f"{kind}s"]
        assert listed(kind, rows) == {name: sums(group) for name, group in by(used, said(kind)).items()}
        assert [row["credits"] for row in rows] == sorted((row["credits"] for row in rows), reverse=True)
    for row in found["projects"]:
        of_project = [one for one in used if said("project")(one) == row["project"]]
        expected = {name: sums(group) for name, group in by(of_project, said("provider")).items()}
        assert listed("provider", row["providers"]) == expected
    assert [day["date"] for day in found["days"]] == [str(date) for date in period.dates()]
    of_days = by(used, lambda one: str(one["date"]))
    for day in found["days"]:
        of_day = of_days.get(day["date"], [])
        assert {name: day[name] for name in MEASURES} == sums(of_day)
        expected = {name: sums(group) for name, group in by(of_day, said("provider")).items()}
        assert listed("provider", day["providers"]) == expected


async def test_what_is_beyond_the_last_name_is_other(year: Year, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything adds up all the same."""
    monkeypatch.setattr(breakdown, "MOST_NAMES", 2)
    monkeypatch.setattr(breakdown, "MOST_SERIES", 1)
    used = uses(year, BUSY, WHOLE)
    found = await told(reads, BUSY)
    first, second, rest = found["models"]
    assert rest["other"] is True
    shown = [one for one in used if said("model")(one) in (first["model"], second["model"])]
    assert {name: rest[name] + sums(shown)[name] for name in MEASURES} == sums(used)
    largest = found["providers"][0]["provider"]
    for rows in (found["days"], found["projects"]):
        assert {name: sum(row[name] for row in rows) for name in MEASURES} == {
            name: found["totals"][name] for name in MEASURES
        }
    for row in [*found["days"], *found["projects"]]:
        parts = listed("provider", row.get("providers", []))
        assert parts.keys() <= {largest, OTHER}
        if not row.get("other"):
            assert {name: sum(part[name] for part in parts.values()) for name in MEASURES} == {
                name: row[name] for name in MEASURES
            }
    for row in found["projects"][:2]:
        part = [one for one in used if (said("project")(one), said("provider")(one)) == (row["project"], largest)]
        assert listed("provider", row["providers"])[largest] == sums(part)


async def test_an_account_that_used_nothing_and_one_that_is_not_there(reads: Reads) -> None:
    found = await told(reads, IDLE)
    assert {name: found["totals"][name] for name in MEASURES} == dict.fromkeys(MEASURES, 0)
    assert found["measured"] == []
    assert (found["providers"], found["projects"], len(found["days"])) == ([], [], len(WHOLE.dates()))
    with pytest.raises(AccountNotFound):
        await told(reads, "nobody")
