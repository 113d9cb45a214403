"""Numbers and times in cells: exact, as people and programs write them, and cheap whatever a cell holds."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.imports.files import cell_numbers
from api.imports.files.cell_numbers import MAX_VALUE, number_reader, readings
from api.imports.files.cell_times import FormatProblem, time_reader
from api.imports.files.row import RowProblem

SIGNS: list[cell_numbers.Decimal] = [".", ","]


def grouped(digits: str, sign: str) -> str:
    first = len(digits) % 3 or 3
    return sign.join([digits[:first], *(digits[place : place + 3] for place in range(first, len(digits), 3))])


@given(
    st.integers(0, 10**15),
    st.text("0123456789", max_size=20),
    st.sampled_from(SIGNS),
    st.booleans(),
    st.sampled_from(["{}", "-{}", "+{}", "${}", "-${}", "$-{}", "{} €", "{} USD", "EUR {}", "({})", "-{} kr"]),
    st.integers(-30, 20),
)
def test_numbers_are_read_as_they_are_written(
    whole: int,
    part: str,
    decimal: cell_numbers.Decimal,
    groups: bool,  # noqa: FBT001
    form: str,
    exponent: int,
) -> None:
    """Against Python's decimals, which read the plain form."""
    plain = f"{whole}.{part or '0'}e{exponent}"
    digits = grouped(str(whole), "," if decimal == "." else ".") if groups else str(whole)
    text = form.format(f"{digits}{decimal}{part}" + (f"e{exponent:+03}" if exponent else ""))
    if "kr" in text:  # a currency is a sign or three capitals
        with pytest.raises(RowProblem):
            number_reader(decimal)(text)
        return
    right = Fraction(Decimal(plain)) * (-1 if "-" in form or "(" in form else 1)
    found = number_reader(decimal)(text)
    assert found == right
    assert isinstance(found, int | Fraction)


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("0.0123", Fraction(123, 10_000), None),
        ("1.2e-05", Fraction(12, 10**6), None),
        ("1,396", 1396, Fraction(1396, 1000)),
        ("1.396", Fraction(1396, 1000), 1396),
        ("1.234,56", None, Fraction(123_456, 100)),
        ("1,234.56", Fraction(123_456, 100), None),
        ("1'234'567.5", Fraction(12_345_675, 10), None),
        ("1 234,5", None, Fraction(12_345, 10)),
        ("1\u202f234,5", None, Fraction(12_345, 10)),
        ("3.0", 3, None),
        ("0,42", None, Fraction(42, 100)),
        ("007", 7, 7),
        (".5", Fraction(1, 2), None),
        ("5.", 5, None),
        ("−5", -5, -5),
        ("0e0", 0, 0),
    ],
)
def test_the_decimal_sign_decides(text: str, point: Fraction | None, comma: Fraction | None) -> None:
    assert readings(text) == (point, comma)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1,2,3",
        "1,23",
        "12,34.5",
        "1..2",
        "--1",
        "-$-1",
        "(-1)",
        "1e",
        "e5",
        "0x10",
        "1_000",
        "inf",
        "nan",
        "٣",
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(RowProblem):
        number_reader(".")(text)


@pytest.mark.parametrize(
    "text",
    [
        "1e999999999",
        "1e-999999999",
        "-1E+999",
        "1e61",
        "9" * 41,
        "0." + "1" * 61,
        "1" * 200_000,
        "1," + "000," * 50_000 + "000",
        "1" + " 000" * 30_000,
        "(" * 100_000,
        "1e40",
    ],
)
def test_hostile_cells_are_refused_before_anything_is_computed(text: str) -> None:
    with pytest.raises(RowProblem):
        number_reader(".")(text)
    assert readings(text)[0] is None


@given(st.text("0123456789.,'eE+-$€ ()USD\u00a0", max_size=60))
@example("9" * 40)
def test_any_cell_is_a_bounded_number_or_a_problem(text: str) -> None:
    for value in readings(text):
        assert value is None or (-MAX_VALUE < value < MAX_VALUE and value.denominator <= 10**120)


def test_a_number_that_could_be_two_needs_to_be_told() -> None:
    read = number_reader(None)
    assert (read("7"), read("0,5"), read("0.5"), read("1.000,5")) == (
        7,
        Fraction(1, 2),
        Fraction(1, 2),
        Fraction(2001, 2),
    )
    with pytest.raises(RowProblem, match=re.escape("is '1.396', which can be 1.396 or 1396: say --decimal . or")):
        read("1.396")


def test_a_number_with_the_other_decimal_sign_says_so() -> None:
    with pytest.raises(RowProblem, match="if it is another one, say --decimal ,"):
        number_reader(".")("0,42")


