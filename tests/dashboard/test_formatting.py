"""Formatting of numbers, money, times and languages, and the pure functions of the pages."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import example, given
from hypothesis import strategies as st

from api.dashboard import formatting
from api.dashboard.formatting import Formatter, formatter, plural, relative
from api.dashboard.pages.entry_labels import description_of, origin_of, task_and_origin, token_counts
from api.dashboard.pages.overview import EXPIRES_SOON, expiring_soon, runs_out, stale_since
from api.dashboard.pages.usage_charts import MOST_BARS, MOST_COLUMNS, NOT_NAMED, OTHERS, charts_of
from api.dashboard.people_pages.settings import program_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENGLISH = formatter("en-GB", ZoneInfo("Europe/Berlin"), NOW)
MOST = 2**53 - 1


def in_language(languages: str | None) -> Formatter:
    return formatter(languages, ZoneInfo("UTC"), NOW)


# Moments --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "past", "future"),
    [
        (0, "just now", "just now"),
        (9.999, "just now", "in a moment"),
        (10, "10 seconds ago", "in 10 seconds"),
        (59.999, "59 seconds ago", "in 59 seconds"),
        (60, "1 minute ago", "in 1 minute"),
        (119, "1 minute ago", "in 1 minute"),
        (3_599, "59 minutes ago", "in 59 minutes"),
        (3_600, "1 hour ago", "in 1 hour"),
        (86_399, "23 hours ago", "in 23 hours"),
        (86_400, "1 day ago", "in 1 day"),
        (45 * 86_400 - 1, "44 days ago", "in 44 days"),
        (45 * 86_400, None, None),
    ],
)
def test_how_far_a_moment_is(seconds: float, past: str | None, future: str | None) -> None:
    assert relative(NOW - timedelta(seconds=seconds), NOW) == past
    assert relative(NOW + timedelta(seconds=seconds), NOW) == future


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_no_moment_is_further_than_its_words_say(at: datetime, now: datetime) -> None:
    said = relative(at, now)
    if said is None:
        assert abs(at - now) >= timedelta(days=45)
    elif said not in ("just now", "in a moment"):
        count, unit = said.removeprefix("in ").split()[:2]
        one = timedelta(**{unit.rstrip("s") + "s": 1})
        assert int(count) * one <= abs(at - now) < (int(count) + 1) * one
        assert said.startswith("in ") == (at > now)


def test_a_date_from_afar_and_moments_are_those_of_the_reader() -> None:
    at = datetime(2026, 1, 31, 23, 30, 5, tzinfo=UTC)
    assert ENGLISH.relative(at) == ENGLISH.day_of(at) == "1 Feb 2026"
    assert ENGLISH.exact(at) == "1 Feb 2026, 00:30:05 CET"
    assert ENGLISH.minute(at) == "1 Feb 2026, 00:30"
    assert ENGLISH.relative(NOW - timedelta(hours=3)) == "3 hours ago"
    assert formatting.iso(at.astimezone(ZoneInfo("Asia/Tokyo"))) == "2026-01-31T23:30:05Z"
    assert formatting.short_day(date(2026, 5, 3)) == "3 May"
    late = formatter("en", ZoneInfo("Pacific/Kiritimati"), NOW)
    assert (late.today(), ENGLISH.today()) == (date(2026, 11, 21), date(2026, 11, 20))


# Numbers and money ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "task", "0 tasks"),
        (1, "task", "1 task"),
        (2, "entry", "2 entries"),
        (1, "entry", "1 entry"),
        (3, "day", "3 days"),
        (2, "whole round", "2 whole rounds"),
    ],
)
def test_a_count_agrees_with_its_noun(count: int, noun: str, said: str) -> None:
    assert plural(count, noun) == said
    assert plural(1_000, "account", "1,000") == "1,000 accounts"


@given(st.integers(-MOST, MOST))
def test_a_signed_number_is_the_number_with_its_sign(value: int) -> None:
    said = ENGLISH.signed(value)
    assert said[:1] == ("+" if value > 0 else formatting.MINUS if value < 0 else "0")
    assert int(said.replace(",", "").replace(formatting.MINUS, "-")) == value
    assert ENGLISH.number(value).replace(formatting.MINUS, "-") == f"{value:,}"


def test_decimals_and_shares() -> None:
    assert ENGLISH.decimal(Decimal("18.80")) == "18.8"
    assert ENGLISH.decimal(Decimal("3.00")) == "3"
    assert ENGLISH.decimal(None) == "—"
    assert in_language("de").decimal(Decimal("1234.5")) == "1.234,5"
    assert ENGLISH.percent(0.424) == "42%"


@pytest.mark.parametrize(
    ("language", "value", "currency", "said"),
    [
        ("en-GB", "10.126", "EUR", "€10.13"),
        ("en-GB", "0", "EUR", "€0.00"),
        ("en-GB", "0.01", "EUR", "€0.01"),
        ("en-GB", "0.002", "EUR", "€0.002"),
        ("de-DE", "0.002", "EUR", "0,002 €"),
        ("en-GB", "2999.6", "JPY", "JP¥3,000"),
        ("ja", "0.5", "JPY", "￥0.5"),
        ("ja", "1.5", "JPY", "￥2"),
        ("en-GB", "0.0000123", "EUR", "€0.0000123"),
        ("ar-BH", "1.5", "BHD", "1.500"),
        ("en-US", "-3", "USD", "-$3.00"),
    ],
)
def test_money_is_written_as_the_reader_does(language: str, value: str, currency: str, said: str) -> None:
    shown = in_language(language).money(Decimal(value), currency).replace("\u00a0", " ")
    assert said in shown


@pytest.mark.parametrize(
    ("language", "value", "currency", "said"),
    [
        ("en-GB", "0.002", "EUR", "€0.002"),
        ("de-DE", "0.015", "EUR", "0,015 €"),
        ("en-GB", "2", "EUR", "€2.00"),
        ("en-GB", "0.00001", "USD", "US$0.00001"),
        ("ja", "0.5", "JPY", "￥0.5"),
    ],
)
def test_a_price_has_all_of_its_places(language: str, value: str, currency: str, said: str) -> None:
    assert in_language(language).price(Decimal(value), currency).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (4_999, "USD", "US$49.99"),
        (3_000, "JPY", "JP¥3,000"),
        (1_500, "BHD", "BHD1.500"),
        (500_000, "HUF", "HUF5,000"),
        (1, "EUR", "€0.01"),
    ],
)
def test_minor_units_are_those_of_the_currency(amount: int, currency: str, said: str) -> None:
    assert ENGLISH.minor(amount, currency).replace("\u00a0", " ") == said


@given(st.integers(0, MOST), st.sampled_from(["EUR", "JPY", "KWD", "XYZ"]), st.sampled_from(["en", "de", "hi", "ar"]))
def test_any_amount_can_be_written(amount: int, currency: str, language: str) -> None:
    assert in_language(language).minor(amount, currency)


# Languages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-CH", "de_CH"),
        ("en-US,en;q=0.9,de;q=0.8", "en_US"),
        ("fr;q=0.2, de;q=0.9", "de"),
        ("tlh, xx-YY;q=0.9, fr;q=0.1", "fr"),
        ("zh-Hant-TW", "zh_Hant_TW"),
        ("*", "en"),
        ("*, de;q=0.5", "de"),
        ("de;q=0, en;q=0.1", "en"),
        ("de;q=nonsense, fr", "fr"),
        ("de;q=nan, fr", "fr"),
        ("de;q=inf, fr;q=0.5", "fr"),
        ("de; q=0.1, fr;q=0.5", "fr"),
        (";;;,,,==", "en"),
        ("../../etc/passwd", "en"),
        ("en-" + "x" * 5_000, "en"),
        (",".join(["xx"] * 400), "en"),
    ],
)
def test_numbers_are_in_the_first_language_that_can_be_had(header: str | None, language: str) -> None:
    assert in_language(header).locale == Locale.parse(language)


@given(st.text() | st.text(alphabet="-_,;=q.*0123456789adeEnNfiz\x00/ ", max_size=60))
@example("de;q=1e999")
@example("no, nb-NO@euro")
def test_any_header_leads_to_a_language(header: str) -> None:
    shown = in_language(header)
    assert shown.number(1_234_567)
    assert shown.money(Decimal("1.5"), "EUR")


# What an entry says ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, (None, None, None)),
        ({"model": "gpt"}, (None, None, None)),
        ({"input_tokens": 0}, (0, None, 0)),
        ({"output_tokens": 7}, (None, 7, 7)),
        ({"input_tokens": 5, "output_tokens": 7}, (5, 7, 12)),
        ({"input_tokens": 5, "output_tokens": 7, "cached_tokens": 30}, (5, 7, 42)),
        ({"cached_tokens": 30}, (None, None, 30)),
    ],
)
def test_tokens_are_those_that_were_said(usage: Any, counted: tuple[int | None, ...]) -> None:
    assert token_counts({"usage": usage}) == counted


def test_an_entry_says_what_it_was_for() -> None:
    usage = {"model": "gpt", "project": "web", "member": "ann"}
    entry: dict[str, Any] = dict.fromkeys(("description", "transaction_id", "other_account_id"))
    entry |= {"task_id": "t1", "usage": usage}
    assert (description_of(entry), origin_of(entry), task_and_origin(entry)) == ("gpt", "web · ann", "t1 · web · gpt")
    assert task_and_origin({**entry, "description": "a text"}) == "web · gpt"
    silent = {**entry, "task_id": None, "usage": None}
    assert (description_of(silent), origin_of(silent), task_and_origin(silent)) == ("", "", "")


# What the overview concludes ------------------------------------------------------------------------------------------


def week(*used: int, reversed_: int = 0) -> list[dict[str, int]]:
    days = [{"deducted": credits, "reversed": 0} for credits in used]
    return [*days[:-1], {**days[-1], "reversed": reversed_}]


def test_when_it_runs_out_at_this_pace() -> None:
    assert runs_out(700, week(100, 0, 0, 0, 0, 0, 0), NOW) == NOW + timedelta(days=49)
    assert runs_out(700, week(60, 40, 0, 0, 0, 0, 50, reversed_=50), NOW) == NOW + timedelta(days=49)
    assert runs_out(0, week(1), NOW) == NOW
    assert runs_out(700, week(0, 0), NOW) is None, "nothing was used"
    assert runs_out(700, week(10, reversed_=20), NOW) is None, "more came back than went"
    assert runs_out(MOST, week(1), NOW) is None, "too far off"


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_it_runs_out_within_a_year_or_nobody_can_tell(available: int, used: int) -> None:
    at = runs_out(available, week(used), NOW)
    assert at is None or NOW <= at < NOW + timedelta(days=365)
    assert at is not None or used == 0 or available * 7 >= used * 364


def test_what_expires_within_a_week_is_added_up() -> None:
    lots = [{"expires_at": NOW + timedelta(days=days), "credits": n} for n, days in [(0, 1), (10, 2), (5, 7), (99, 8)]]
    found = expiring_soon(lots, NOW)
    assert found == (15, NOW + timedelta(days=2))
    assert expiring_soon(lots[3:], NOW) is None
    assert expiring_soon([], NOW) is None
    assert expiring_soon([{"expires_at": NOW + EXPIRES_SOON, "credits": 1}], NOW) == (1, NOW + EXPIRES_SOON)
    assert expiring_soon([{"expires_at": NOW + EXPIRES_SOON + timedelta(microseconds=1), "credits": 1}], NOW) is None


@pytest.mark.parametrize(
    ("behind", "seconds", "stale"), [(0, 3_600, False), (1, 4.9, False), (1, 5, True), (7, 3_600, True)]
)
def test_a_page_is_stale_when_it_is_behind_for_a_while(behind: int, seconds: float, stale: bool) -> None:  # noqa: FBT001
    as_of = NOW - timedelta(seconds=seconds)
    summary = {"as_of": as_of, "as_of_position": 10, "balance": {"position": 10 + behind}}
    assert stale_since(summary, NOW) == (as_of if stale else None)
    assert stale_since(summary | {"as_of": None}, NOW) is None


# Where it went, in pictures -------------------------------------------------------------------------------------------

Parts = list[dict[str, Any]]


def credits_of(parts: Sequence[Any]) -> int:
    return sum(part["credits"] for part in parts)


def listed(kind: str, amounts: dict[str | None, int], most: int) -> Parts:
    """A list of the breakdown: names by credits, and the rest as `other`."""
    names = sorted(amounts.items(), key=lambda item: -item[1])
    shown: Parts = [{kind: name, "credits": credits} for name, credits in names[:most]]
    rest = [credits for _, credits in names[most:]]
    return [*shown, {"other": True, "credits": sum(rest)}] if rest else shown


@st.composite
def breakdowns(draw: st.DrawFn, most_days: int = 30) -> dict[str, Any]:
    """An answer of the breakdown: usage of some providers, projects, models and members on some days."""
    some = [None, *(f"name-{n}" for n in range(12))]
    days = draw(st.integers(1, most_days))
    one = st.tuples(st.integers(0, days - 1), *(st.sampled_from(some) for _ in range(4)), st.integers(1, 10**9))
    uses = draw(st.lists(one, max_size=40))
    return breakdown(uses, days)


def breakdown(uses: list[Any], days: int) -> dict[str, Any]:
    def sums(place: int, chosen: list[Any]) -> dict[str | None, int]:
        found: dict[str | None, int] = {}
        for use in chosen:
            found[use[place]] = found.get(use[place], 0) + use[5]
        return found

    providers = listed("provider", sums(1, uses), 10)
    told = [part["provider"] for part in providers if "provider" in part][:8]

    def segments(chosen: list[Any]) -> Parts:
        by_name = sums(1, chosen)
        known: Parts = [{"provider": name, "credits": by_name[name]} for name in told if name in by_name]
        rest = sum(credits for name, credits in by_name.items() if name not in told)
        return [*known, {"other": True, "credits": rest}] if rest else known

    dated = [[use for use in uses if use[0] == place] for place in range(days)]
    first = date(2026, 1, 1)
    projects = listed("project", sums(2, uses), 10)
    for part in projects:
        if "project" in part:
            part["providers"] = segments([use for use in uses if use[2] == part["project"]])
    return {
        "days": [
            {"date": first + timedelta(days=place), "credits": sum(use[5] for use in day), "providers": segments(day)}
            for place, day in enumerate(dated)
        ],
        "providers": providers,
        "projects": projects,
        "models": listed("model", sums(3, uses), 10),
        "members": listed("member", sums(4, uses), 10),
    }


def numbers(rows: Sequence[Sequence[str]]) -> list[int]:
    """The last column of a table: the sum of the others if there are several."""
    return [int(row[-1].split(" ")[0].replace(",", "")) for row in rows]


@given(breakdowns())
def test_every_picture_adds_up_to_the_whole(found: dict[str, Any]) -> None:
    whole, charts = credits_of(found["days"]), charts_of(found, ENGLISH)
    assert sum(numbers(charts["days"].table.rows)) == whole
    for name in ("projects", "models", "members"):
        said = any(part.get(name[:-1]) for part in found[name])
        assert (name in charts) == said
        if said:
            rows = charts[name].table.rows
            assert sum(numbers(rows)) == whole
            assert len(rows) <= MOST_BARS + 1
            assert len({row[0] for row in rows}) == len(rows), "no name is there twice"
    if "providers" in charts:
        column = charts["providers"].table.head.index("Credits")
        assert sum(int(row[column].replace(",", "")) for row in charts["providers"].table.rows) == whole


@given(breakdowns(most_days=220))
def test_more_days_than_can_be_told_apart_are_weeks(found: dict[str, Any]) -> None:
    days, chart = found["days"], charts_of(found, ENGLISH)["days"]
    if len(days) <= MOST_COLUMNS:
        assert chart.title == "Credits per day"
        assert numbers(chart.table.rows) == [day["credits"] for day in days]
    else:
        assert chart.title == "Credits per seven days"
        sums = [credits_of(days[start : start + 7]) for start in range(0, len(days), 7)]
        assert numbers(chart.table.rows) == sums
        assert chart.table.rows[-1][0].endswith(formatting.day(days[-1]["date"]))


def test_a_provider_has_its_colour_in_every_picture_and_the_rest_its_own() -> None:
    uses = [(0, f"p{n}", "web" if n % 2 else None, None, "ann", 100 - n) for n in range(11)]
    found = breakdown(uses, 1)
    charts = charts_of(found, ENGLISH)
    names = [f"p{n}" for n in range(8)]
    colours = {key.name: key.css for key in charts["days"].legend}
    assert list(colours) == [*names, OTHERS]
    assert colours[OTHERS] == "rest"
    assert {key.name: key.css for key in charts["providers"].legend} == colours
    assert {key.name: key.css for key in charts["projects"].legend} == colours
    assert [row[0] for row in charts["projects"].table.rows] == [NOT_NAMED, "web"]
    assert "models" not in charts, "nobody said any"
    assert charts["members"].table.rows == (("ann", f"{credits_of(found['days']):,}"),)


def test_nothing_used_is_a_picture_of_days_alone() -> None:
    charts = charts_of(breakdown([], 7), ENGLISH)
    assert list(charts) == ["days"]
    assert numbers(charts["days"].table.rows) == [0] * 7


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (None, "an unknown program"),
        ("curl/8.5.0", "curl/8.5.0"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0.0.0 Safari/537.36 Edg/126.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox on macOS"),
        ("Chrome/1", "Chrome"),
    ],
)
def test_programs_are_called_as_people_call_them(client: str | None, words: str) -> None:
    assert program_of(client) == words
