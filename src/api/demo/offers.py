"""What the company of the demo sells: the plans and packages of catalog.toml, which is the sample of the docs too."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from billing.catalog_file import read_catalog
from billing.plans import Package, Plan, PlanPrice
from ledger.domain.plans.terms import Interval

SAMPLE_CATALOG = Path(str(files("api.demo").joinpath("catalog.toml")))
"""The plans and packages of the demo, unless the settings name others."""
_SOLD = {one.id: one.body for one in read_catalog(SAMPLE_CATALOG).wanted}
PLANS = {name: body for name, body in _SOLD.items() if isinstance(body, Plan)}
PACKAGES = {name: body for name, body in _SOLD.items() if isinstance(body, Package)}
PERIOD = Interval(1, "months")
"""The time that one payment for a plan pays for: everybody pays monthly."""


def monthly(plan: str) -> PlanPrice:
    """The price of a plan that is paid each month."""
    return next(price for price in PLANS[plan].prices if price.price == "monthly")


def terms_of(plan: str) -> dict[str, Any]:
    """The terms of a plan, as the body of a request has them."""
    body, month = PLANS[plan], {PERIOD.unit: PERIOD.length}
    terms = {"plan": plan, "plan_version": 1, "credits": body.credits, "every": month, "billed": month}
    return terms | {
        "unused": body.roll_over and body.roll_over.model_dump(),
        "grace_seconds": body.grace_hours * 3_600,
        "rank": body.rank,
        "trial_credits": body.trial.credits if body.trial is not None else 0,
    }
