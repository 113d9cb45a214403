"""Subscriptions: the state of each by its newest word, what was paid for it last and first, and its next allowance."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsGranted, PaymentRecorded, SubscriptionRecorded
from ledger.domain.plans.subscribed import STATUS_RANKS, SubscriptionPayment
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write

_Name = tuple[str, str]
"""An account and a subscription of it."""


def gather(facts: Sequence[Fact]) -> list[Write]:
    """What became known of each subscription, then its newest word and its last payment."""
    seen: dict[_Name, tuple[int, str, datetime | None]] = {}
    words: dict[_Name, SubscriptionRecorded] = {}
    first: dict[_Name, datetime] = {}
    paid: dict[_Name, tuple[PaymentRecorded, SubscriptionPayment]] = {}
    since: dict[_Name, datetime] = {}
    for _, account_id, version, event, _, _ in facts:
        if isinstance(event, SubscriptionRecorded):
            name = account_id, event.subscription_id
            seen[name] = version, event.provider, event.next_allowance_at
            first[name] = min(event.as_of, first.get(name, event.as_of))
            words[name] = max(event, words.get(name, event), key=_rank)
        elif isinstance(event, PaymentRecorded) and event.subscription is not None and event.status == "paid":
            name = account_id, event.subscription.subscription_id
            seen[name] = version, event.provider, event.next_allowance_at
            if event.amount_minor:
                since[name] = min(event.subscription.paid_at, since.get(name, event.subscription.paid_at))
            if event.subscription.reason != "change":
                paid[name] = max((event, event.subscription), paid.get(name, (event, event.subscription)), key=_clock)
        elif isinstance(event, CreditsGranted) and event.allowance is not None:
            name = account_id, event.allowance.subscription_id
            provider = seen[name][1] if name in seen else ""
            seen[name] = version, provider, event.allowance.next_at
    return [write for write in (_seen(seen), _words(words, first), _payments(paid), _paying(since)) if write.rows]


def _rank(word: SubscriptionRecorded) -> tuple[bool, datetime, int]:
    """The order of words: that a subscription has ended is final."""
    ended = word.status == "ended"
    return ended, word.as_of, STATUS_RANKS[word.status]


def _clock(paid: tuple[PaymentRecorded, SubscriptionPayment]) -> tuple[datetime, str]:
    return paid[1].paid_at, paid[0].payment_id


def _seen(seen: Mapping[_Name, tuple[int, str, datetime | None]]) -> Write:
    return Write(
        "put",
        len(seen),
        {
            **_names(seen),
            "versions": bigints([version for version, _, _ in seen.values()]),
            "providers": texts([provider for _, provider, _ in seen.values()]),
            "next": moments([at for _, _, at in seen.values()]),
        },
    )


def _words(words: Mapping[_Name, SubscriptionRecorded], first: Mapping[_Name, datetime]) -> Write:
    found = list(words.values())
    return Write(
        "add_words",
        len(words),
        {
            **_names(words),
            "statuses": texts([word.status for word in found]),
            "ranks": bigints([STATUS_RANKS[word.status] for word in found]),
            "plans": texts([word.terms.plan for word in found]),
            "plan_versions": bigints([word.terms.version for word in found]),
            "quantities": bigints([word.quantity for word in found]),
            "credits": bigints([word.terms.credits for word in found]),
            "times": moments([word.as_of for word in found]),
            "starts": moments([first[name] for name in words]),
            "period_starts": moments([word.period_start for word in found]),
            "period_ends": moments([word.period_end for word in found]),
            "ends": moments([word.ends_at for word in found]),
            "next_plans": texts([word.next_plan for word in found]),
            "trial_ends": moments([word.trial_ends_at for word in found]),
            "billed": bigints([_months(word)[0] for word in found]),
            "billed_units": texts([_months(word)[1] for word in found]),
        },
    )


def _months(word: SubscriptionRecorded) -> tuple[int | None, str | None]:
    billed = word.terms.billed
    return (None, None) if billed is None else (billed.length, billed.unit)


def _payments(paid: Mapping[_Name, tuple[PaymentRecorded, SubscriptionPayment]]) -> Write:
    return Write(
        "add_payments",
        len(paid),
        {
            **_names(paid),
            "payments": texts([event.payment_id for event, _ in paid.values()]),
            "times": moments([what.paid_at for _, what in paid.values()]),
            "amounts": numerics([event.amount_minor for event, _ in paid.values()]),
            "currencies": texts([event.currency for event, _ in paid.values()]),
            "period_ends": moments([what.period_end for _, what in paid.values()]),
        },
        exact=False,
    )


def _paying(since: Mapping[_Name, datetime]) -> Write:
    """Since when money is paid for each."""
    return Write("pay_since", len(since), {**_names(since), "times": moments(list(since.values()))}, exact=False)


def _names(names: Iterable[_Name]) -> dict[str, object]:
    both = list(names)
    return {
        "accounts": texts([account_id for account_id, _ in both]),
        "subscriptions": texts([subscription_id for _, subscription_id in both]),
    }


SUBSCRIPTIONS = Projection(
    "subscriptions",
    version=2,
    tables=(Table("subscriptions", ("account_id", "subscription_id")),),
    gather=gather,
)
