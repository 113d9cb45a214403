"""What customers do all the time: work, hold credits for work of unknown cost, pay for plans, buy more."""

from collections.abc import Callable
from datetime import datetime, timedelta

from api.demo.calendar import Habit
from api.demo.caller import Caller
from api.demo.offers import LARGE, MIDDLE, PERIOD, SMALL, Plan, TopUp
from api.demo.rhythm import NIGHTLY, moments
from api.demo.work import Task, again
from ledger.domain.holds import DEFAULT_HOLD

Pace = Callable[[datetime], float]

_MINUTE = timedelta(minutes=1)
_HELD = 0.09
"""Share of the tasks whose cost is not known before."""
_REVERSED = 0.009
_FAILS = 0.06
"""Share of the payments that fail at first."""
_REFUNDED = 0.12
_EVERY_DAY = (1.0,) * 7

_MISTAKES = (
    "The answer was cut off",
    "The same request was sent twice",
    "The model timed out and was asked again",
    "Wrong language in the answer",
    "The customer was not happy with the result",
)


def works(caller: Caller, member: str | None, pace: Pace, until: datetime) -> Habit:
    """One member's tasks, or a person's."""
    customer = caller.customer
    for moment in moments(caller.chance, customer.zone, customer.hours, pace, caller.now):
        if moment >= until:
            return
        yield moment
        _work(caller, caller.some_task(member))


def works_at_night(caller: Caller, pace: Pace, until: datetime) -> Habit:
    """A job that does the same again and again, every night of the week."""
    usual = caller.some_task()
    for moment in moments(caller.chance, caller.customer.zone, NIGHTLY, pace, caller.now, week=_EVERY_DAY):
        if moment >= until:
            return
        yield moment
        _work(caller, again(caller.chance, usual, caller.customer.models))


def _work(caller: Caller, task: Task) -> None:
    """A task, if there are twice the credits for it, so that none is refused; else it waits, or more is bought."""
    account = caller.account
    if account.standing != "active":
        return
    if account.balance.available < 2 * task.credits:
        if caller.customer.tops_up:
            _top_up(caller)
        return
    if caller.chance.random() < _HELD:
        caller.calendar.follow(held(caller, task))
        return
    deduction_id = caller.deduct(task)
    if caller.chance.random() < _REVERSED:
        caller.calendar.follow(_reversed(caller, deduction_id, task.credits))


def _reversed(caller: Caller, deduction_id: str, credits: int) -> Habit:
    """Somebody complains, some time later."""
    yield caller.now + timedelta(minutes=caller.chance.expovariate(1 / 90))
    part = credits // 2 if caller.chance.random() < 0.3 else None
    caller.reverse(deduction_id, caller.chance.choice(_MISTAKES), part)


# Holds -------------------------------------------------------------------------------------------------------------


def held(caller: Caller, task: Task) -> Habit:
    """A hold, and one of the ways in which it ends."""
    hold_id = caller.hold(task.credits * 2, task.description, DEFAULT_HOLD)
    [ending] = caller.chance.choices((_used, _used_in_parts, _used_up, _kept_longer, _dropped, _forgotten), _WEIGHTS)
    yield from ending(caller, hold_id, task)


_WEIGHTS = (62, 12, 8, 6, 8, 4)


def _used(caller: Caller, hold_id: str, task: Task) -> Habit:
    yield _soon(caller)
    if caller.active:
        caller.capture(hold_id, task.credits, task.usage)


def _used_in_parts(caller: Caller, hold_id: str, task: Task) -> Habit:
    for final in (False, True):
        yield _soon(caller)
        if caller.active:
            caller.capture(hold_id, (task.credits + 1) // 2, task.usage, final=final)


def _used_up(caller: Caller, hold_id: str, task: Task) -> Habit:
    """It costs more than was held."""
    yield _soon(caller)
    if caller.active and caller.affords(task.credits):
        caller.capture(hold_id, task.credits * 2 + task.credits // 3, task.usage, on_excess="draw")


def _kept_longer(caller: Caller, hold_id: str, task: Task) -> Habit:
    yield _soon(caller)
    if caller.active:
        caller.extend(hold_id, timedelta(hours=1))
        yield caller.now + timedelta(minutes=caller.chance.uniform(20, 50))
        if caller.active:
            caller.capture(hold_id, task.credits, task.usage)


def _dropped(caller: Caller, hold_id: str, _: Task) -> Habit:
    yield _soon(caller)
    caller.release(hold_id)


def _forgotten(caller: Caller, hold_id: str, task: Task) -> Habit:
    """It expires; now and then somebody comes too late for it."""
    yield caller.now + DEFAULT_HOLD + 2 * _MINUTE
    if caller.active and caller.chance.random() < 0.3:
        caller.capture(hold_id, task.credits, task.usage, refusal="hold_expired")


def _soon(caller: Caller) -> datetime:
    return caller.now + timedelta(seconds=caller.chance.uniform(15, 330))


# Paying ------------------------------------------------------------------------------------------------------------


def subscribes(caller: Caller, plan: Plan, ends: datetime, until: datetime) -> Habit:
    """A period that ends at a moment, then one after the other; from `until` on the card is declined."""
    while caller.now < until:
        if caller.is_closed():
            return
        caller.pay(plan, ends)
        yield ends - timedelta(minutes=caller.chance.uniform(5, 50))
        ends += PERIOD
        if caller.now < until and not caller.is_closed() and caller.chance.random() < _FAILS:
            caller.fail_to_pay(plan.price_minor, plan)
            yield caller.now + timedelta(hours=caller.chance.uniform(20, 30))
    for _ in range(3):
        caller.fail_to_pay(plan.price_minor, plan)
        yield caller.now + timedelta(days=2)


def _top_up(caller: Caller) -> None:
    """More credits, if the card is good."""
    top_up = LARGE if caller.customer.plan and caller.customer.plan.credits > LARGE.credits else _usual(caller)
    if caller.chance.random() < _FAILS:
        caller.calendar.follow(_tries_again(caller, top_up))
        return
    payment_id = caller.buy(top_up)
    if caller.chance.random() < _REFUNDED and caller.customer.usual:
        caller.calendar.follow(_refunded(caller, payment_id, top_up))


def _usual(caller: Caller) -> TopUp:
    return MIDDLE if caller.customer.members else SMALL


def _tries_again(caller: Caller, top_up: TopUp) -> Habit:
    caller.fail_to_pay(top_up.price_minor)
    yield caller.now + timedelta(minutes=caller.chance.uniform(1, 9))
    if caller.active:
        caller.buy(top_up)


def _refunded(caller: Caller, payment_id: str, top_up: TopUp) -> Habit:
    """Within days, all of it or half."""
    yield caller.now + timedelta(hours=caller.chance.uniform(2, 60))
    caller.refund(payment_id, top_up.price_minor // 2 if caller.chance.random() < 0.5 else None)
