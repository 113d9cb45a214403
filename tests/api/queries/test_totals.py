"""Days, usage and statistics against the raw events: whatever the zone and the grouping, nothing is lost or invented.

What is expected is added up here from the events as stored, each at its local date; no code of the projections is used.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations, pairwise
from random import Random
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from projections.models.days import day_starts
from tests.api.queries.year import ACCOUNTS, BUSY, FIRST, IDLE, LAST, SMALL, Year, instant
from tests.api.stage import Ask, Json, eventually, fresh, refused
from tests.long_form import times
from tests.service import Service
from tests.zones import different_zones

DAY = timedelta(days=1)
AMOUNTS = {
    "grant": "granted",
    "deduction": "deducted",
    "reversal": "reversed",
    "expiry": "expired",
    "reinstatement": "expired",
    "void": "voided",
    "transfer": "transferred",
}
COUNTS = {
    "grant": "grants",
    "deduction": "deductions",
    "reversal": "reversals",
    "expiry": "expiries",
    "reinstatement": "expiries",
    "void": "voids",
    "transfer": "transfers",
}
DIMENSIONS = ["provider", "model", "project", "member", "metric"]
GROUPINGS = [list(chosen) for size in range(6) for chosen in combinations(DIMENSIONS, size)]
GROUPINGS += [["key"], ["agent"], ["agent", "model", "key"], ["key", *DIMENSIONS, "agent"]]
SOME_ZONES = [
    *("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/Havana"),
    *("Asia/Beirut", "Africa/Cairo", "America/Asuncion", "Pacific/Apia", "Antarctica/Troll", "Asia/Almaty"),
]


@cache
def zones() -> list[str]:
    """One zone for each way to cut the year into days, among all that change their clocks or are off by odd hours."""
    ways = {name: tuple(day_starts(FIRST, LAST, ZoneInfo(name))) for name in [*SOME_ZONES, *different_zones()]}
    return list({way: name for name, way in reversed(ways.items())}.values())


def some_zones() -> list[str]:
    """The zones in which a year is asked for again, for usage and for all accounts: their days are cut as those of one
    account are, in every zone. Of the others, every run has other ones; the long form has all."""
    others = [name for name in zones() if name not in SOME_ZONES]
    return [*SOME_ZONES, *Random().sample(others, times(12, len(others)))]


# What the events say -----------------------------------------------------------------------------------------


def lines(event: Json) -> Iterator[tuple[str, int]]:
    """What one event adds to the sums: entry types with credits. Captures count as deductions."""
    data = event["data"]
    fates = {
        fate: sum(p["amount"] for p in data.get("returns", []) if p["fate"] == fate) for fate in ("lapsed", "cancelled")
    }
    match event["type"]:
        case "CreditsGranted":
            yield "grant", data["amount"]
        case "CreditsDeducted" | "HoldCaptured":
            yield "deduction", data["amount"]
        case "DeductionReversed":
            yield "reversal", data["amount"]
        case "GrantVoided" if data["amount"]:
            yield "void", data["amount"]
        case "CreditsExpired":
            yield "expiry", data["amount"]
        case "CreditsReceived" | "TransferReversed":
            yield "transfer", data["amount"]
        case "CreditsSent" | "CreditsSentBack":
            yield "transfer", -data["amount"]
        case "GrantExpiryChanged" if data["reinstated"]:
            yield "reinstatement", -data["reinstated"]
    if fates["lapsed"]:
        yield "expiry", fates["lapsed"]
    if fates["cancelled"]:
        yield "void", fates["cancelled"]


def at(event: Json) -> datetime:
    return _instant(event["recorded_at"])


_instant = cache(datetime.fromisoformat)


def sums(events: Iterable[Json]) -> Json:
    """Amounts and counts of some events."""
    found: Counter[str] = Counter(dict.fromkeys([*AMOUNTS.values(), *COUNTS.values()], 0))
    for event in events:
        for kind, credits in lines(event):
            found[AMOUNTS[kind]] += credits
            found[COUNTS[kind]] += 1
    return dict(found)


def occurred(event: Json) -> datetime:
    """When the usage of a deduction occurred; all other events occurred when they were recorded."""
    return _instant(event["data"].get("occurred_at", event["recorded_at"]))


def measured(events: Iterable[Json]) -> Json:
    """What deductions say of quantities, failures and durations. Nothing is metered in this year."""
    said = [event["data"].get("usage", {}) for event in events if event["type"] in {"CreditsDeducted", "HoldCaptured"}]
    durations = [usage["duration_ms"] for usage in said if "duration_ms" in usage]
    return {
        "metered": 0,
        "quantity": sum(usage.get("quantity", 1) for usage in said),
        "failures": sum(usage.get("success") is False for usage in said),
        "timed": len(durations),
        "duration_ms": sum(durations),
        "durations": sorted(durations),
    }


def check_percentiles(row: Json, durations: list[int]) -> None:
    """Within five percent of the exact ones; none without durations."""
    for name, percent in (("p50_ms", 50), ("p95_ms", 95)):
        if not durations:
            assert row[name] is None
        else:
            exact = durations[percent * (len(durations) - 1) // 100]
            assert abs(row[name] - exact) <= 0.05 * exact


def by_date(events: Iterable[Json], tz: str) -> dict[date, list[Json]]:
    zone = ZoneInfo(tz)
    found: defaultdict[date, list[Json]] = defaultdict(list)
    for event in events:
        found[at(event).astimezone(zone).date()].append(event)
    return found


def kinds(event: Json | None) -> tuple[int, int]:
    """Credits by kind after an event; before the first there are none."""
    balance = event["data"]["balance"] if event else {"subscription_credits": 0, "permanent_credits": 0}
    return balance["subscription_credits"], balance["permanent_credits"]


def days_of(events: list[Json], first: date, last: date, tz: str) -> list[Json]:
    """One row per day as the service should answer it, without where it begins and ends."""
    dated = by_date(events, tz)
    latest = next((event for event in reversed(events) if at(event).astimezone(ZoneInfo(tz)).date() < first), None)
    rows = []
    for day in (first + DAY * n for n in range((last - first).days + 1)):
        opening = kinds(latest)
        latest = [latest, *dated[day]][-1] if day in dated else latest
        row = {"date": day.isoformat(), **sums(dated.get(day, [])), **ends(opening, kinds(latest))}
        rows.append(row | measured(dated.get(day, [])))
    return rows


def ends(opening: tuple[int, int], closing: tuple[int, int]) -> Json:
    return {
        "opening_balance": sum(opening),
        "closing_balance": sum(closing),
        "closing_subscription_credits": closing[0],
        "closing_permanent_credits": closing[1],
    }


def period(first: date, last: date, **more: Any) -> dict[str, Any]:
    return {"from": first.isoformat(), "to": last.isoformat(), **more}


def daily(service: Service, account: str, **asked: Any) -> Json:
    response = service.get(f"/v1/accounts/{quote(account)}/rollups/daily", **asked)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def same_days(answered: list[Json], expected: list[Json]) -> bool:
    """Whether rows are as expected, but for where days begin and end; percentiles may differ by five percent."""
    for row, wanted in zip(answered, expected, strict=True):
        check_percentiles(row, wanted["durations"])
    left_out = {"start", "end", "p50_ms", "p95_ms", "durations"}
    found, rows = ([without(row, left_out) for row in some] for some in (answered, expected))
    assert found == rows
    return True


def without_ends(rows: list[Json]) -> list[Json]:
    return [without(row, {"start", "end"}) for row in rows]


def without(row: Json, names: set[str]) -> Json:
    return {name: value for name, value in row.items() if name not in names}


# Days ---------------------------------------------------------------------------------------------------------


def test_there_are_many_ways_to_cut_a_year() -> None:
    assert len(zones()) > 60
    assert set(SOME_ZONES) <= set(zones())


def test_days_are_what_the_events_add_up_to(year: Year) -> None:
    for tz in zones():
        answer = daily(year.service, BUSY, **period(FIRST, LAST, tz=tz))
        assert same_days(answer["days"], days_of(year.events[BUSY], FIRST, LAST, tz)), tz
        chained(answer)


@pytest.mark.parametrize("tz", SOME_ZONES[:4])
def test_days_by_occurrence(year: Year, tz: str) -> None:
    """Deductions count where they occurred, all else where it was recorded; the balances stay those of that time."""
    events, zone = year.events[BUSY], ZoneInfo(tz)
    first, last = date(2024, 9, 1), date(2024, 12, 31)
    answer = daily(year.service, BUSY, **period(first, last, tz=tz, by="occurred"))
    assert answer["by"] == "occurred"
    plain = daily(year.service, BUSY, **period(first, last, tz=tz))
    assert answer["days"] != plain["days"]
    for row, recorded in zip(answer["days"], plain["days"], strict=True):
        used_then = [event for event in events if occurred(event).astimezone(zone).date().isoformat() == row["date"]]
        check_percentiles(row, measured(used_then)["durations"])
        moved = {name: value for name, value in measured(used_then).items() if name != "durations"}
        moved |= {name: sums(used_then)[name] for name in ("deducted", "deductions")}
        expected = {**without(recorded, {"p50_ms", "p95_ms"}), **moved}
        assert without(row, {"p50_ms", "p95_ms"}) == expected


def chained(answer: Json) -> None:
    """Days follow each other without a gap, in time and in credits, and are together the totals."""
    days, totals = answer["days"], answer["totals"]
    for one, other in pairwise(days):
        assert (one["end"], one["closing_balance"]) == (other["start"], other["opening_balance"])
    for day in days:
        change = day["granted"] + day["reversed"] - day["deducted"] - day["expired"] - day["voided"]
        assert day["closing_balance"] == day["opening_balance"] + change
        assert day["closing_balance"] == day["closing_subscription_credits"] + day["closing_permanent_credits"]
    for name in [*AMOUNTS.values(), *COUNTS.values()]:
        assert totals[name] == sum(day[name] for day in days)
    assert (totals["opening_balance"], totals["closing_balance"]) == (
        days[0]["opening_balance"],
        days[-1]["closing_balance"],
    )


@pytest.mark.parametrize("tz", SOME_ZONES)
def test_days_in_the_middle_of_a_history(year: Year, tz: str) -> None:
    """The opening balance includes earlier events, and later events are not included."""
    for account in ACCOUNTS:
        for first, last in [
            (date(2024, 3, 30), date(2024, 4, 8)),
            (date(2024, 10, 26), date(2024, 10, 28)),
            (LAST, LAST),
        ]:
            answer = daily(year.service, account, **period(first, last, tz=tz))
            assert same_days(answer["days"], days_of(year.events[account], first, last, tz))
            chained(answer)


def test_days_without_events_are_there_too(year: Year) -> None:
    """Before the account was opened, after its last event, and on an account in which nothing happened."""
    early = daily(year.service, SMALL, **period(FIRST - 9 * DAY, FIRST - DAY))
    late = daily(year.service, SMALL, **period(LAST + 50 * DAY, LAST + 59 * DAY))
    idle = daily(year.service, IDLE, **period(FIRST, FIRST + 9 * DAY))
    assert [len(answer["days"]) for answer in (early, late, idle)] == [9, 10, 10]
    for answer, balance in ((early, 0), (late, year.entries[SMALL][-1]["balance_after"]), (idle, 0)):
        for day in answer["days"]:
            assert {day["opening_balance"], day["closing_balance"]} == {balance}
            assert not any(day[name] for name in [*AMOUNTS.values(), *COUNTS.values()])


def test_the_largest_period(year: Year) -> None:
    answer = daily(year.service, BUSY, **period(LAST - 1_099 * DAY, LAST, tz="Europe/Berlin"))
    assert len(answer["days"]) == 1_100
    events = [event for event in year.events[BUSY] if at(event) < instant(LAST + DAY)]
    assert same_days([answer["totals"]], [{**sums(events), **measured(events), **without_sums(answer["totals"])}])


def without_sums(row: Json) -> Json:
    return {name: row[name] for name in row if name.startswith(("opening", "closing"))}


def test_an_unknown_account_has_no_days_and_no_usage(service: Service) -> None:
    for name in ("rollups/daily", "usage"):
        nobody = fresh("nobody")
        answer = service.get(f"/v1/accounts/{nobody}/{name}", **period(FIRST, FIRST))
        refused(answer, 404, "account_not_found", account_id=nobody)


# Usage --------------------------------------------------------------------------------------------------------

TOKENS = ("input_tokens", "output_tokens", "cached_tokens")
MEASURES = [
    *("credits", *TOKENS, "count"),
    *("quantity", "failures", "timed", "duration_ms"),
]
Key = tuple[str | None, ...]


def used(events: Iterable[Json], by: list[str]) -> dict[Key, Json]:
    """Sums by group, and the durations that were said."""
    groups: defaultdict[Key, list[Json]] = defaultdict(list)
    for event in events:
        if event["type"] in {"CreditsDeducted", "HoldCaptured"}:
            said = event["data"].get("usage", {})
            groups[tuple(said.get(name) for name in by)].append(event)
    return {key: _used(group) for key, group in groups.items()}


def _used(events: list[Json]) -> Json:
    said = [event["data"].get("usage", {}) for event in events]
    tokens = {name: sum(usage.get(name, 0) for usage in said) for name in TOKENS}
    credits = sum(event["data"]["amount"] for event in events)
    return {"credits": credits, **tokens, "count": len(events), **measured(events)}


def added(groups: Iterable[Json]) -> Json:
    found = dict.fromkeys(MEASURES, 0)
    for group in groups:
        for name in MEASURES:
            found[name] += group[name]
    return found


def usage(service: Service, account: str, group_by: list[str] | None = None, **asked: Any) -> Json:
    if group_by:
        asked["group_by"] = ",".join(group_by)
    response = service.get(f"/v1/accounts/{quote(account)}/usage", **asked)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def key_of(group: Json, by: list[str]) -> Key:
    return tuple(group[name] for name in by)


def check_buckets(
    answer: Json, events: list[Json], by: list[str], limit: int, time: Callable[[Json], datetime] = at
) -> None:
    """Every bucket has its events' usage by group; the largest groups of all are shown, the others are one."""
    buckets = answer["buckets"]
    starts = [datetime.fromisoformat(bucket["start"]) for bucket in buckets]
    assert starts[1:] == [datetime.fromisoformat(bucket["end"]) for bucket in buckets[:-1]]
    end = datetime.fromisoformat(buckets[-1]["end"])
    times = [time(event) for event in events]
    assert times == sorted(times)
    inside = events[bisect_left(times, starts[0]) : bisect_left(times, end)]
    whole = used(inside, by)
    shown = {key_of(group, by) for bucket in buckets for group in bucket["groups"] if "other" not in group}
    assert len(shown) == min(limit, len(whole))
    least = min((whole[key]["credits"] for key in shown), default=0)
    assert all(sums["credits"] <= least for key, sums in whole.items() if key not in shown)
    for bucket, start in zip(buckets, starts, strict=True):
        until = datetime.fromisoformat(bucket["end"])
        expected = used(events[bisect_left(times, start) : bisect_left(times, until)], by)
        others = added(sums for key, sums in expected.items() if key not in shown)
        named = {key_of(group, by): added([group]) for group in bucket["groups"] if "other" not in group}
        assert named == {key: added([sums]) for key, sums in expected.items() if key in shown}
        for group in bucket["groups"]:
            if "other" not in group:
                check_percentiles(group, expected[key_of(group, by)]["durations"])
        assert [added([g]) for g in bucket["groups"] if "other" in g] == ([others] if others["count"] else [])
        assert "other" not in [name for group in bucket["groups"][:-1] for name in group]
    assert answer["truncated"] == (len(whole) > limit)
    assert added([answer["totals"]]) == added(whole.values())
    check_percentiles(answer["totals"], sorted(one for sums in whole.values() for one in sums["durations"]))


