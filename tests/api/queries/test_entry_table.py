"""The table of entries against the whole history: filtered, sorted and cut into pages here, in the plainest way."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.contract.problems import Problem
from api.http.json_answer import JsonAnswer
from api.http.queries.entry_table import Table, entry_table_of, entry_table_pages
from api.http.queries.periods import Period
from api.http.queries.query import Page
from api.http.queries.reads import Reads
from ledger.domain.errors import AccountNotFound
from projections.models.history.entry_lines import csv_of
from tests.api.queries.wired import wired
from tests.api.queries.year import BUSY, FIRST, IDLE, LAST, SMALL, Year
from tests.api.stage import Json

DAY = timedelta(days=1)
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "America/Asuncion"]
SORTS: list[Any] = ["newest first", "oldest first", "largest first", "smallest first"]
TYPES: list[Any] = ["grant", "deduction", "capture", "reversal", "void", "expiry", "reinstatement"]
USED: Any = ("deduction", "capture")
SAID = {
    "provider": ["one", "two", "three"],
    "model": ["small", "large"],
    "project": ["a", "b"],
    "member": ["ann", "Ann", "bob"],
    "metric": ["images"],
}
WHOLE = Period(FIRST, LAST + 50 * DAY, ZoneInfo("UTC"))


@pytest_asyncio.fixture
async def reads(year: Year) -> AsyncIterator[Reads]:
    async with wired(year.service.conninfo) as found:
        yield found


# What is expected ---------------------------------------------------------------------------------------------


def at(entry: Json) -> datetime:
    return datetime.fromisoformat(entry["recorded_at"])


def in_period(entries: list[Json], period: Period) -> list[Json]:
    return [one for one in entries if period.first <= at(one).astimezone(period.tz).date() <= period.last]


def matches(table: Table) -> Callable[[Json], bool]:
    def found(entry: Json) -> bool:
        said = entry["usage"] or {}
        return (
            (table.types is None or entry["type"] in table.types)
            and (table.task_id is None or entry["task_id"] == table.task_id)
            and all(said.get(name) == value for name, value in table.usage)
        )

    return found


def in_order(entries: list[Json], sort: str) -> list[Json]:
    """The entries come oldest first."""
    if sort in ("largest first", "smallest first"):
        entries = sorted(entries, key=lambda entry: (abs(entry["credits"]), at(entry), entry["sequence"]))
    return entries[::-1] if sort in ("newest first", "largest first") else entries


def pages_of(entries: list[Json], table: Table, limit: int, look_through: int) -> list[tuple[list[Json], Any]]:
    """Each page, and where it stopped. The search limit matters only by date and with a filter by usage."""
    rest = in_order(in_period(entries, table.period), table.sort)
    bounded = bool(table.usage) and table.task_id is None and table.sort in ("newest first", "oldest first")
    pages = []
    while True:
        looked_at = rest[:look_through] if bounded else rest
        found = list(filter(matches(table), looked_at))
        seen = looked_at.index(found[limit - 1]) + 1 if len(found) > limit else len(looked_at)
        found, rest = found[:limit], rest[seen:]
        pages.append((found, looked_at[-1]["recorded_at"] if rest and len(found) < limit else None))
        if not rest:
            return pages


# What is answered ---------------------------------------------------------------------------------------------


async def asked(reads: Reads, table: Table, page: Page, look_through: int) -> Json:
    answer = await entry_table_of(reads, table, page, look_through=look_through)
    found: Json = orjson.loads(JsonAnswer(answer).body)
    return found


async def walked(reads: Reads, table: Table, limit: int, look_through: int) -> list[tuple[list[Json], Any]]:
    pages = []
    page = Page(limit)
    while True:
        answer = await asked(reads, table, page, look_through)
        pages.append((answer["entries"], answer["stopped_at"]))
        if answer["next_cursor"] is None:
            return pages
        page = Page(limit, answer["next_cursor"])


async def file_of(reads: Reads, table: Table, look_through: int) -> list[dict[str, str]]:
    _, pages = await entry_table_pages(reads, table, look_through=look_through)
    text = "".join([part async for part in csv_of(pages)])
    return list(csv.DictReader(io.StringIO(text, newline="")))


class Case(NamedTuple):
    table: Table
    limit: int
    look_through: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    account = draw(st.sampled_from([SMALL, BUSY]))
    first = FIRST + draw(st.integers(-2, (LAST - FIRST).days)) * DAY
    last = first + draw(st.sampled_from([0, 1, 30, 90, 450])) * DAY
    usage = draw(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in SAID.items()}))
    table = Table(
        account,
        Period(first, last, ZoneInfo(draw(st.sampled_from(ZONES)))),
        draw(st.sampled_from(SORTS)),
        draw(
            st.sampled_from([USED, USED, None]) | st.lists(st.sampled_from(TYPES), min_size=1, unique=True).map(tuple)
        ),
        draw(st.sampled_from([None, None, None, "task-1", "tâche/3", "task"])),
        tuple(usage.items()),
    )
    least = 1 if account == SMALL else 20
    return Case(table, draw(st.integers(least, 80)), draw(st.sampled_from([3, 10, 64, 20_000])) * least)


def case(sort: Any, limit: int, look_through: int, **usage: str) -> Case:
    return Case(Table(SMALL, WHOLE, sort, usage=tuple(usage.items())), limit, look_through)


@given(tried=cases())
@example(case("newest first", 5, 7, project="a"))
@example(case("oldest first", 1, 3, project="nothing of that name"))
@example(case("largest first", 7, 1_000))
@example(case("smallest first", 7, 1_000, provider="one"))
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
async def test_pages_and_file_are_what_a_plain_filter_and_sort_leave(year: Year, reads: Reads, tried: Case) -> None:
    table, limit, look_through = tried
    entries = year.entries[table.account_id]
    count = len(in_period(entries, table.period))
    if table.sort in ("largest first", "smallest first") and table.task_id is None and count > look_through:
        for answer in (asked(reads, table, Page(limit), look_through), file_of(reads, table, look_through)):
            with pytest.raises(Problem) as refused:
                await answer
            [error] = refused.value.facts["errors"]
            assert (error["field"], error["limits"]) == ("sort", {"entries": look_through})
            assert f"{count:,} entries" in error["message"]
        return
    expected = pages_of(entries, table, limit, look_through)
    assert await walked(reads, table, limit, look_through) == expected
    lines = [(row["sequence"], row["credits"], row["project"]) for row in await file_of(reads, table, look_through)]
    shown = [one for page, _ in expected for one in page]
    assert lines == [
        (str(one["sequence"]), str(one["credits"]), (one["usage"] or {}).get("project") or "") for one in shown
    ]


async def test_so_many_are_sorted_and_no_more(year: Year, reads: Reads) -> None:
    count = len(in_period(year.entries[SMALL], WHOLE))
    table = Table(SMALL, WHOLE, "largest first", types=None)
    assert len((await asked(reads, table, Page(1_000), count))["entries"]) == count
    with pytest.raises(Problem, match="sort"):
        await asked(reads, table, Page(1_000), count - 1)


async def test_a_cursor_belongs_to_its_table(reads: Reads) -> None:
    table = Table(SMALL, WHOLE)
    others = [
        table._replace(account_id=BUSY),
        table._replace(period=WHOLE._replace(first=WHOLE.first + DAY)),
        table._replace(period=WHOLE._replace(tz=ZoneInfo("Europe/Berlin"))),
        *(table._replace(sort=sort) for sort in SORTS[1:]),
        table._replace(types=("deduction",)),
        table._replace(task_id="task-1"),
        table._replace(usage=(("provider", "one"),)),
    ]
    cursors = [(await asked(reads, one, Page(1), 1_000_000))["next_cursor"] for one in (table, *others)]
    for text in cursors[1:]:
        with pytest.raises(Problem, match="cursor"):
            await asked(reads, table, Page(1, text), 1_000_000)
    for one in others:
        with pytest.raises(Problem, match="cursor"):
            await asked(reads, one, Page(1, cursors[0]), 1_000_000)


async def test_a_cursor_of_the_history_is_none_of_the_table(year: Year, reads: Reads) -> None:
    text = year.service.get(f"/v1/accounts/{SMALL}/history", limit=1).json()["next_cursor"]
    for sort in SORTS:
        with pytest.raises(Problem, match="cursor"):
            await asked(reads, Table(SMALL, WHOLE, sort, types=None), Page(1, text), 20_000)


async def test_an_account_without_entries_and_one_that_is_not_there(reads: Reads) -> None:
    for sort in SORTS:
        table = Table(IDLE, WHOLE, sort)
        assert await walked(reads, table, 50, 100) == [([], None)]
        assert await file_of(reads, table, 100) == []
        nobody = table._replace(account_id="nobody")
        for answer in (asked(reads, nobody, Page(), 100), file_of(reads, nobody, 100)):
            with pytest.raises(AccountNotFound):
                await answer


async def test_a_period_that_cannot_be_is_refused(reads: Reads) -> None:
    for first, last in ((LAST, FIRST), (date(2020, 1, 1), date(2024, 1, 1))):
        table = Table(SMALL, Period(first, last, ZoneInfo("UTC")))
        for answer in (asked(reads, table, Page(), 100), file_of(reads, table, 100)):
            with pytest.raises(Problem, match="to"):
                await answer
