"""The account that the portal link shows: a team to which everything happens that can happen to credits.

Its moments are shares of all weeks, and its last ones minutes and days before now, so that a page of it is worth
looking at whenever the demo is made.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from api.demo.calendar import Habit
from api.demo.caller import Caller
from api.demo.offers import MIDDLE, PERIOD, WRITERS
from api.demo.people import Customer
from api.demo.rhythm import by_day
from api.demo.work import Task, task
from ledger.domain.holds import DEFAULT_HOLD

PERIOD_ENDS_IN = timedelta(days=4)
"""From now: what remains of the plan then lapses, within the seven days of which a page warns."""

_OPEN_HOLD = timedelta(hours=30)
_CHEAP = tuple(model for model in WRITERS if model.output_price < 5)


def first_period_ends(begins: datetime, now: datetime) -> datetime:
    """Periods are counted back from the one that ends in days, whatever weeks there are."""
    ends = now + PERIOD_ENDS_IN
    while ends - PERIOD > begins + timedelta(hours=1):
        ends -= PERIOD
    return ends


def shines(caller: Caller, begins: datetime, now: datetime) -> Habit:
    """Everything that can happen, in its order."""
    weeks = now - begins

    def at(share: float) -> datetime:
        return by_day(caller.chance, caller.customer.zone, begins + weeks * share)

    yield at(0.03)
    caller.promote(400, weeks * 0.2, "Welcome: extra credits for your first weeks")
    yield at(0.12)
    yield from _mistaken_gift(caller)
    yield at(0.2)
    caller.fail_to_pay(MIDDLE.price_minor)
    yield caller.now + timedelta(minutes=6)
    caller.buy(MIDDLE)
    yield at(0.35)
    yield from _bought_twice(caller)
    yield at(0.45)
    yield from _unhappy(caller)
    yield at(0.52)
    caller.promote(1_200, timedelta(hours=20), "A free day with the image models")
    yield at(0.6)
    caller.adjust(250, "Goodwill for the outage of the translation service, agreed with Maya on the phone")
    yield from _captured(caller)
    yield from _released(caller)
    yield from _expired(caller)
    yield now - timedelta(days=2, hours=3)
    caller.promote(1_500, timedelta(days=8), "A week with the new models")
    caller.promote(2_000, timedelta(days=23), "Thank you for bringing a friend")
    yield from _lately(caller, now)


def _mistaken_gift(caller: Caller) -> Habit:
    grant_id = caller.promote(900, timedelta(days=30), "Promotion for new agencies")
    yield caller.now + timedelta(hours=2)
    caller.void(grant_id, "Meant for another account")


def _bought_twice(caller: Caller) -> Habit:
    caller.buy(MIDDLE)
    yield caller.now + timedelta(seconds=50)
    second = caller.buy(MIDDLE)
    yield caller.now + timedelta(hours=2)
    caller.refund(second)


def _unhappy(caller: Caller) -> Habit:
    """A deduction that is reversed in part, then wholly."""
    done = _task(caller)
    deduction_id = caller.deduct(done)
    yield caller.now + timedelta(minutes=25)
    caller.reverse(deduction_id, "Half of the answer was missing", (done.credits + 1) // 2)
    if done.credits > 1:
        yield caller.now + timedelta(minutes=70)
        caller.reverse(deduction_id, "The other half was wrong as well")


def _captured(caller: Caller) -> Habit:
    """In parts, after an extension, and for more than was held."""
    work, hour = _task(caller), timedelta(hours=1)
    yield caller.now + hour
    hold_id = caller.hold(work.credits + 20, work.description, DEFAULT_HOLD)
    yield caller.now + timedelta(minutes=9)
    caller.extend(hold_id, hour)
    yield caller.now + timedelta(minutes=20)
    caller.capture(hold_id, 12, work.usage, final=False)
    yield caller.now + timedelta(minutes=10)
    caller.capture(hold_id, work.credits + 30, work.usage, on_excess="draw")


def _released(caller: Caller) -> Habit:
    yield caller.now + timedelta(hours=1)
    hold_id = caller.hold(120, "Summarise the interviews of the spring survey", DEFAULT_HOLD)
    yield caller.now + timedelta(minutes=4)
    caller.release(hold_id)


def _expired(caller: Caller) -> Habit:
    yield caller.now + timedelta(hours=1)
    caller.hold(80, "Translate the handbook into Korean", DEFAULT_HOLD)
    yield caller.now + 2 * DEFAULT_HOLD


def _lately(caller: Caller, now: datetime) -> Habit:
    """The minutes before now."""
    yield now - timedelta(minutes=26)
    caller.hold(350, "Read the contracts archive and list what runs out this year", _OPEN_HOLD)
    for minutes in (21, 14, 9, 5, 2):
        yield now - timedelta(minutes=minutes, seconds=caller.chance.uniform(0, 50))
        caller.deduct(_task(caller))


def _task(caller: Caller) -> Task:
    return caller.some_task(caller.chance.choice(caller.customer.members))


def next_deduction(chance: Random, customer: Customer) -> dict[str, Any]:
    """The body of one more, for whoever keeps the star moving; its task has no id yet."""
    work = task(chance, chance.choice(customer.projects), _CHEAP, chance.choice(customer.members))
    return {"amount": work.credits, "description": work.description, "usage": work.usage}