@pytest.mark.parametrize("granularity", ["1h", "1d", "total"])
def test_usage_by_occurrence(year: Year, granularity: str) -> None:
    """By the time that callers say, and where they say none, by that of recording."""
    events, by = sorted(year.events[BUSY], key=occurred), ["model", "key"]
    asked = period(date(2024, 9, 5), date(2024, 10, 6), tz="Asia/Kathmandu", granularity=granularity)
    answer = usage(year.service, BUSY, by, **asked, by="occurred", limit=4)
    assert answer["by"] == "occurred"
    check_buckets(answer, events, by, 4, occurred)
    assert answer["totals"] != usage(year.service, BUSY, by, **asked, limit=4)["totals"]


@pytest.mark.parametrize("by", GROUPINGS, ids=lambda by: ",".join(by) or "nothing")
def test_usage_by_any_dimensions_and_any_limit(year: Year, by: list[str]) -> None:
    events = year.events[BUSY]
    for limit in (1, 2, 5, 1_000):
        answer = usage(year.service, BUSY, by, **period(FIRST, LAST, granularity="total", limit=limit))
        check_buckets(answer, events, by, limit)
        assert answer["group_by"] == by
    some = period(date(2024, 10, 1), date(2024, 11, 10), tz="Australia/Lord_Howe", limit=3)
    check_buckets(usage(year.service, BUSY, by, granularity="1d", **some), events, by, 3)


