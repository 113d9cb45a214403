"""What happens to some customers, so that it can be looked up: what each of these accounts is known for."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from api.demo.calendar import Habit
from api.demo.caller import Caller
from api.demo.offers import SMALL
from api.demo.rhythm import by_day, moments

_TRIES = 7


def stories(caller: Caller, begins: datetime, now: datetime) -> Iterator[Habit]:
    """What a customer's part comes to, beside the usual."""

    def at(share: float) -> datetime:
        return by_day(caller.chance, caller.customer.zone, begins + (now - begins) * share)

    match caller.customer.part:
        case "runs out":
            yield _runs_out(caller)
        case "frozen":
            yield _is_frozen(caller, at(0.93))
        case "thawed":
            yield _is_frozen_by_mistake(caller, at(0.55))
        case "closed":
            yield _is_closed(caller, at(0.8))
        case "leaves" | "grows" | "nightly" | "usual" | "star":
            yield _is_given(caller)


def _runs_out(caller: Caller) -> Habit:
    """No plan, one small top-up, and then the wall, again and again."""
    caller.buy(SMALL)
    tries = 0
    customer = caller.customer
    for moment in moments(caller.chance, customer.zone, customer.hours, lambda _: customer.pace, caller.now):
        yield moment
        task = caller.some_task()
        if caller.affords(task.credits):
            caller.deduct(task)
        elif tries < _TRIES:
            tries += 1
            caller.deduct(task, refusal="insufficient_credits")
        else:
            return


def _is_frozen(caller: Caller, at: datetime) -> Habit:
    """And its app does not know."""
    yield at
    caller.freeze("Chargeback of the last payment; under review")
    for _ in range(4):
        yield caller.now + timedelta(hours=caller.chance.uniform(0.3, 6))
        caller.deduct(caller.some_task(), refusal="account_frozen")


def _is_frozen_by_mistake(caller: Caller, at: datetime) -> Habit:
    yield at
    caller.freeze("Unusual sign-in from another country")
    yield caller.now + timedelta(hours=7)
    caller.unfreeze("The customer confirmed that it was them, on a journey")


def _is_closed(caller: Caller, at: datetime) -> Habit:
    yield at
    caller.close("The customer asked us to close the account")
    yield caller.now + timedelta(minutes=40)
    caller.deduct(caller.some_task(), refusal="account_closed")


_GIFTS = (
    (150, 7, "Welcome back: a week of extra credits"),
    (300, 14, "Thank you for bringing a friend"),
    (500, 10, "Ten days of extra credits, on the house"),
    (250, 21, "For trying the new image models"),
)


def _is_given(caller: Caller) -> Habit:
    """A promotion now and then; sometimes the wrong one, sometimes an apology."""
    while True:
        yield caller.now + timedelta(days=caller.chance.uniform(4, 60))
        if not caller.active:
            return
        credits, days, description = caller.chance.choice(_GIFTS)
        grant_id = caller.promote(credits, timedelta(days=days), description)
        lot = caller.chance.random()
        if lot < 0.15:
            yield caller.now + timedelta(minutes=caller.chance.uniform(2, 300))
            caller.void(grant_id, "Given to the wrong account")
        elif lot < 0.3:
            caller.adjust(40, "Goodwill for slow answers on Tuesday")
