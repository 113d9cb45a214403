"""The plan of an account at a moment, from the words about its subscriptions, in the order of positions."""

from datetime import datetime
from typing import NamedTuple

from ledger.domain.events import SubscriptionRecorded
from ledger.domain.plans.subscribed import STATUS_RANKS

_RUNNING = frozenset({"trialing", "active", "past_due"})


class _Word(NamedTuple):
    """What a word says, and its place in the order of words: that a subscription has ended is final."""

    order: tuple[bool, datetime, int]
    runs: bool
    ends_at: datetime | None
    rank: int
    plan: str


class PlansSoFar:
    """The newest word about each subscription. It keeps all subscriptions that were told of, and no more."""

    def __init__(self) -> None:
        self._words: dict[str, dict[str, _Word]] = {}

    def add(self, account_id: str, event: SubscriptionRecorded) -> None:
        """Take one more word, which may be an older one that comes late."""
        order = event.status == "ended", event.as_of, STATUS_RANKS[event.status]
        words = self._words.setdefault(account_id, {})
        known = words.get(event.subscription_id)
        if known is None or order >= known.order:
            runs = event.status in _RUNNING
            words[event.subscription_id] = _Word(order, runs, event.ends_at, event.terms.rank, event.terms.plan)

    def plan_of(self, account_id: str, at: datetime) -> str | None:
        """The plan of an account at a moment, the best if it has several; None if no subscription of it runs."""
        words = self._words.get(account_id)
        if words is None:
            return None
        running = [one for one in words.values() if one.runs and (one.ends_at is None or at < one.ends_at)]
        return max(running, key=lambda one: (one.rank, one.plan)).plan if running else None