def test_the_groups_are_ranked_by_their_credits(year: Year) -> None:
    answer = usage(year.service, BUSY, ["member", "model"], **period(FIRST, LAST, granularity="total"))
    credits = [group["credits"] for group in answer["buckets"][0]["groups"]]
    assert credits == sorted(credits, reverse=True)
    assert len(credits) > 10


def test_usage_is_what_days_and_history_say_was_deducted(year: Year) -> None:
    for tz in some_zones():
        print(tz)
        check_usage(year, tz)


def check_usage(year: Year, tz: str) -> None:
    """The usage of a year in one zone is what its days and its history say."""
    whole = period(FIRST, LAST, tz=tz)
    days = daily(year.service, BUSY, **whole)
    per_day = usage(year.service, BUSY, **whole)
    deducted = [day["deducted"] for day in days["days"]]
    assert [added(bucket["groups"])["credits"] for bucket in per_day["buckets"]] == deducted
    assert [(bucket["start"], bucket["end"]) for bucket in per_day["buckets"]] == [
        (day["start"], day["end"]) for day in days["days"]
    ]
    at_once = usage(year.service, BUSY, ["model"], **whole, granularity="total", limit=2)
    spent = [entry for entry in year.entries[BUSY] if entry["type"] in {"deduction", "capture"}]
    start, end = (datetime.fromisoformat(days["days"][place][name]) for place, name in ((0, "start"), (-1, "end")))
    from_history = -sum(entry["credits"] for entry in spent if start <= at(entry) < end)
    assert at_once["totals"] == per_day["totals"]
    assert at_once["totals"]["credits"] == days["totals"]["deducted"] == from_history == sum(deducted)
    assert at_once["totals"]["count"] == days["totals"]["deductions"]


