"""The company of the demo, as company.toml describes it, and its customers: some by name, the others drawn."""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import islice
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter


class Model(NamedTuple):
    """What does the work. Prices are in credits, for 1,000 tokens or, with a metric, for one of its units."""

    name: str
    provider: str
    input: float
    output: float
    metric: str | None = None


class Work(NamedTuple):
    """What is asked for in some projects, with the least and the most that goes in and comes out."""

    projects: Sequence[str]
    input: tuple[int, int]
    output: tuple[int, int]
    descriptions: Sequence[str]
    metric: str | None = None


class Step(NamedTuple):
    """One command of a script; company.toml explains its parts."""

    moment: str
    action: str
    fields: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


Script = Sequence[Step]


class Customer(NamedTuple):
    """Who has an account. Moments are shares of all weeks; an empty plan or top-up is none.

    Who needs much has the plan several times, `quantity`.
    """

    account_id: str
    name: str
    place: tuple[ZoneInfo, str]
    provider: str
    members: Sequence[str]
    projects: Sequence[str]
    models: Sequence[str]
    plan: str
    top_up: str
    tasks_a_day: float
    rhythm: str
    arrives: float
    quantity: int = 1
    leaves: float = 2.0
    grows: bool = False
    period_ends_in_days: int | None = None
    tries_without_credits: int = 0
    script: Script = ()
    known_for: str = ""


class Company(NamedTuple):
    """All of company.toml."""

    models: Sequence[Model]
    zones: Sequence[tuple[str, str]]
    work: dict[str, Work]
    words: dict[str, Sequence[str]]
    rhythms: dict[str, tuple[Sequence[float], Sequence[float]]]
    actors: dict[str, Sequence[str]]
    actions: dict[str, tuple[str, dict[str, Any]]]
    scripts: dict[str, Sequence[tuple[int, Script]]]
    kinds: dict[str, dict[str, Any]]
    names: dict[str, str]
    customers: dict[str, dict[str, Any]]


COMPANY = TypeAdapter(Company).validate_python(tomllib.loads((files("api.demo") / "company.toml").read_text("utf-8")))

SHOWCASE_ACCOUNT = next(iter(COMPANY.customers))
"""The account that the portal link shows: everything happens to it that can happen to credits."""

_CUSTOMER = TypeAdapter(Customer)


def make_customers(rng: Random, count: int) -> list[Customer]:
    """So many customers: the showcase account, then those who are known for something, then others."""
    return list(islice(_customers(rng), count))


def _customers(rng: Random) -> Iterator[Customer]:
    for account_id, known in COMPANY.customers.items():
        yield _customer(rng, account_id, {"arrives": rng.uniform(0, 0.05), **known})
    teams, first, last = (COMPANY.names[part].split() for part in ("teams", "first", "last"))
    people = [f"{one}-{other}" for one in first for other in last]
    rng.shuffle(teams)
    rng.shuffle(people)
    while True:
        yield _customer(rng, f"team-{teams.pop()}" if teams and rng.random() < 0.3 else people.pop(), {})


def _customer(rng: Random, account_id: str, known: dict[str, Any]) -> Customer:
    """A customer of whom some things are known; the others are drawn."""
    kind = COMPANY.kinds["team" if account_id.startswith("team-") else "person"]
    drawn = {
        "account_id": account_id,
        "name": account_id.removeprefix("team-").replace("-", " ").title(),
        "place": rng.choice(COMPANY.zones),
        "provider": rng.choice(("stripe", "stripe", "paddle")),
        "members": sorted(rng.sample(COMPANY.names["first"].split(), rng.randint(*kind["members"]))),
        "projects": rng.sample(
            [name for work in COMPANY.work.values() for name in work.projects], rng.randint(*kind["projects"])
        ),
        "models": rng.sample([model.name for model in COMPANY.models if not model.metric], rng.randint(2, 4)),
        "plan": rng.choice(kind["plan"]),
        "top_up": rng.choice(kind["top_up"]),
        "tasks_a_day": rng.uniform(*kind["tasks_a_day"]),
        "rhythm": "late" if rng.random() < 0.05 else "office",
        "arrives": rng.uniform(0, 0.25) if rng.random() < 0.7 else rng.uniform(0.25, 0.9),
    }
    return _CUSTOMER.validate_python(drawn | known)
