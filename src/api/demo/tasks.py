"""What customers ask for, with its price in credits, and when."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from math import ceil, sqrt
from random import Random
from typing import Any, NamedTuple

from api.demo.company import COMPANY, Customer, Model

_WORK = {project: work for work in COMPANY.work.values() for project in work.projects}


_FAILED = 0.02
"""Share of the tasks that fail, although they cost credits."""


class Task(NamedTuple):
    """One piece of work."""

    task_id: str
    amount: int
    description: str
    usage: dict[str, Any]


def make_id(rng: Random, prefix: str) -> str:
    """One that nobody else has."""
    return f"{prefix}_{rng.getrandbits(56):014x}"


def make_task(rng: Random, customer: Customer, member: str | None, models: Sequence[str] = ()) -> Task:
    """Something that a customer asks for, from a model that they use or else from one that can do it."""
    project = rng.choice(customer.projects)
    work = _WORK[project]
    able = [model for model in COMPANY.models if model.metric == work.metric]
    model = rng.choice([model for model in able if model.name in (models or customer.models)] or able)
    taken, made = _size(rng, work.input), _size(rng, work.output)
    usage: dict[str, Any] = {"provider": model.provider, "model": model.name, "project": project}
    usage |= {"member": member} if member else {}
    usage |= (
        {"metric": model.metric, "quantity": made} if model.metric else {"input_tokens": taken, "output_tokens": made}
    )
    usage |= {"duration_ms": _duration_ms(rng, model, made), "success": rng.random() >= _FAILED}
    cost = (taken * model.input + made * model.output) / (1 if model.metric else 1_000)
    text = re.sub(r"{(\w+)}", lambda place: rng.choice(COMPANY.words[place[1]]), rng.choice(work.descriptions))
    return Task(make_id(rng, "task"), max(1, ceil(cost)), text, usage)


def _duration_ms(rng: Random, model: Model, made: int) -> int:
    """Longer for more output, with few answers that take several times as long as most."""
    usual = 4_000 * made if model.metric else 600 + 14 * made
    return max(1, round(usual * rng.lognormvariate(0, 0.45)))


def _size(rng: Random, limits: tuple[int, int]) -> int:
    """Mostly small, now and then large."""
    least, most = limits
    return round(least + (most - least) * min(rng.expovariate(3.5), 1))


def work_moments(
    rng: Random, customer: Customer, pace: Callable[[datetime], float], since: datetime
) -> Iterator[datetime]:
    """Moments of work from `since` on, for ever; `pace` says how many there are on a usual day."""
    (hours, week), (zone, _) = COMPANY.rhythms[customer.rhythm], customer.place
    midnight = datetime.combine(since.astimezone(zone), time(), zone)
    while True:
        expected = pace(midnight) * week[midnight.weekday()]
        count = max(0, round(rng.gauss(expected, sqrt(expected))))
        drawn = sorted(hour + rng.random() for hour in rng.choices(range(len(hours)), hours, k=count))
        moments = ((midnight + timedelta(hours=hour)).astimezone(UTC) for hour in drawn)
        yield from (moment for moment in moments if moment >= since)
        midnight += timedelta(days=1)