@pytest.mark.parametrize("tz", SOME_ZONES)
@pytest.mark.parametrize(
    ("first", "last"), [(date(2024, 3, 28), date(2024, 4, 8)), (date(2024, 9, 5), date(2024, 10, 6))]
)
def test_usage_of_hours_and_quarters(year: Year, tz: str, first: date, last: date) -> None:
    asked = period(first, min(last, first + 30 * DAY), tz=tz)
    hours = usage(year.service, BUSY, ["provider"], **asked, granularity="1h")
    quarters = usage(year.service, BUSY, ["provider"], **asked, granularity="15m")
    for answer in (hours, quarters):
        check_buckets(answer, year.events[BUSY], ["provider"], 20)
    assert hours["totals"] == quarters["totals"] == usage(year.service, BUSY, **asked)["totals"]
    spans = [(datetime.fromisoformat(b["start"]), datetime.fromisoformat(b["end"])) for b in quarters["buckets"]]
    assert {end - start for start, end in spans} == {timedelta(minutes=15)}
    for bucket in hours["buckets"]:
        local = datetime.fromisoformat(bucket["start"]).astimezone(ZoneInfo(tz))
        assert (local.minute, local.second) == (0, 0)


def test_what_is_metered_counts_its_quantity_and_no_credits(service: Service) -> None:
    account, now = service.open_account(permanent=10), datetime.now(UTC)
    path, usage_ = f"/v1/accounts/{account}", {"metric": "image", "member": "ada"}
    before = (now - 3 * DAY).isoformat()
    for number, more in enumerate([{}, {"occurred_at": before}]):
        body = {"quantity": 5 + number, "usage": usage_ | {"duration_ms": 700, "success": False}, **more}
        assert service.post(f"{path}/usage", body, key=f"m{number}").status_code == 201
    done = service.post(f"{path}/deductions", {"amount": 3, "usage": usage_ | {"quantity": 2}}, key="d").json()
    asked = period(now.date(), now.date() + DAY, granularity="total", min_position=done["position"])
    wanted = {"credits": 3, "count": 1, "metered": 2, "quantity": 13, "failures": 2, "timed": 2, "duration_ms": 1_400}
    [group] = usage(service, account, ["metric"], **asked)["buckets"][0]["groups"]
    assert {name: group[name] for name in wanted} == wanted
    check_percentiles(group, [700, 700])
    totals = daily(service, account, **without(asked, {"granularity"}))["totals"]
    assert (totals["quantity"], totals["metered"], totals["failures"]) == (13, 2, 2)
    earlier = asked | {"from": before[:10], "to": before[:10], "by": "occurred"}
    [group] = usage(service, account, ["metric", "member"], **earlier)["buckets"][0]["groups"]
    assert (group["metric"], group["member"], group["quantity"], group["count"]) == ("image", "ada", 6, 0)
    assert usage(service, account, ["metric"], **asked, by="occurred")["totals"]["quantity"] == 7


