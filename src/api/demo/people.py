"""The customers: a star, some with a story, and many who just work. None of them is anybody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from api.demo.names import Names
from api.demo.offers import SCALE, STARTER, TEAM, WRITERS, Model, Plan
from api.demo.rhythm import OFFICE, OWL, Hours
from api.demo.work import PROJECTS

STAR = "team-northwind"

Part = Literal["usual", "star", "grows", "leaves", "runs out", "frozen", "thawed", "closed", "nightly"]


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who has an account."""

    account_id: str
    name: str
    zone: ZoneInfo
    members: Sequence[str]
    """Of a team; a person has none."""
    projects: Sequence[str]
    models: Sequence[Model]
    plan: Plan | None
    pace: float
    """Tasks of a workday, of each member."""
    opened_at: datetime
    part: Part = "usual"
    hours: Hours = OFFICE
    tops_up: bool = True
    """Whether more is bought when little is left, rather than the renewal waited for."""
    currency: str = "EUR"
    provider: str = "stripe"

    @property
    def usual(self) -> bool:
        """Whether this is nobody's story, and so may have any mishap."""
        return self.part == "usual"


_ZONES = (
    ("Europe/Berlin", "EUR"),
    ("Europe/London", "GBP"),
    ("Europe/Warsaw", "EUR"),
    ("America/New_York", "USD"),
    ("America/Los_Angeles", "USD"),
    ("America/Sao_Paulo", "USD"),
    ("Africa/Lagos", "USD"),
    ("Asia/Kolkata", "USD"),
    ("Asia/Tokyo", "USD"),
    ("Australia/Sydney", "USD"),
)

_TEAM_SHARE = 0.3
_SPREAD = (0.0, 0.25, 0.9)
"""The shares of all weeks by which most accounts are open, and by which all are."""


class _Told(NamedTuple):
    """A customer with a story, and the share of all weeks that is over when it comes."""

    account_id: str
    name: str
    share: float
    part: Part
    plan: Plan | None
    pace: float
    models: Sequence[Model]
    place: tuple[str, str]
    projects: Sequence[str]
    members: Sequence[str] = ()
    hours: Hours = OFFICE


_BERLIN, _LONDON, _NEW_YORK = _ZONES[0], _ZONES[1], _ZONES[3]
_KESTREL = ("ravi", "sofia", "emeka", "hanna", "tala", "oskar")
_MARIGOLD = ("clara", "felix", "nadia")
_CODE = ("code-review", "test-triage", "user-research")
_SHOP = ("product-pages", "catalogue-photos")
_NEWS = ("newsletter", "market-watch")
_TOLD = (
    _Told("team-kestrel", "Kestrel Robotics", 0.02, "grows", SCALE, 7, WRITERS[:4], _NEW_YORK, _CODE, _KESTREL),
    _Told("team-marigold", "Marigold Interiors", 0.01, "leaves", TEAM, 5, WRITERS[1:3], _BERLIN, _SHOP, _MARIGOLD),
    _Told("theo-marsh", "Theo Marsh", 0.1, "runs out", None, 14, WRITERS[:3], _BERLIN, _NEWS),
    _Told("pixel-foundry", "Pixel Foundry", 0.05, "frozen", STARTER, 6, WRITERS[:2], _NEW_YORK, _SHOP),
    _Told("iris-valdez", "Iris Valdez", 0.04, "thawed", STARTER, 5, WRITERS[2:4], _NEW_YORK, ("contracts",)),
    _Told("ben-ashdown", "Ben Ashdown", 0.03, "closed", STARTER, 4, WRITERS[4:7], _LONDON, ("bookkeeping",)),
    _Told("nightly-archive", "Municipal Archive", 0.02, "nightly", SCALE, 70, WRITERS[7:9], _BERLIN, ("board-papers",)),
    _Told("nils-solberg", "Nils Solberg", 0.02, "usual", STARTER, 6, WRITERS[:5], _BERLIN, _CODE, hours=OWL),
)


def cast(chance: Random, begins: datetime, now: datetime, count: int) -> list[Customer]:
    """So many customers, the star first, then those with a story."""
    names = Names(chance)
    told = [_star(begins), *_stories(chance, begins, now)]
    return [*told, *(_usual(chance, begins, now, names) for _ in range(count - len(told)))]


def _star(begins: datetime) -> Customer:
    return Customer(
        STAR,
        "Northwind Studio",
        ZoneInfo("Europe/Berlin"),
        ("maya", "jonas", "amara", "kenji", "lucia"),
        ("support-desk", "release-notes", "board-papers", "product-pages"),
        tuple(model for model in WRITERS if model.provider != "local" and model.name != "gemini-2.5-pro"),
        TEAM,
        9.0,
        begins,
        "star",
    )


def _stories(chance: Random, begins: datetime, now: datetime) -> Iterator[Customer]:
    """Those to whom something happens that can be found again."""
    for told in _TOLD:
        zone, currency = told.place
        yield Customer(
            told.account_id,
            told.name,
            ZoneInfo(zone),
            told.members,
            told.projects,
            told.models,
            told.plan,
            told.pace,
            begins + (now - begins) * told.share + timedelta(hours=chance.random() * 6),
            told.part,
            told.hours,
            tops_up=told.plan is not None,
            currency=currency,
        )


def _usual(chance: Random, begins: datetime, now: datetime, names: Names) -> Customer:
    team = chance.random() < _TEAM_SHARE and bool(names.teams)
    zone, currency = chance.choice(_ZONES)
    name = (names.teams if team else names.people).pop()
    members = names.members(chance.randint(3, 8)) if team else ()
    return Customer(
        f"team-{name}" if team else name,
        name.replace("-", " ").title(),
        ZoneInfo(zone),
        members,
        tuple(chance.sample(list(PROJECTS), chance.randint(2, 5) if team else chance.randint(1, 2))),
        tuple(chance.sample(WRITERS, chance.randint(2, 4))),
        TEAM if team else chance.choice((STARTER, STARTER, STARTER, None)),
        chance.uniform(2.5, 6) if team else chance.uniform(3, 11),
        begins + (now - begins) * _share(chance),
        hours=OWL if chance.random() < 0.05 else OFFICE,
        tops_up=team or chance.random() < 0.6,
        currency=currency,
        provider=chance.choice(("stripe", "stripe", "paddle")),
    )


def _share(chance: Random) -> float:
    """How much of all weeks is over when somebody comes: most came early, some come all the time."""
    first, most, last = _SPREAD
    return chance.uniform(first, most) if chance.random() < 0.7 else chance.uniform(most, last)
