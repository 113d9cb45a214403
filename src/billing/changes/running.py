"""The subscriptions of an account that run, and which of them a wish is about. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.changes.refusals import NoSubscription
from ledger.domain.account import Account
from ledger.domain.plans.terms import Terms
from ledger.explain.subscriptions.answer import ACTIVE, SubscriptionNow, subscriptions_now, terms_now

UNGROUPED = "plans"
"""The group of a plan that the catalogue does not have."""


@dataclass(frozen=True, slots=True)
class Running:
    """An active subscription, with the terms of its plan; None when only payments are known that name none."""

    now: SubscriptionNow
    terms: Terms | None
    known_at: datetime | None
    """When the newest word about it was said, by the provider's clock."""
    last_payment: str | None = None
    """The id of its newest payment that is known."""

    @property
    def id(self) -> str:
        """Its id, with the provider in front."""
        return self.now["subscription_id"]

    @property
    def provider(self) -> str:
        """The provider, by name."""
        return self.now["provider"]

    @property
    def own_id(self) -> str:
        """Its id at the provider."""
        return self.id.removeprefix(f"{self.provider}:")

    @property
    def plan(self) -> str:
        """The id of its plan; empty when nobody knows it."""
        return self.now["plan"] or ""

    @property
    def costs_nothing(self) -> bool:
        """Whether its plan has no price, so that no provider knows how to charge for it."""
        return self.terms is not None and self.terms.billed is None


def running_of(account: Account, at: datetime) -> list[Running]:
    """The active subscriptions of an account, the one that counts first."""
    active = [now for now in subscriptions_now(account, at) if now["status"] in ACTIVE]
    found = []
    for now in active:
        one = account.subscriptions.get(now["subscription_id"])
        assert one is not None
        payment = one.payments[-1].payment_id if one.payments else None
        found.append(Running(now, terms_now(one, at), one.last.as_of if one.last is not None else None, payment))
    return found


def named(running: Sequence[Running], account_id: str, subscription_id: str | None) -> Running:
    """The subscription with an id; without one, the one that counts. Raises NoSubscription."""
    for one in running:
        if subscription_id in (None, one.id):
            return one
    raise NoSubscription(account_id, subscription_id)


def in_group(running: Sequence[Running], account_id: str, group: str, groups: Mapping[str, str]) -> Running:
    """The subscription to a plan of a group. `groups` has those of plans by their ids. Raises NoSubscription."""
    return named([one for one in running if groups.get(one.plan, UNGROUPED) == group], account_id, None)