def test_sums_beyond_64_bits_are_exact(service: Service) -> None:
    largest, times = 2**53 - 1, 2_100
    account = service.open_account(permanent=0)
    commands: list[Json] = []
    for _ in range(times):
        words: Json = dict.fromkeys(("input_tokens", "cached_tokens", "quantity", "duration_ms"), largest)
        words["model"] = "m"
        commands.append({"op": "grant", "account_id": account, "kind": "permanent", "amount": largest})
        commands.append({"op": "deduct", "account_id": account, "amount": largest, "usage": words})
    for n, command in enumerate(commands):
        command["idempotency_key"] = f"k{n}"
    results = service.post("/v1/batch", {"commands": commands}).json()["results"]
    assert {result["status"] for result in results} == {201}
    today = datetime.now(UTC).date()
    asked = period(today - DAY, today + DAY, min_position=results[-1]["position"])
    totals = daily(service, account, **asked)["totals"]
    assert (totals["granted"], totals["deducted"], totals["closing_balance"]) == (times * largest, times * largest, 0)
    found = usage(service, account, ["model"], **asked)["totals"]
    sums_ = dict.fromkeys(("credits", "input_tokens", "cached_tokens"), times * largest) | {
        "output_tokens": 0,
        "count": times,
    }
    assert {name: found[name] for name in sums_} == sums_
    assert found["duration_ms"] == found["quantity"] == times * largest
    everybody = service.get("/v1/statistics", **asked)
    assert everybody.status_code == 200
    assert everybody.json()["totals"]["deducted"] >= times * largest
    week = service.get(f"/v1/accounts/{account}/summary").json()["last_seven_days"]
    assert sum(day["deducted"] for day in week) == times * largest


