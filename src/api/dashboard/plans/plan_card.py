"""The plan card: which plan an account has, whether it renews or ends, and which credits come next."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from api.contract.answers.lists import Payment
from api.http.billing.catalog import entries_of
from api.http.queries.reads import Reads
from billing.changes.receipts import Held, Receipts
from billing.checkouts.checkout import MANUAL
from billing.manual.lists import Due, due_of
from ledger.domain.errors import AccountNotFound
from ledger.domain.plans.subscribed import SubscriptionStatus
from ledger.domain.subscriptions.subscriptions import Subscriptions
from ledger.explain.subscriptions.answer import SubscriptionNow, active_of, subscriptions_now

STATUS_WORDS: Mapping[SubscriptionStatus, tuple[str, str]] = {
    "incomplete": ("not yet paid", "warn"),
    "trialing": ("trial", "good"),
    "active": ("active", "good"),
    "paused": ("paused", "warn"),
    "past_due": ("payment due", "bad"),
    "ended": ("ended", ""),
}
"""The word of each status, and its tone."""


class PlanCard(NamedTuple):
    """The active subscription, if there is one, and all that are known, the one that counts first."""

    active: SubscriptionNow | None
    all: list[SubscriptionNow]
    names: Mapping[str, str]
    """Of the plans that the catalogue has, by their ids."""
    due: Sequence[Due]
    """The payments that are asked for to renew them."""
    held: Mapping[str, Held]
    """The changes that are asked for near the end of the period, by their subscriptions."""
    subscriptions: Subscriptions
    """What is known of all of them."""

    def plan_of(self, payment: Payment) -> str | None:
        """The id of the plan or package that a payment paid for. A provider may name none: then it is that of the
        subscription when it was paid."""
        if payment["plan"] is not None or payment["subscription_id"] is None:
            return payment["plan"]
        terms = self.subscriptions.terms_paid(payment["provider"], payment["payment_id"])
        return terms.plan if terms is not None else None

    def name_of(self, one: SubscriptionNow) -> str:
        """The name of the plan of a subscription, or its id when the catalogue does not have it."""
        return self.names.get(one["plan"], one["plan"]) if one["plan"] is not None else "Unnamed plan"

    def next_plan_of(self, one: SubscriptionNow) -> str | None:
        """The name of the plan as which a subscription renews, if that is another one."""
        held = self.held.get(one["subscription_id"])
        plan = one["next_plan"] or (held.plan if held is not None else None)
        return self.names.get(plan, plan) if plan is not None else None

    @property
    def others(self) -> list[SubscriptionNow]:
        """Those beside the active one that are active too: somebody pays twice."""
        return [
            one for one in self.all if one is not self.active and one["status"] in ("trialing", "active", "past_due")
        ]


async def plan_card_of(reads: Reads, account_id: str) -> PlanCard:
    """The plan card of an account. Raises AccountNotFound."""
    found = await reads.ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    now = subscriptions_now(found.account, found.as_of)
    sold = await entries_of(reads, "plan") if now else ()
    names = {entry.id: entry.body.name for entry in sold}
    held = await Receipts(reads.ledger.log).held([one["subscription_id"] for one in now])
    return PlanCard(active_of(now), now, names, await _due(reads, account_id, now), held, found.account.subscriptions)


async def _due(reads: Reads, account_id: str, now: Iterable[SubscriptionNow]) -> Sequence[Due]:
    """Only our own provider asks for payments here."""
    if not any(one["provider"] == MANUAL for one in now):
        return ()
    async with reads.ledger.log.connection() as connection:
        return await due_of(connection, account_id)
