"""What answers say of the catalogue: plans, packages, and their versions."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from api.contract.answers.limits import PeriodFields
from billing.catalog_changes import Entry
from billing.plans import as_json


class IntervalFields(TypedDict, total=False):
    """Some months or some days."""

    months: int
    days: int


class RollOverFields(TypedDict):
    """What is unused at the end of an interval stays for some more, up to a cap."""

    cap: int
    periods: int


class TrialFields(TypedDict):
    """Days before the first payment, with credits of their own."""

    days: int
    credits: int


class OfferedPrice(TypedDict):
    """A price, in minor units of its currency, with the id that each provider has for it."""

    price: str
    amount_minor: int
    currency: str
    products: dict[str, str]


class PlanPriceFields(OfferedPrice):
    """A price that is paid again and again."""

    interval: IntervalFields


class PlanLimitFields(TypedDict):
    """A limit that a plan sets for its subscribers."""

    limit_id: str
    amount: int
    each: list[str]
    only: dict[str, str]
    unit: str
    period: PeriodFields | None
    hard: bool
    near: list[int]


class EntryVersion(TypedDict):
    """One version of a plan or package."""

    version: int
    sha256: Annotated[str, Field(description="of its canonical JSON, in hex")]
    created_by: Annotated[str, Field(description="the key or the operator who put it there")]
    created_at: datetime


class SoldFields(EntryVersion):
    """What plans and packages have in common."""

    name: str
    description: str
    credits: int
    listed: bool
    applies_to: Literal["new", "all"]


class PlanFields(SoldFields):
    """A version of a plan."""

    plan_id: str
    features: list[str]
    rank: int
    group: str
    every: IntervalFields
    roll_over: RollOverFields | None
    grace_hours: int
    trial: TrialFields | None
    prices: list[PlanPriceFields]
    limits: list[PlanLimitFields]


class PackageFields(SoldFields):
    """A version of a package."""

    package_id: str
    prices: list[OfferedPrice]
    needs_subscription: bool


class PlanAnswer(PlanFields, Answer):
    """One version of a plan, and which versions there are."""

    versions: Annotated[list[EntryVersion], Field(description="all versions, the newest first")]


class PackageAnswer(PackageFields, Answer):
    """One version of a package, and which versions there are."""

    versions: Annotated[list[EntryVersion], Field(description="all versions, the newest first")]


class PlansAnswer(Answer):
    """The newest version of each plan, those of the lowest rank first."""

    plans: list[PlanFields]


class PackagesAnswer(Answer):
    """The newest version of each package, those of the fewest credits first."""

    packages: list[PackageFields]


def version_fields(entry: Entry) -> EntryVersion:
    """What a version is, without what it says."""
    return {
        "version": entry.version,
        "sha256": entry.sha256.hex(),
        "created_by": entry.created_by,
        "created_at": entry.created_at,
    }


def plan_fields(entry: Entry) -> PlanFields:
    """A version of a plan as it is answered."""
    made: Any = {"plan_id": entry.id, **version_fields(entry), **as_json(entry.body)}
    fields: PlanFields = made
    return fields


def package_fields(entry: Entry) -> PackageFields:
    """A version of a package as it is answered."""
    made: Any = {"package_id": entry.id, **version_fields(entry), **as_json(entry.body)}
    fields: PackageFields = made
    return fields


def plan_answer(entry: Entry, versions: Iterable[Entry]) -> PlanAnswer:
    """A version of a plan, with all versions."""
    return {**plan_fields(entry), "versions": [version_fields(one) for one in versions]}


def package_answer(entry: Entry, versions: Iterable[Entry]) -> PackageAnswer:
    """A version of a package, with all versions."""
    return {**package_fields(entry), "versions": [version_fields(one) for one in versions]}
