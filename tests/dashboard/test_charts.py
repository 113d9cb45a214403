"""Charts, read from their SVG: the drawing, the description and the table have the same numbers."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.dashboard.charts import Bar, Chart, Number, Point, Series, bars, columns, numbered, shares
from api.dashboard.charts.drawing import cells, shortened
from api.dashboard.charts.horizontal import LEAST as NARROWEST
from api.dashboard.charts.scale import LINES, axis, percents, split, ticks
from api.dashboard.charts.vertical import AIR, BASE, DEEP, HEIGHT, LETTER, NARROW, TOP, WIDE
from api.dashboard.charts.vertical import LEAST as LOWEST

LARGEST = 2**53 - 1
PALETTE = re.compile(r"s[0-7]|rest")
amounts = st.one_of(st.integers(0, 10), st.integers(0, LARGEST), st.just(0), st.just(LARGEST))
texts = st.text(st.characters(codec="utf-8"), max_size=130)
unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HOSTILE = [
    "<script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "a\"b'c&amp;",
    "\u202eevil\u202c\u2067",
    "\u05d0\u05d1\u05d2 \u0627",
    "\U0001f469\u200d\U0001f4bb" * 40,
    "W" * 128,
    "\x00\x1b\ud800",
    "",
]


def number(value: int) -> str:
    return f"{value:,}"


@st.composite
def rows(draw: st.DrawFn, least: int = 0, most: int = 12) -> tuple[tuple[Series, ...], list[list[int]]]:
    """Up to nine series with values."""
    count = draw(st.integers(1, 9))
    values = draw(st.lists(st.lists(amounts, min_size=count, max_size=count), min_size=least, max_size=most))
    return numbered([f"series {place}" for place in range(count)]), values


def points(values: Sequence[Sequence[int]], label: Callable[[int], str] = "{} Nov".format) -> list[Point]:
    return [Point(label(place), f"day {place}", row) for place, row in enumerate(values)]


def parsed(chart: Chart) -> Element:
    return ElementTree.fromstring(chart.svg)


def of(length: str | None, unit: int, mark: str) -> int:
    """A length, converted back to its unit."""
    assert length is not None
    assert length.endswith(mark)
    return round(float(length.removesuffix(mark)) * unit)


class Box:
    """A rectangle of a chart."""

    def __init__(self, drawn: Element) -> None:
        self.css = drawn.get("class", "")
        self.title = drawn.findtext("title")
        self.x, self.width = (of(drawn.get(name), 1_000, "%") for name in ("x", "width"))
        self.y, self.height = (of(drawn.get(name), 100, "") for name in ("y", "height"))


def boxes(chart: Chart) -> Iterator[list[Box]]:
    """The boxes of each slot, the background first."""
    for slot in parsed(chart).iter("g"):
        if slot.get("class") == "slot":
            yield [Box(drawn) for drawn in slot.iter("rect")]


def labels(chart: Chart, *, minor: bool) -> list[tuple[float, str, str]]:
    """Position, anchor and text of the labels below the axis."""
    wanted = ("tick", "tick minor") if minor else ("tick",)
    found = [text for text in parsed(chart).iter("text") if text.get("class") in wanted]
    below = [text for text in found if float(text.get("y", "")) * 100 > BASE]
    return [(of(text.get("x"), 1_000, "%"), text.get("text-anchor", "start"), text.text or "") for text in below]


# Lengths.


@unhurried
@given(st.integers(0, 10**18))
def test_an_axis_reaches_the_largest_value_with_a_round_step_and_few_lines(largest: int) -> None:
    scale = axis(largest)
    assert largest <= scale.top
    assert scale.top - scale.step < max(largest, 1)
    assert 1 <= scale.lines <= LINES
    assert str(scale.step).rstrip("0") in {"1", "2", "5"}


@pytest.mark.parametrize(
    ("largest", "written"),
    [
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (1_201, ["0", "500", "1,000", "1,500"]),
        (9_999, ["0", "2k", "4k", "6k", "8k", "10k"]),
        (2_400_000, ["0", "500k", "1,000k", "1,500k", "2,000k", "2,500k"]),
        (3_000_000, ["0", "1M", "2M", "3M"]),
        (LARGEST, ["0", "2Q", "4Q", "6Q", "8Q", "10Q"]),
        (10**21, ["0", "200,000Q", "400,000Q", "600,000Q", "800,000Q", "1,000,000Q"]),
    ],
)
def test_ticks_are_short_and_exact(largest: int, written: list[str]) -> None:
    assert ticks(axis(largest), number) == written


@unhurried
@given(st.integers(0, 10**6), st.lists(amounts, max_size=12), st.integers(0, 1_000))
def test_parts_add_up_to_the_whole_and_each_can_be_seen(whole: int, values: list[int], least: int) -> None:
    lengths = split(whole, values, least)
    shown = sum(value > 0 for value in values)
    assert sum(lengths) == (whole if shown else 0)
    for value, length in zip(values, lengths, strict=True):
        assert (length >= min(least, whole // shown)) if value else not length


@unhurried
@given(st.lists(st.integers(1, LARGEST), min_size=1, max_size=9))
def test_parts_are_in_proportion_but_for_what_the_smallest_need(values: list[int]) -> None:
    lengths, total = split(DEEP, values, LOWEST), sum(values)
    lent = LOWEST * len(values)
    for value, length in zip(values, lengths, strict=True):
        exact = value * DEEP // total
        assert exact - lent - 1 <= length <= max(exact + 1, LOWEST)


@unhurried
@given(st.lists(amounts, min_size=1, max_size=9))
def test_percents_are_honest(values: list[int]) -> None:
    written, total = percents(values, number), sum(values)
    for value, text in zip(values, written, strict=True):
        share = int(text.strip("<>%"))
        assert text.startswith("<") == (0 < value * 100 < total)
        assert text == "0%" if not value else text != "0%"
        assert text != "100%" or value == total
        assert abs(value * 100 - share * total) <= total
    if total and not any(text.startswith(("<", ">")) for text in written):
        assert sum(int(text.strip("%")) for text in written) == 100


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([1, 1, 1], ["34%", "33%", "33%"]),
        ([999, 1], [">99%", "<1%"]),
        ([5], ["100%"]),
        ([0, 0], ["0%", "0%"]),
        ([7_021, 2_200, 801, 12], ["70%", "22%", "8%", "<1%"]),
    ],
)
def test_percents(values: list[int], written: list[str]) -> None:
    assert percents(values, number) == written


# Columns.


@unhurried
@given(rows())
def test_columns_are_in_order_and_inside(given_rows: tuple[tuple[Series, ...], list[list[int]]]) -> None:
    series, values = given_rows
    drawn = list(boxes(columns("c", "Credits", series, points(values), number)))
    assert len(drawn) == len(values)
    stacks = [segments for _, *segments in drawn if segments]
    for before, after in pairwise(stacks):
        assert before[0].x + before[0].width < after[0].x
    for ground, *segments in drawn:
        assert all(ground.x <= box.x and box.x + box.width <= ground.x + ground.width for box in segments)
        assert all(box.y >= TOP and box.height > 0 and box.width > 0 for box in segments)


@unhurried
@given(rows())
def test_segments_stack_with_a_hairline_between_them(given_rows: tuple[tuple[Series, ...], list[list[int]]]) -> None:
    series, values = given_rows
    for row, (_, *segments) in zip(values, boxes(columns("c", "", series, points(values), number)), strict=True):
        assert [box.css for box in segments] == [one.css for one, value in zip(series, row, strict=True) if value]
        assert not segments or segments[0].y + segments[0].height == BASE
        for below, above in pairwise(segments):
            assert above.y + above.height < below.y
        assert all(box.height >= 100 for box in segments)


@unhurried
@given(rows())
def test_columns_are_as_high_as_their_values(given_rows: tuple[tuple[Series, ...], list[list[int]]]) -> None:
    series, values = given_rows
    chart = columns("c", "", series, points(values), number)
    top = axis(max((sum(row) for row in values), default=0)).top
    for row, (_, *segments) in zip(values, boxes(chart), strict=True):
        exact, height = sum(row) * DEEP / top, BASE - segments[-1].y if segments else 0
        assert exact - 1 <= height <= max(exact, LOWEST * len(segments))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 14, 15, 31, 45, 46, 90, 120, 121, 366, 400])
@pytest.mark.parametrize("label", ["{}", "{} Nov", "Wed {}", "\U0001f98a{} and much more"])
def test_labels_do_not_run_into_each_other(count: int, label: str) -> None:
    chart = columns("c", "", numbered(["a"]), points([[1]] * count, label.format), number)
    for width, minor in ((NARROW, False), (WIDE, True), (2_500, True)):
        reach = []
        for x, anchor, text in labels(chart, minor=minor):
            at, long = x * width / 100_000, cells(text) * LETTER
            reach.append(at - {"start": 0, "middle": long / 2, "end": long}[anchor])
            reach.append(reach[-1] + long + AIR)
        assert reach == sorted(reach)
    shown = labels(chart, minor=True)
    assert not count or shown[-1][2] == shortened(label.format(count - 1), 12)


@pytest.mark.parametrize(("count", "gap"), [(7, True), (31, True), (90, True), (200, False), (400, False)])
def test_many_columns_have_no_gaps(count: int, gap: bool) -> None:  # noqa: FBT001
    (one, two) = list(boxes(columns("c", "", numbered(["a"]), points([[1]] * count), number)))[:2]
    assert (two[1].x - one[1].x - one[1].width > 10) == gap


def test_what_is_next_to_nothing_is_seen_next_to_the_largest() -> None:
    values = [[LARGEST] * 9, [1, LARGEST, *[1] * 7], [0, 0, 1, *[0] * 6]]
    _, mixed, alone = boxes(columns("c", "", numbered("abcdefghi"), points(values), number))
    assert len(mixed) == 10
    assert all(box.height >= 100 for box in (*mixed[1:], alone[1]))


def test_a_value_below_zero_is_written_but_not_drawn() -> None:
    chart = columns("c", "", numbered("ab"), points([[-5, 3]]), number)
    assert chart.table.rows == (("day 0", "-5", "3", "-2"),)
    assert [[box.title for box in slot] for slot in boxes(chart)] == [[None, "day 0, b: 3"]]


@pytest.mark.parametrize("values", [[], [[0, 0]] * 7])
def test_nothing_is_a_picture_too(values: list[list[int]]) -> None:
    chart = columns("c", "Credits", numbered("ab"), points(values), number, empty="Nothing yet")
    drawn = parsed(chart)
    assert [text.text for text in drawn.iter("text") if text.get("class") == "none"] == ["Nothing yet"]
    assert {one.get("class") for one in drawn.iter("line")} == {"grid", "axis"}
    assert not [box for slot in boxes(chart) for box in slot[1:]]
    assert chart.description.endswith("There are no credits to show.")
    assert chart.legend == ()
    assert len(chart.table.rows) == len(values)


# What lies.


@unhurried
@given(rows(least=1, most=1))
def test_shares_fill_their_bar(given_rows: tuple[tuple[Series, ...], list[list[int]]]) -> None:
    series, (values,) = given_rows
    chart = shares("s", "Shares", series, values, number)
    track, *segments = [Box(drawn) for drawn in parsed(chart).iter("rect") if drawn.get("class")]
    assert (track.x, track.width) == (0, 100_000)
    assert [box.css for box in segments] == [one.css for one, value in zip(series, values, strict=True) if value]
    assert sum(box.width for box in segments) == (100_000 if any(values) else 0)
    assert all(before.x + before.width == after.x for before, after in pairwise(segments))
    assert all(box.width >= NARROWEST for box in segments)
    assert chart.table.rows == tuple(
        (one.name, number(value), part)
        for one, value, part in zip(series, values, percents(values, number), strict=True)
    )


@unhurried
@given(rows())
def test_bars_are_as_long_as_their_values(given_rows: tuple[tuple[Series, ...], list[list[int]]]) -> None:
    series, values = given_rows
    chart = bars("b", "", series, [Bar(f"bar {place}", row) for place, row in enumerate(values)], number)
    largest = max((sum(row) for row in values), default=0) or 1
    height, before = float(parsed(chart).get("height", "")) * 100, -1
    for row, (track, *segments) in zip(values, boxes(chart), strict=True):
        assert before < track.y < track.y + track.height <= height
        before, long = track.y + track.height, sum(box.width for box in segments)
        assert sum(row) * 100_000 // largest <= long <= max(sum(row) * 100_000 / largest, NARROWEST * len(segments))
        assert all(left.x + left.width == right.x for left, right in pairwise(segments))
        assert long <= 100_000
        assert [box.css for box in segments] == [one.css for one, value in zip(series, row, strict=True) if value]


def test_no_bars_is_a_picture_too() -> None:
    chart = bars("b", "Projects", numbered("ab"), [], number, empty="No projects yet")
    assert [text.text for text in parsed(chart).iter("text")] == ["No projects yet"]
    assert chart.table.rows == ()


def test_a_label_leaves_its_total_room() -> None:
    chart = bars("b", "", numbered("a"), [Bar("W" * 128, [LARGEST]), Bar("W" * 128, [1])], number)
    tight, roomy = (text.text or "" for text in parsed(chart).iter("text") if text.get("class") == "name")
    assert 3 < len(tight) < len(roomy) < 20


# Of all of them.

Make = Callable[[Sequence[Series], list[tuple[str, list[int]]], Number], Chart]


def as_columns(series: Sequence[Series], labelled: list[tuple[str, list[int]]], write: Number) -> Chart:
    return columns("c", "Title", series, [Point(label, label, values) for label, values in labelled], write, head="Day")


def as_bars(series: Sequence[Series], labelled: list[tuple[str, list[int]]], write: Number) -> Chart:
    return bars("c", "Title", series, [Bar(*row) for row in labelled], write, head="Day")


each_kind = pytest.mark.parametrize("make", [as_columns, as_bars])


@each_kind
@unhurried
@given(given_rows=rows(), names=st.data())
def test_the_table_is_what_was_given(
    make: Make, given_rows: tuple[tuple[Series, ...], list[list[int]]], names: st.DataObject
) -> None:
    series, values = given_rows
    labelled = [(names.draw(texts), row) for row in values]
    head, table_rows, numbers = make(series, labelled, str).table
    count = len(series)
    assert head == ("Day", *(one.name for one in series), *(["Total"] if count > 1 else []))
    assert numbers == tuple(range(1, len(head)))
    for (label, row), written in zip(labelled, table_rows, strict=True):
        assert written[: count + 1] == (label, *map(str, row))
        assert count == 1 or written[-1] == str(sum(row))


@each_kind
@unhurried
@given(given_rows=rows())
def test_each_number_of_the_picture_is_in_the_table(
    make: Make, given_rows: tuple[tuple[Series, ...], list[list[int]]]
) -> None:
    series, values = given_rows
    chart = make(series, [(f"day {place}", row) for place, row in enumerate(values)], number)
    said = Counter(box.title for slot in boxes(chart) for box in slot[1:])
    expected = (
        f"{label}, {one.name}: {written}"
        for label, *cells_of in chart.table.rows
        for one, written in zip(series, cells_of, strict=False)
        if written != "0"
    )
    assert said == Counter(expected)


@each_kind
@unhurried
@given(given_rows=rows())
def test_the_legend_and_the_description_add_up(
    make: Make, given_rows: tuple[tuple[Series, ...], list[list[int]]]
) -> None:
    series, values = given_rows
    chart = make(series, [(f"day {place}", row) for place, row in enumerate(values)], number)
    sums = [sum(row[place] for row in values) for place in range(len(series))]
    if any(sums):
        assert f"The sum of credits is {number(sum(sums))}." in chart.description
    if len(values) > 1 and any(sums):
        assert f"The most is {number(max(map(sum, values)))} (" in chart.description
        assert f"the least {number(min(map(sum, values)))} (" in chart.description
    named = len(series) > 1 and any(sums)
    assert [key.value for key in chart.legend] == ([number(total) for total in sums] if named else [])


def hostile(name: str) -> list[Chart]:
    series = (Series(name, "s0"), Series(name, '"><script>'))
    return [
        columns("c", name, series, [Point(name, name, [1, 2])] * 3, number, unit=name, head=name, empty=name),
        shares("s", name, series, [1, 2], number, unit=name, head=name, empty=name),
        bars("b", name, series, [Bar(name, [1, 2])] * 3, number, unit=name, head=name, empty=name),
        columns("c", name, series, [], number, unit=name, empty=name),
        shares("s", name, series, [0, 0], number, unit=name, empty=name),
        bars("b", name, series, [], number, unit=name, empty=name),
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_texts(name: str) -> None:
    for chart in hostile(name):
        only_what_is_allowed(chart)


@unhurried
@given(texts)
def test_any_text_is_a_text(name: str) -> None:
    for chart in hostile(name):
        only_what_is_allowed(chart)


def only_what_is_allowed(chart: Chart) -> None:
    """Only our own elements: no styles or scripts, and no characters that change the direction of text."""
    drawn = parsed(chart)
    assert {one.tag for one in drawn.iter()} <= {"svg", "title", "desc", "g", "rect", "line", "text", "clipPath"}
    for one in drawn.iter():
        assert not [name for name in one.attrib if name.startswith("on") or name in {"style", "href"}]
        if one.tag == "text" and one.get("class") != "none":
            assert cells(one.text or "") <= 33
    said = "".join(drawn.itertext())
    assert not re.search("[\u202a-\u202e\u2066\u2067]", said)
    assert said.count("\u2068") == said.count("\u2069")


@each_kind
def test_a_long_label_is_whole_where_there_is_room(make: Make) -> None:
    name = "nightly-" * 16
    chart = make(numbered("a"), [(name, [5])], number)
    drawn = parsed(chart)
    assert [slot.findtext("title") for slot in drawn.iter("g") if slot.get("class") == "slot"] == [f"{name}: 5"]
    assert chart.table.rows == ((name, "5"),)
    assert not [text for text in drawn.iter("text") if text.text == name]
    assert [text for text in drawn.iter("text") if (text.text or "").endswith("\N{HORIZONTAL ELLIPSIS}")]


@pytest.mark.parametrize("chart", hostile("credits")[:3])
def test_a_reader_of_the_screen_is_told(chart: Chart) -> None:
    drawn = parsed(chart)
    title, description = list(drawn)[:2]
    assert (drawn.get("role"), drawn.get("width")) == ("img", "100%")
    assert drawn.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert (title.text, description.text) == (chart.title, chart.description)
    assert "viewBox" not in drawn.attrib


def test_ids_are_unique_on_a_page() -> None:
    pictures = [shares(name, "", numbered("ab"), [1, 2], number) for name in ("one", "two")]
    ids = [one.get("id") for chart in pictures for one in parsed(chart).iter() if one.get("id")]
    assert len(ids) == len(set(ids)) == 6


def test_the_ninth_series_and_what_follows_are_the_rest() -> None:
    css = [one.css for one in numbered("abcdefghij")]
    assert css == [*(f"s{place}" for place in range(8)), "rest", "rest"]
    assert all(PALETTE.fullmatch(one) for one in css)


def test_all_of_a_column_is_inside_the_picture() -> None:
    assert TOP + DEEP == BASE < HEIGHT * 100
