"""The running-balance history: the same entries and balances under every filter, order and page size, and as CSV."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.api.queries.year import ACCOUNTS, BUSY, IDLE, SMALL, Year
from tests.api.stage import Ask, Json, balance, eventually, fresh, payment, refused, staged
from tests.long_form import times
from tests.postgres import owner
from tests.service import ADMIN_KEY, PLAIN, Service

TYPES = ["grant", "deduction", "capture", "reversal", "void", "expiry", "reinstatement"]
TYPE_FILTERS = [None, *TYPES, "grant,expiry", "deduction,capture", "deduction,grant,void", ",".join(TYPES)]
COLUMNS = [
    *("sequence", "version", "recorded_at", "type", "credits", "subscription_credits", "permanent_credits"),
    *("balance_before", "balance_after", "description", "task_id", "transaction_id", "payment_id", "source"),
    *("grant_id", "deduction_id", "hold_id"),
]
DIMENSIONS = ["provider", "model", "project", "member", "metric"]
USAGE = [*DIMENSIONS, "input_tokens", "output_tokens", "key", "agent", "quantity", "duration_ms", "success"]


LIMITS = [1, 2, 7, 50, 1_000]


def pages(service: Service, account: str, **filters: Any) -> Iterator[list[Json]]:
    """All pages of a history."""
    path = f"/v1/accounts/{quote(account)}/history"
    page = service.get(path, **filters).json()
    yield page["entries"]
    while page["next_cursor"]:
        page = service.get(path, **{**filters, "cursor": page["next_cursor"]}).json()
        assert page["entries"], "a cursor that leads nowhere"
        yield page["entries"]


def wanted(entries: list[Json], filters: dict[str, Any]) -> list[Json]:
    """The entries of an unfiltered list, oldest first, that match filters."""
    types = filters["type"].split(",") if "type" in filters else TYPES
    found = [
        entry
        for entry in entries
        if entry["type"] in types
        and ("task_id" not in filters or entry["task_id"] == filters["task_id"])
        and ("from" not in filters or instant(entry["recorded_at"]) >= instant(filters["from"]))
        and ("to" not in filters or instant(entry["recorded_at"]) < instant(filters["to"]))
        and all(name not in filters or (entry["usage"] or {}).get(name) == filters[name] for name in DIMENSIONS)
    ]
    return found if filters.get("order") == "asc" else found[::-1]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def periods(entries: list[Json]) -> list[dict[str, str]]:
    """None; open at either end; from the very moment of one entry to that of another; within which nothing lies."""
    early, late = (entries[len(entries) * part // 4]["recorded_at"] for part in (1, 3))
    other = instant(late).astimezone(UTC) + timedelta(hours=5, minutes=45)
    return [
        {},
        {"from": early},
        {"to": late},
        {"from": early, "to": other.strftime("%Y-%m-%dT%H:%M:%S.%f+05:45")},
        {"from": early, "to": early},
    ]


def all_filters(entries: list[Json]) -> list[dict[str, Any]]:
    types = [{} if types is None else {"type": types} for types in TYPE_FILTERS]
    tasks: list[dict[str, str]] = [{}, {"task_id": "task-1"}, {"task_id": "tâche/3"}, {"task_id": "task"}]
    return [{**kind, **period, **task} for kind in types for period in periods(entries) for task in tasks]


# Pages --------------------------------------------------------------------------------------------------------


def test_entries_run_from_nothing_to_the_balance(year: Year) -> None:
    for account, entries in year.entries.items():
        sequences = [entry["sequence"] for entry in entries]
        assert sequences == sorted(set(sequences))
        assert [entry["balance_after"] for entry in entries[:-1]] == [entry["balance_before"] for entry in entries[1:]]
        for entry in entries:
            assert entry["credits"] == entry["subscription_credits"] + entry["permanent_credits"] != 0
            assert entry["balance_after"] == entry["balance_before"] + entry["credits"] >= 0
        total = sum(entry["credits"] for entry in entries)
        assert total == balance(year.service, quote(account))["total"]
        assert account == IDLE or (entries[0]["balance_before"], entries[-1]["balance_after"]) == (0, total)


def test_the_year_has_entries_of_every_kind(year: Year) -> None:
    """The cases that the tests below must cover: without these they would prove less."""
    for account in (SMALL, BUSY):
        assert {entry["type"] for entry in year.entries[account]} == set(TYPES)
    entries = year.entries[BUSY]
    assert any(one["version"] == other["version"] for one, other in pairwise(entries)), "two entries of one event"
    assert any(entry["subscription_credits"] and entry["permanent_credits"] for entry in entries)
    assert len(entries) > 1_000
    assert {entry["task_id"] for entry in entries} >= {None, "task-1", "tâche/3"}


def test_entries_are_what_the_events_say(year: Year) -> None:
    """The balance of the last entry of an event is that of the event, as are its other fields."""
    for account in ACCOUNTS:
        events = {event["version"]: event for event in year.events[account]}
        last = {entry["version"]: entry for entry in year.entries[account]}
        for version, entry in last.items():
            event, data = events[version], events[version]["data"]
            said = data["balance"]
            assert entry["balance_after"] == said["subscription_credits"] + said["permanent_credits"]
            assert entry["recorded_at"] == event["recorded_at"]
            for name in ("task_id", "transaction_id", "payment_id", "source", "usage", "hold_id", "occurred_at"):
                assert entry[name] == data.get(name), event
            assert entry["description"] == data.get("description", data.get("reason"))


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("limit", LIMITS)
def test_every_filter_leaves_the_same_entries_whatever_the_page_size(year: Year, order: str, limit: int) -> None:
    entries, share = year.entries[SMALL], times(3, 1)
    for filters in all_filters(entries)[LIMITS.index(limit) % share :: share]:
        asked = {**filters, "order": order}
        expected = wanted(entries, asked)
        if limit == 1 and len(expected) > 30:
            continue  # a hundred pages of one entry are gone through once, below
        walked = list(pages(year.service, SMALL, limit=limit, **asked))
        assert [entry for page in walked for entry in page] == expected, asked
        assert all(len(page) == limit for page in walked[:-1])


USAGES: list[dict[str, str]] = [
    {"provider": "one"},
    {"model": "huge", "member": "Ann"},
    {"project": "b", "metric": "images", "type": "capture,deduction,grant"},
    {"provider": "two", "model": "small", "project": "a", "member": "bob", "task_id": "task-1"},
    {"member": "ANN"},
    {"provider": "one", "type": "grant"},
]


@pytest.mark.parametrize("usage", USAGES)
def test_entries_of_a_usage(year: Year, usage: dict[str, str]) -> None:
    """Pages of them, and the file."""
    entries = year.entries[BUSY]
    for limit, period in zip((50, 7, 97, 1_000, 1_000), periods(entries), strict=True):
        for order in ("asc", "desc"):
            asked = {**usage, **period, "order": order}
            walked = [entry for page in pages(year.service, BUSY, limit=limit, **asked) for entry in page]
            assert walked == wanted(entries, asked), asked
            assert csv_rows(year.service, BUSY, **asked) == [as_row(entry) for entry in walked]


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_a_whole_history_in_small_pages(year: Year, limit: int) -> None:
    walked = [entry for page in pages(year.service, SMALL, limit=limit) for entry in page]
    assert walked == year.entries[SMALL][::-1]


@pytest.mark.parametrize("types", TYPE_FILTERS)
def test_a_long_history_in_pages_under_filters(year: Year, types: str | None) -> None:
    entries = year.entries[BUSY]
    filters: dict[str, Any] = {} if types is None else {"type": types}
    for limit, period in zip((50, 50, 97, 1_000, 1_000), periods(entries), strict=True):
        for order in ("asc", "desc"):
            asked = {**filters, **period, "order": order}
            walked = [entry for page in pages(year.service, BUSY, limit=limit, **asked) for entry in page]
            assert walked == wanted(entries, asked), asked


def test_the_default_is_fifty_newest_first(year: Year) -> None:
    page = year.service.get(f"/v1/accounts/{BUSY}/history").json()
    assert page["entries"] == year.entries[BUSY][:-51:-1]


def test_an_account_without_entries_and_one_that_is_not_there(year: Year) -> None:
    page = year.service.get(f"/v1/accounts/{IDLE}/history").json()
    assert (page["entries"], page["next_cursor"]) == ([], None)
    for name in ("history", "history.csv"):
        nobody = fresh("nobody")
        refused(year.service.get(f"/v1/accounts/{nobody}/{name}"), 404, "account_not_found", account_id=nobody)


# Pages while entries arrive -----------------------------------------------------------------------------------


def deduct(service: Service, account: str, key: str) -> int:
    done = Ask("deduct", account, {"amount": 1}).post(service, key)
    assert done.status_code == 201
    position: int = done.json()["position"]
    return position


def test_pages_newest_first_are_those_of_the_moment_at_which_they_began(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    last = [deduct(service, account, f"before-{n}") for n in range(25)][-1]
    walked: list[Json] = []
    for number, page in enumerate(pages(service, account, limit=3, min_position=last)):
        walked += page
        seen = deduct(service, account, f"after-{number}")
        assert service.get(f"/v1/accounts/{account}/history", min_position=seen, limit=1).status_code == 200
    assert [entry["balance_after"] for entry in walked] == list(range(975, 1_001))


def test_pages_oldest_first_have_no_entry_twice_and_miss_none(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    last = [deduct(service, account, f"before-{n}") for n in range(25)][-1]
    walked: list[Json] = []
    for number, page in enumerate(pages(service, account, limit=3, order="asc", min_position=last)):
        walked += page
        seen = deduct(service, account, f"after-{number}")
        assert service.get(f"/v1/accounts/{account}/history", min_position=seen, limit=1).status_code == 200
    whole = next(pages(service, account, limit=1_000, order="asc"))
    assert walked == whole[: len(walked)]
    assert len(walked) > 30  # it went past what was there when it began


def test_an_expiry_and_a_late_reversal_are_entries(service: Service) -> None:
    """With the service's own clock: a lot lapses, and credits given back to it later lapse too, and are shown."""
    account = service.open_account(permanent=5)
    end = datetime.now(UTC) + timedelta(seconds=2)
    Ask("grant", account, {"kind": "subscription", "amount": 10, "expires_at": end.isoformat()}).post(service, "g")
    spent = Ask("deduct", account, {"amount": 4}).post(service, "d").json()
    eventually(lambda: bool(balance(service, account)["total"] == 5))
    done = Ask("reverse", account, {}, {"deduction_id": spent["deduction_id"]}).post(service, "r").json()
    page = service.get(f"/v1/accounts/{account}/history", order="asc", min_position=done["position"]).json()
    shown = [(entry["type"], entry["credits"], entry["balance_after"]) for entry in page["entries"]]
    assert shown[2:] == [("deduction", -4, 11), ("expiry", -6, 5), ("reversal", 4, 9), ("expiry", -4, 5)]