# Statistics ---------------------------------------------------------------------------------------------------


def statistics(service: Service, **asked: Any) -> Json:
    response = service.get("/v1/statistics", **asked)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def of_all(year: Year, first: date, last: date, tz: str) -> list[Json]:
    """One row per day: the sums of all accounts."""
    rows = zip(*(days_of(year.events[account], first, last, tz) for account in ACCOUNTS), strict=True)
    opened = Counter(date for account in ACCOUNTS for date in by_date(year.events[account][:1], tz))
    return [operators_row(parts, opened[date.fromisoformat(parts[0]["date"])]) for parts in rows]


def operators_row(parts: tuple[Json, ...], opened: int) -> Json:
    """The sums of one day of all accounts. Nothing is asked for in this year that is not available."""

    def of(name: str) -> int:
        return sum(part[name] for part in parts)

    return {
        "date": parts[0]["date"],
        "granted": of("granted"),
        "deducted": of("deducted"),
        "reversed": of("reversed"),
        "spent": of("deducted") - of("reversed"),
        "lapsed": of("expired"),
        "voided": of("voided"),
        "uncollected": 0,
        "waived": 0,
        "deductions": of("deductions"),
        "accounts_opened": opened,
        "outstanding": {
            "total": of("closing_balance"),
            "subscription_credits": of("closing_subscription_credits"),
            "permanent_credits": of("closing_permanent_credits"),
        },
        "refusals": {},
    }


def test_statistics_are_the_sums_over_all_accounts(year: Year) -> None:
    for tz in some_zones():
        print(tz)
        answer = statistics(year.service, **period(FIRST, LAST, tz=tz))
        expected = of_all(year, FIRST, LAST, tz)
        assert without_ends(answer["days"]) == expected
        flows = [name for name in expected[0] if name not in {"date", "outstanding", "refusals"}]
        assert {name: answer["totals"][name] for name in flows} == {
            name: sum(row[name] for row in expected) for name in flows
        }
        assert answer["totals"]["outstanding"] == expected[-1]["outstanding"]