# Times.

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "form", "zone", "right"),
    [
        ("2026-11-28T10:00:00Z", None, UTC, "2026-11-28T10:00:00+00:00"),
        ("2026-11-28 10:00:00 UTC", None, BERLIN, "2026-11-28T10:00:00+00:00"),
        ("2026-11-28 10:00:00 GMT", None, BERLIN, "2026-11-28T10:00:00+00:00"),
        ("2026-11-28 10:00:00", None, BERLIN, "2026-11-28T09:00:00+00:00"),
        ("2026-11-28T10:00:00.123+05:45", None, UTC, "2026-11-28T04:15:00.123000+00:00"),
        ("2026-11-28", None, UTC, "2026-11-28T00:00:00+00:00"),
        ("20261128", None, UTC, "2026-11-28T00:00:00+00:00"),
        ("1761955200", None, BERLIN, "2025-11-01T00:00:00+00:00"),
        ("1761955200.25", None, UTC, "2025-11-01T00:00:00.250000+00:00"),
        ("1761955200123", None, UTC, "2025-11-01T00:00:00.123000+00:00"),
        ("1761955200123456", None, UTC, "2025-11-01T00:00:00.123456+00:00"),
        ("11/28/2026", "us", UTC, "2026-11-28T00:00:00+00:00"),
        ("11/28/2026 10:05 PM", "us", UTC, "2026-11-28T22:05:00+00:00"),
        ("11/28/26, 12:05:09 am", "us", UTC, "2026-11-28T00:05:09+00:00"),
        ("28.11.2026 10:05", "european", BERLIN, "2026-11-28T09:05:00+00:00"),
        ("2/1/2026", "european", UTC, "2026-01-02T00:00:00+00:00"),
        ("28.11.2026 10:05:06,5", "european", UTC, "2026-11-28T10:05:06.500000+00:00"),
        ("2026-11-28 10:00:00", "european", UTC, "2026-11-28T10:00:00+00:00"),
        ("28-Nov-2026", "%d-%b-%Y", UTC, "2026-11-28T00:00:00+00:00"),
        ("2026 11 28 10.05", "%Y %m %d %H.%M", BERLIN, "2026-11-28T09:05:00+00:00"),
        ("28.11.2026 10:05 +0200", "%d.%m.%Y %H:%M %z", BERLIN, "2026-11-28T08:05:00+00:00"),
    ],
)
def test_times_are_instants(text: str, form: str | None, zone: ZoneInfo, right: str) -> None:
    assert time_reader(form, zone)(text).isoformat() == right


@given(st.datetimes(datetime(2002, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - hypothesis wants them naive
def test_the_same_time_in_every_form(local: datetime) -> None:
    at = local.replace(tzinfo=UTC, microsecond=local.microsecond // 1000 * 1000)
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    texts = [at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"), str(milliseconds), f"{milliseconds / 1000:.3f}"]
    assert {time_reader(None)(text) for text in texts} == {at}
    assert time_reader("us")(at.strftime("%m/%d/%Y %I:%M:%S.%f %p")) == at
    assert time_reader("european")(at.strftime("%d.%m.%Y %H:%M:%S,%f")) == at


@pytest.mark.parametrize(
    ("text", "form", "problem"),
    [
        ("11/28/2026", None, "is the month or the day first? Say --time-format us or --time-format european"),
        ("28/11/2026", "us", "which is no date: check --time-format"),
        ("11/28/2026 13:00 PM", "us", "its hour is 13 PM"),
        ("31.02.2026", "european", "which is no date"),
        ("2026-11-28", "%d.%m.%Y", "not a time of the form '%d.%m.%Y'"),
        ("", None, "is empty"),
        ("9" * 30, None, "not a time"),
        ("0001-01-01T00:00:00+14:00", None, "not a time"),
    ],
)
def test_times_that_are_none(text: str, form: str | None, problem: str) -> None:
    with pytest.raises(RowProblem, match=re.escape(problem)):
        time_reader(form)(text)


@pytest.mark.parametrize("form", ["", "dd.mm.yyyy", "%H:%M", "%Q", "%d.%m", "%", "%Y-%m-%d %d"])
def test_formats_that_are_none(form: str) -> None:
    with pytest.raises(FormatProblem):
        time_reader(form)


def test_dates_of_a_year_are_read_in_both_orders() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(365):
        at = day + timedelta(days=number)
        assert time_reader("us")(f"{at.month}/{at.day}/{at.year}") == at
        assert time_reader("european")(f"{at.day}.{at.month}.{at.year}") == at