# CSV ----------------------------------------------------------------------------------------------------------


def csv_rows(service: Service, account: str, **filters: Any) -> list[dict[str, str]]:
    answer = service.get(f"/v1/accounts/{account}/history.csv", **filters)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="history.csv"'
    rows = csv.DictReader(io.StringIO(answer.content.decode(), newline=""))
    assert rows.fieldnames == [*COLUMNS, *USAGE, "occurred_at", "uncollected", "cached_tokens"]
    return list(rows)


def as_row(entry: Json) -> dict[str, str]:
    usage = entry["usage"] or {}
    values = {name: entry[name] for name in COLUMNS} | {name: usage.get(name) for name in [*USAGE, "cached_tokens"]}
    values |= {name: entry[name] for name in ("occurred_at", "uncollected")}
    said = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    return {name: "" if value is None else str(value) for name, value in said.items()}


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_the_file_has_what_the_list_has_under_every_filter(year: Year, order: str) -> None:
    entries = year.entries[SMALL]
    for filters in all_filters(entries):
        asked = {**filters, "order": order}
        assert csv_rows(year.service, SMALL, **asked) == [as_row(entry) for entry in wanted(entries, asked)], asked


def test_the_file_of_a_long_history(year: Year) -> None:
    """It is longer than a page of the list can be."""
    entries = year.entries[BUSY]
    assert csv_rows(year.service, BUSY) == [as_row(entry) for entry in entries[::-1]]
    assert csv_rows(year.service, BUSY, order="asc") == [as_row(entry) for entry in entries]
    assert csv_rows(year.service, IDLE) == []


