"""The plan of a company: every command of some weeks, in the order of time.

Pure: the same chance and the same moment make the same plan. Nothing here has been done yet; filling.py does it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from api.demo.books import Wish
from api.demo.calendar import Calendar, Habit
from api.demo.caller import Caller
from api.demo.habits import Pace, subscribes, works, works_at_night
from api.demo.offers import PERIOD
from api.demo.people import Customer, cast
from api.demo.star import first_period_ends, shines
from api.demo.stories import stories

_STAYS = 0.62
"""The share of all weeks after which the one that leaves has left."""


def plan(chance: Random, now: datetime, *, weeks: int, accounts: int) -> Iterator[Wish]:
    """All commands of the weeks before `now`. Raises books.Surprise."""
    begins = now - timedelta(weeks=weeks)
    calendar = Calendar(begins, chance)
    for customer in cast(chance, begins, now, accounts):
        calendar.follow(_lives(Caller(calendar, customer), begins, now))
    yield from calendar.run(now)


def star(now: datetime) -> Customer:
    """The customer that the portal link shows."""
    return cast(Random(0), now, now, 1)[0]  # noqa: S311 - nothing of it is left to chance


def _lives(caller: Caller, begins: datetime, now: datetime) -> Habit:
    """Opens the account; everything else follows from there."""
    customer = caller.customer
    yield customer.opened_at
    caller.open()
    for habit in _habits(caller, begins, now):
        caller.calendar.follow(habit)


def _habits(caller: Caller, begins: datetime, now: datetime) -> Iterator[Habit]:
    customer = caller.customer
    leaves = begins + (now - begins) * _STAYS if customer.part == "leaves" else now + PERIOD
    if customer.plan is not None:
        first = first_period_ends(begins, now) if customer.part == "star" else caller.now + PERIOD
        yield subscribes(caller, customer.plan, first, leaves)
    if customer.part == "star":
        yield shines(caller, begins, now)
    yield from stories(caller, begins, now)
    if customer.part == "nightly":
        yield works_at_night(caller, _pace(customer, begins, now), leaves)
    elif customer.part != "runs out":  # that one's work is its story
        for member in customer.members or (None,):
            yield works(caller, member, _pace(customer, begins, now), leaves)


def _pace(customer: Customer, begins: datetime, now: datetime) -> Pace:
    """How many tasks a workday has: for most always as many, with good days and bad."""
    if customer.part != "grows":
        return lambda _: customer.pace
    weeks = now - begins
    return lambda moment: customer.pace * (0.15 + 1.6 * max(0.0, (moment - begins) / weeks) ** 2)
