"""Plans and packages for tests: one with every field, random ones, and the sample of the docs."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from billing.catalog_changes import Wanted
from billing.plans import Package, Plan

Json = dict[str, Any]

SAMPLE = Path(__file__).parents[2] / "docs" / "catalog.toml"
LARGEST = 2**53 - 1

WHOLE_PLAN: Json = {
    "name": "Pro",
    "description": "For people who use it every day.\nReally.",
    "features": ["2,000 credits", "All models"],
    "rank": 10,
    "group": "chat",
    "credits": 2_000,
    "every": {"months": 1},
    "roll_over": {"cap": 500, "periods": 2},
    "grace_hours": 48,
    "trial": {"days": 14, "credits": 200},
    "prices": [
        {
            "price": "monthly",
            "interval": {"months": 1},
            "amount_minor": 1_900,
            "currency": "EUR",
            "products": {"stripe": "price_1", "dodo": "pdt_1", "lemonsqueezy": "1"},
        },
        {"price": "yearly", "interval": {"days": 365}, "amount_minor": 19_000, "currency": "EUR", "products": {}},
    ],
    "limits": [
        {
            "limit_id": "images",
            "amount": 20,
            "each": ["member"],
            "only": {"model": "gpt-image-1"},
            "unit": "images",
            "period": {"every": "month", "zone": "Europe/Berlin", "starts": 3},
            "hard": False,
            "near": [50, 80],
        },
        {
            "limit_id": "burst",
            "amount": 9,
            "each": [],
            "only": {},
            "unit": "credits",
            "period": {"seconds": 3_600},
            "hard": True,
            "near": [],
        },
    ],
    "listed": False,
    "applies_to": "all",
}
"""A plan that says every field."""

WHOLE_PACKAGE: Json = {
    "name": "500 credits",
    "description": "Permanent.",
    "credits": 500,
    "prices": [{"price": "once", "amount_minor": 600, "currency": "EUR", "products": {"stripe": "price_2"}}],
    "needs_subscription": True,
    "listed": True,
    "applies_to": "new",
}
"""A package that says every field."""


def plan(products: Json | None = None, **fields: Any) -> Plan:
    """A plan of 100 credits a month with one monthly price, which providers know by some ids."""
    price = {"price": "monthly", "interval": {"months": 1}, "amount_minor": 500, "currency": "EUR"}
    prices = [{**price, "products": products}] if products is not None else []
    return Plan.model_validate({"name": "Plan", "credits": 100, "prices": prices, **deepcopy(fields)})


def package(products: Json | None = None, **fields: Any) -> Package:
    """A package of 100 credits with one price, which providers know by some ids."""
    prices = [{"price": "once", "amount_minor": 500, "currency": "EUR", "products": products}]
    body = {"name": "Package", "credits": 100, "prices": prices if products is not None else []}
    return Package.model_validate({**body, **deepcopy(fields)})


def wanted(**bodies: Plan | Package) -> list[Wanted]:
    """Entries by their ids."""
    return [Wanted(name, body) for name, body in bodies.items()]


# Random ones ------------------------------------------------------------------------------------------------------

_lines = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
_credits = st.integers(1, LARGEST)
_intervals = st.one_of(
    st.fixed_dictionaries({"months": st.integers(1, 120)}), st.fixed_dictionaries({"days": st.integers(1, 3_660)})
)
_products = st.dictionaries(
    st.sampled_from(["dodo", "lemonsqueezy", "stripe", "polar", "paddle"]), st.none(), max_size=3
)
_price: Json = {
    "price": _ids,
    "amount_minor": st.integers(0, LARGEST),
    "currency": st.sampled_from(["EUR", "USD", "JPY", "KWD"]),
    "products": _products,
}
_limits = st.fixed_dictionaries(
    {"limit_id": _ids, "amount": st.integers(0, LARGEST)},
    optional={
        "each": st.sampled_from([["member"], []]),
        "only": st.dictionaries(st.sampled_from(["provider", "model", "project"]), _lines, max_size=2),
        "unit": _lines,
        "period": st.sampled_from([{"every": "day"}, {"every": "week", "starts": 7}, {"seconds": 60}]),
        "hard": st.booleans(),
        "near": st.lists(st.integers(1, 100), max_size=10),
    },
)
_shared: Json = {"description": _lines, "listed": st.booleans(), "applies_to": st.sampled_from(["new", "all"])}


def _numbered(document: Json) -> Json:
    """The same with an id of its own for each product."""
    for place, price in enumerate(document.get("prices", [])):
        price["products"] = dict.fromkeys(price["products"], f"product-{place}")
    return document


def _prices(**more: Any) -> st.SearchStrategy[list[Json]]:
    return st.lists(st.fixed_dictionaries({**_price, **more}), max_size=4, unique_by=lambda price: str(price["price"]))


plans = st.fixed_dictionaries(
    {"name": _lines, "credits": st.integers(0, LARGEST)},
    optional={
        **_shared,
        "features": st.lists(_lines, max_size=3),
        "rank": st.integers(0, 1_000),
        "group": _ids,
        "every": _intervals,
        "roll_over": st.fixed_dictionaries({"cap": _credits}, optional={"periods": st.integers(1, 24)}),
        "grace_hours": st.integers(0, 720),
        "trial": st.fixed_dictionaries({"days": st.integers(1, 366), "credits": st.integers(0, LARGEST)}),
        "prices": _prices(interval=_intervals),
        "limits": st.lists(_limits, max_size=3, unique_by=lambda limit: str(limit["limit_id"])),
    },
).map(_numbered)
"""Plans as JSON has them."""

packages = st.fixed_dictionaries(
    {"name": _lines, "credits": _credits},
    optional={**_shared, "prices": _prices(), "needs_subscription": st.booleans()},
).map(_numbered)
"""Packages as JSON has them."""