TEXTS = [
    "quotes \"inside\" and 'outside'",
    "commas, semicolons; tabs\tand | pipes",
    "two\nlines\n",
    "\u202eright to left\u202c and \u200fmarks\u200e",
    "\N{GRINNING FACE} \N{FAMILY} e\u0301",
    "",
    " leading and trailing ",
    "null",
    '"',
    ",",
    "\n",
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "-", "=", "\t1", "\N{NO-BREAK SPACE}=1"]


@pytest.mark.parametrize("text", [*TEXTS, *FORMULAS])
def test_texts_of_callers_come_back_and_are_no_formulas(service: Service, text: str) -> None:
    account = service.open_account(permanent=10)
    done = Ask("deduct", account, {"amount": 1, "description": text}).post(service, "k").json()
    [row, _] = csv_rows(service, account, min_position=done["position"])
    assert row["description"] == (f"'{text}" if text in FORMULAS else text)
    assert (row["credits"], row["balance_after"]) == ("-1", "9")


def test_every_text_of_a_caller_is_guarded(service: Service) -> None:
    account, text = service.open_account(permanent=10), "=cmd|'/c calc'!A0"
    words = dict.fromkeys(("provider", "model", "project", "member", "metric"), text)
    asks = [
        Ask("deduct", account, {"amount": 1, "task_id": text, "usage": words}),
        Ask("grant", account, {"amount": 1, "kind": "permanent", "transaction_id": text}),
        Ask("payment", account, payment(text, grant={"kind": "permanent", "amount": 1})),
    ]
    position = [ask.post(service).json()["position"] for ask in asks][-1]
    bought, granted, spent, _ = csv_rows(service, account, min_position=position)
    found = [bought["payment_id"], granted["transaction_id"], spent["task_id"], *(spent[name] for name in words)]
    assert found == [f"'{text}"] * 8