def test_statistics_tell_how_long_work_took_and_how_often_it_failed(year: Year) -> None:
    """Of all accounts, in total and by provider and model; what has no duration and no failure is in no group."""
    for first, last, tz in [(FIRST, LAST, "UTC"), (date(2024, 10, 1), date(2024, 10, 31), "Asia/Kathmandu")]:
        answer = statistics(year.service, **period(first, last, tz=tz))
        start, end = (
            datetime.fromisoformat(answer["days"][place][name]) for place, name in ((0, "start"), (-1, "end"))
        )
        inside = [event for account in ACCOUNTS for event in year.events[account] if start <= at(event) < end]
        expected = used(inside, ["provider", "model"])
        whole = added(expected.values())
        totals = answer["totals"]
        assert {name: totals[name] for name in ("quantity", "failures", "timed", "duration_ms")} == {
            name: whole[name] for name in ("quantity", "failures", "timed", "duration_ms")
        }
        check_percentiles(totals, sorted(one for sums in expected.values() for one in sums["durations"]))
        shown = {(one["provider"], one["model"]): one for one in answer["groups"] if "other" not in one}
        said = {key: sums for key, sums in expected.items() if sums["timed"] or sums["failures"]}
        assert len(shown) == min(len(said), 20)
        for key, group in shown.items():
            assert [group[name] for name in ("failures", "timed", "duration_ms")] == [
                said[key][name] for name in ("failures", "timed", "duration_ms")
            ]
            check_percentiles(group, said[key]["durations"])
        for name in ("failures", "timed", "duration_ms"):
            assert sum(group[name] for group in answer["groups"]) == totals[name]


def test_statistics_of_a_period_know_what_was_owed_before(year: Year) -> None:
    for first, last in [(date(2024, 10, 1), date(2024, 10, 31)), (LAST + 60 * DAY, LAST + 61 * DAY)]:
        answer = statistics(year.service, **period(first, last, tz="Asia/Kathmandu"))
        assert without_ends(answer["days"]) == of_all(year, first, last, "Asia/Kathmandu")
    before = statistics(year.service, **period(FIRST - 9 * DAY, FIRST - 2 * DAY))
    assert before["totals"]["outstanding"]["total"] == before["totals"]["granted"] == 0


def test_what_is_outstanding_is_what_all_accounts_have(year: Year) -> None:
    total = statistics(year.service, **period(LAST + 60 * DAY, LAST + 60 * DAY))["totals"]["outstanding"]["total"]
    listed = year.service.get("/v1/accounts", limit=1000).json()["accounts"]
    assert total == sum(account["total"] for account in listed) > 0


def test_refusals_are_counted_by_code(year: Year) -> None:
    """Nothing is recorded of them; each worker writes its counts every second."""
    service = year.service
    today = datetime.now(UTC).date()
    asked = period(today - DAY, today + DAY)
    poor, nobody = Ask("deduct", IDLE, {"amount": 5}), Ask("deduct", fresh("nobody"), {"amount": 5})
    assert statistics(service, **asked)["totals"]["refusals"] == {}
    for n in range(3):
        refused(poor.post(service, f"k{n}"), 402, "insufficient_credits")
    refused(nobody.post(service, "k"), 404, "account_not_found")
    refused(poor.but(amount=0).post(service, "k"), 422, "validation_failed")  # no command, so not a refused one
    refused(poor.post(service, "k", "?dry_run=true"), 402, "insufficient_credits")  # nor is what was only rehearsed
    items = [poor.item("b1"), poor.item("b2"), nobody.item("b3")]
    assert [r["status"] for r in service.post("/v1/batch", {"commands": items}).json()["results"]] == [402, 402, 404]
    expected = {"insufficient_credits": 5, "account_not_found": 2}
    eventually(lambda: bool(statistics(service, **asked)["totals"]["refusals"] == expected))
    by_day = [day["refusals"] for day in statistics(service, **asked)["days"]]
    assert sum((Counter(counts) for counts in by_day), Counter()) == expected
