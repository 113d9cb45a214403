"""Plans and packages are read strictly: what is said comes back, and what is wrong is named."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from billing.plans import Interval, Package, Plan, Sold, as_json, canonical, digest, terms
from ledger.domain.commands import SetLimits
from ledger.domain.periods import CalendarPeriod, TimedPeriod
from tests.billing.catalogs import LARGEST, WHOLE_PACKAGE, WHOLE_PLAN, Json, packages, plan, plans

Path = tuple[str | int, ...]
WHOLE: list[tuple[type[Plan] | type[Package], Json]] = [(Plan, WHOLE_PLAN), (Package, WHOLE_PACKAGE)]


@given(st.one_of(st.tuples(st.just(Plan), plans), st.tuples(st.just(Package), packages)))
def test_what_is_said_comes_back(said_of: tuple[type[Plan] | type[Package], Json]) -> None:
    kind, document = said_of
    body: Sold = kind.model_validate(document)
    again = kind.model_validate(orjson.loads(canonical(body)))
    assert again == body
    assert canonical(again) == canonical(body)
    assert digest(again) == digest(body)
    said = as_json(body)
    assert all(_is_said(said[name], value) for name, value in document.items())


def _is_said(found: Any, said: Any) -> bool:
    """Whether a value has what was said; what was not said has its default."""
    if isinstance(said, dict):
        return all(_is_said(found[name], value) for name, value in said.items())
    if isinstance(said, list):
        return len(found) == len(said) and all(map(_is_said, found, said))
    return bool(found == said)


@pytest.mark.parametrize(("kind", "whole"), WHOLE)
def test_a_whole_one_says_every_field(kind: type[Plan] | type[Package], whole: Json) -> None:
    assert whole.keys() == kind.model_fields.keys()
    assert as_json(kind.model_validate(whole)) == whole
    assert set(kind.TERMS) < whole.keys()


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all values of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield (*path, name)
        yield from paths(part, (*path, name))


def at(document: Any, path: Path) -> Any:
    """The value at a path."""
    for name in path:
        document = document[name]
    return document


def changed(document: Json, path: Path, value: Any) -> Json:
    """The document with another value at a path."""
    found = deepcopy(document)
    at(found, path[:-1])[path[-1]] = value
    return found


def wrong_fields(kind: type[Plan] | type[Package], document: Json) -> list[Path]:
    """The paths that the refusal of a document names."""
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(document)
    return [detail["loc"] for detail in refused.value.errors()]


OTHER_TYPES: list[Any] = [None, True, 1, 1.0, "text", [1], {"colour": "red"}]


def wrong_values(right: Any) -> list[Any]:
    """Values of other types than that of a value. Null is right where there may be nothing, and an empty one may be."""
    return [value for value in OTHER_TYPES if value is not None and type(value) is not type(right)]


@pytest.mark.parametrize(
    ("kind", "whole", "path"),
    [(kind, whole, path) for kind, whole in WHOLE for path in paths(whole)],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_value_of_another_type_is_named(kind: type[Plan] | type[Package], whole: Json, path: Path) -> None:
    for wrong in wrong_values(at(whole, path)):
        assert all(field[: len(path)] == path for field in wrong_fields(kind, changed(whole, path, wrong))), wrong


@pytest.mark.parametrize(
    ("kind", "whole", "path"),
    [(kind, whole, path) for kind, whole in WHOLE for path in [(), *paths(whole)] if isinstance(at(whole, path), dict)],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_field_that_there_is_not_is_named(kind: type[Plan] | type[Package], whole: Json, path: Path) -> None:
    found = wrong_fields(kind, changed(whole, (*path, "colour"), "red"))
    assert all(field[: len(path) + 1] == (*path, "colour") for field in found)


OUT_OF_BOUNDS: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "x" * 101),
    ("name", "two\nlines"),
    ("description", "x" * 501),
    ("description", "bell\a"),
    ("features", ["x"] * 51),
    ("rank", -1),
    ("rank", 1_001),
    ("group", "a b"),
    ("credits", -1),
    ("credits", LARGEST + 1),
    ("every", {}),
    ("every", {"months": 1, "days": 1}),
    ("every.months", 0),
    ("every.months", 121),
    ("roll_over.cap", 0),
    ("roll_over.periods", 0),
    ("roll_over.periods", 25),
    ("grace_hours", -1),
    ("grace_hours", 721),
    ("trial.days", 0),
    ("trial.credits", -1),
    ("prices.0.price", "not/one"),
    ("prices.0.amount_minor", -1),
    ("prices.0.currency", "eur"),
    ("prices.0.products.stripe", ""),
    ("prices.0.interval", {"weeks": 1}),
    ("limits.0.limit_id", "a/b"),
    ("limits.0.amount", -1),
    ("limits.0.each", ["member", "model"]),
    ("limits.0.each", ["colour"]),
    ("limits.0.period.every", "decade"),
    ("limits.0.period.starts", 32),
    ("limits.0.near", [0]),
    ("limits.0.near", list(range(1, 12))),
    ("applies_to", "some"),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_BOUNDS)
def test_a_value_out_of_bounds_is_named(name: str, value: Any) -> None:
    path: Path = tuple(int(part) if part.isdecimal() else part for part in name.split("."))
    assert all(field[: len(path)] == path for field in wrong_fields(Plan, changed(WHOLE_PLAN, path, value)))


@pytest.mark.parametrize("name", ["name", "credits", "prices.0.price", "prices.0.interval", "limits.1.limit_id"])
def test_what_is_missing_is_named(name: str) -> None:
    path: Path = tuple(int(part) if part.isdecimal() else part for part in name.split("."))
    document = deepcopy(WHOLE_PLAN)
    del at(document, path[:-1])[path[-1]]
    assert wrong_fields(Plan, document) == [path]


MESSAGES = [
    ("prices", [WHOLE_PLAN["prices"][1]] * 2, "must have an id of its own each: the price yearly comes twice"),
    (
        "prices",
        [WHOLE_PLAN["prices"][0], {**WHOLE_PLAN["prices"][0], "price": "again"}],
        "must have an id of its own each: the product price_1 of stripe comes twice",
    ),
    ("limits", [WHOLE_PLAN["limits"][1]] * 2, "must have an id of its own each: the limit burst comes twice"),
    ("every", {"months": 1, "days": 1}, "must have `months` or `days`, and not both"),
    (
        "limits.0.period.zone",
        "Nowhere/At_All",
        "is no limit: period.zone must be a time zone of the IANA database, such as Europe/Berlin",
    ),
    (
        "limits.0.only",
        {"member": "ada"},
        "is no limit: only.member must be absent: the limit counts for each value of it",
    ),
    ("limits.0.period", {"every": "day", "seconds": 60}, "must be absent, or have `every` or `seconds`, and not both"),
]


@pytest.mark.parametrize(("name", "value", "message"), MESSAGES)
def test_a_rule_about_several_fields_says_what_it_wants(name: str, value: Any, message: str) -> None:
    path: Path = tuple(int(part) if part.isdecimal() else part for part in name.split("."))
    with pytest.raises(ValidationError) as refused:
        Plan.model_validate(changed(WHOLE_PLAN, path, value))
    assert [str(detail["ctx"]["error"]) for detail in refused.value.errors()] == [message]


def test_limits_are_those_of_the_ledger() -> None:
    first, second = (one.limit() for one in Plan.model_validate(WHOLE_PLAN).limits)
    assert (first.period, second.period) == (CalendarPeriod("month", "Europe/Berlin", 3), TimedPeriod(3_600))
    assert (first.each, first.only, first.hard, first.near) == (
        ("member",),
        (("model", "gpt-image-1"),),
        False,
        (50, 80),
    )
    assert SetLimits("ada", "plan", (first, second)).limits[0].limit_id == "images"


@given(plans)
def test_the_limits_of_any_plan_can_be_set(document: Json) -> None:
    limits = tuple(one.limit() for one in Plan.model_validate(document).limits)
    assert len(SetLimits("ada", "plan", limits).limits) == len(limits)


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ({"months": 1}, "month"),
        ({"months": 3}, "3 months"),
        ({"months": 12}, "year"),
        ({"months": 24}, "2 years"),
        ({"months": 18}, "18 months"),
        ({"days": 1}, "day"),
        ({"days": 7}, "7 days"),
    ],
)
def test_an_interval_is_read_after_every(interval: Json, words: str) -> None:
    assert str(Interval.model_validate(interval)) == words


def test_terms_are_what_a_subscriber_keeps() -> None:
    before = plan({"stripe": "p"})
    shown = plan({"stripe": "p"}, name="Other", features=["More"], description="Text", listed=False)
    assert terms(before) == terms(shown)
    more: list[Json] = [{"credits": 101}, {"rank": 1}, {"group": "x"}, {"grace_hours": 0}, {"every": {"days": 30}}]
    more += [{"roll_over": {"cap": 1}}, {"trial": {"days": 1, "credits": 0}}]
    more += [{"limits": [{"limit_id": "l", "amount": 1}]}]
    assert all(terms(plan({"stripe": "p"}, **fields)) != terms(before) for fields in more)
    assert "interval" in terms(before, before.prices[0])