# A long file --------------------------------------------------------------------------------------------------

MANY = 30_000
WAITING_FOR_ENTRIES = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%FROM projection_history.entry_answers%'
"""


@contextmanager
def streamed(service: Service, account: str) -> Iterator[httpx.Response]:
    """A file as it comes; the client that holds answers against the contract would read all of it first."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with httpx.stream(
        "GET",
        f"{service.url}/v1/accounts/{account}/history.csv",
        headers=headers,
        timeout=60,
        trust_env=False,
        verify=PLAIN,
    ) as answer:
        yield answer


@pytest.fixture(scope="module")
def long_account(crowded: Service) -> str:
    """An account with a history that is worth a stream."""
    service, account = crowded, crowded.open_account(permanent=MANY)
    command = {"op": "deduct", "account_id": account, "amount": 1}
    last = 0
    for start in range(0, MANY, 10_000):
        keys = [f"k{n}" for n in range(start, start + 10_000)]
        answer = service.post("/v1/batch", {"commands": [{**command, "idempotency_key": key} for key in keys]})
        assert Counter(result["status"] for result in answer.json()["results"]) == {201: 10_000}
        last = answer.json()["results"][-1]["position"]
    eventually(
        lambda: service.get(f"/v1/accounts/{account}/history", min_position=last, limit=1).status_code == 200, 60
    )
    return account


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_the_file_has_no_limit(crowded: Service, long_account: str, order: str) -> None:
    rows = csv_rows(crowded, long_account, order=order)
    balances = [int(row["balance_after"]) for row in rows]
    assert balances == (list(range(MANY + 1)) if order == "desc" else list(range(MANY, -1, -1)))


def test_the_first_lines_come_while_the_database_still_has_the_last(crowded: Service, long_account: str) -> None:
    """In the middle of the file the entries cannot be read for a while: the answer continues when they can."""
    with (
        streamed(crowded, long_account) as answer,
        psycopg.connect(crowded.conninfo) as other,
        psycopg.connect(owner(crowded.conninfo), autocommit=True) as plain,
    ):
        assert "content-length" not in answer.headers
        parts = answer.iter_bytes()
        first = next(parts)
        other.execute("LOCK TABLE projection_history.entries IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: plain.execute(WAITING_FOR_ENTRIES).fetchone() != (0,))
        other.rollback()
        lines = (first + b"".join(parts)).count(b"\r\n")
    assert lines == 1 + MANY + 1


def test_a_reader_who_leaves_does_not_keep_a_connection(crowded: Service, long_account: str) -> None:
    """The pool of the views has four."""
    for _ in range(12):
        with streamed(crowded, long_account) as answer:
            assert len(list(islice(answer.iter_bytes(), 1))) == 1
    assert crowded.get(f"/v1/accounts/{long_account}/history", limit=1).status_code == 200


def test_the_file_ends_with_what_was_there_when_it_began(service: Service) -> None:
    account = staged(service)
    answer = service.get(f"/v1/accounts/{account}/history.csv")
    position = int(answer.headers["as-of-position"])
    after = Ask("deduct", account, {"amount": 1}).post(service, "k").json()["position"]
    assert position < after
    assert (
        int(service.get(f"/v1/accounts/{account}/history.csv", min_position=after).headers["as-of-position"]) >= after
    )
