"""What a change to a plan would be, by what the ledger knows: for those who compare plans, and before anybody is asked.
Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

from billing.changes.asked import Asked, new_plan
from billing.changes.comparing import Target, credits_now, is_better, is_same, time_left
from billing.changes.running import UNGROUPED, Running
from billing.changes.targets import Choice, Offer, PlanWish, choice_of
from billing.checkouts.errors import NoPriceInCurrency, PriceNotFound
from ledger.domain.account import Account
from ledger.domain.errors import InvalidField


class Seen(NamedTuple):
    """An account as it is, and its subscriptions that run."""

    account: Account
    at: datetime
    running: list[Running]


class Foreseen(NamedTuple):
    """What a change to a plan would be: it is the `same`, an `upgrade` with what that gives, a `downgrade`, what comes
    `next` already, or nothing, because the subscription is `ending`, or a payment is `due` first."""

    kind: Literal["same", "upgrade", "downgrade", "next", "ending", "due"]
    asked: Asked | None = None


def upgraded(seen: Seen, running: Running, target: Target) -> Asked:
    """What an upgrade gives and takes, as far as the ledger can tell. Raises Refusal."""
    credits = credits_now(seen.account, running, target, seen.at)
    left = time_left(running, seen.at)
    asked = Asked(running.id, running.provider, "now", running.now["status"], None, new_plan(target))
    return replace(asked, credits_now=credits, time_left=left)


def foreseen(seen: Seen, running: Running, target: Target) -> Foreseen:
    """What a change to a target would be, at least as far as the ledger can tell."""
    if is_same(running, target):
        return Foreseen("same")
    if running.now["cancel_at"] is not None:
        return Foreseen("ending")
    if is_better(running, target):
        due = running.now["status"] == "past_due"
        return Foreseen("due") if due else Foreseen("upgrade", upgraded(seen, running, target))
    return Foreseen("next" if running.now["next_plan"] == target.plan else "downgrade")


def choices(running: Sequence[Running], offers: Mapping[str, Offer], currencies: Mapping[str, str]) -> Iterator[Choice]:
    """The plans that some subscriptions could be changed to: each for the first of its group, at its usual price."""
    groups = {plan: offer.plan.group for plan, offer in offers.items()}
    for plan, offer in offers.items():
        for one in running:
            if groups.get(one.plan, UNGROUPED) == offer.plan.group:
                wish = PlanWish(plan)
                with suppress(PriceNotFound, NoPriceInCurrency, InvalidField):
                    yield choice_of(wish, offer, one, currencies)
                break
