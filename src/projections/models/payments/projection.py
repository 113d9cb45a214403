"""Payments: the money that providers reported, what of it was refunded or disputed, and the grants that it paid for.

What came in and went back is kept for each quarter of an hour (UTC) and currency, by the time of recording.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsGranted, DisputeRecorded, PaymentRecorded, PaymentRefunded
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write


def gather(facts: Sequence[Fact]) -> list[Write]:
    """New payments first, then the grants that they bought, then refunds and disputes, and what all of it comes to."""
    recorded: dict[tuple[str, str, str], tuple[int, PaymentRecorded]] = {}
    bought: list[tuple[str, CreditsGranted]] = []
    refunded: dict[tuple[str, str | None, str], PaymentRefunded] = {}
    disputed: dict[tuple[str, str, str, str], tuple[int, DisputeRecorded]] = {}
    for _, account_id, version, event, _, _ in facts:
        if isinstance(event, PaymentRecorded):
            recorded[account_id, event.provider, event.payment_id] = version, event
        elif isinstance(event, PaymentRefunded):
            refunded[account_id, event.provider, event.payment_id] = event
        elif isinstance(event, DisputeRecorded):
            disputed[account_id, event.provider, event.payment_id, event.dispute_id] = version, event
        elif isinstance(event, CreditsGranted) and event.payment_id is not None:
            bought.append((account_id, event))
    writes = [
        Write(
            "add",
            len(recorded),
            {
                "accounts": texts([account_id for account_id, _, _ in recorded]),
                "versions": bigints([version for version, _ in recorded.values()]),
                "payments": texts([event.payment_id for _, event in recorded.values()]),
                "times": moments([event.recorded_at for _, event in recorded.values()]),
                "providers": texts([event.provider for _, event in recorded.values()]),
                "statuses": texts([event.status for _, event in recorded.values()]),
                "amounts": numerics([event.amount_minor for _, event in recorded.values()]),
                "currencies": texts([event.currency for _, event in recorded.values()]),
                "plans": texts([event.plan for _, event in recorded.values()]),
                "firsts": bigints(
                    [int(event.bought[0][4:]) if event.bought else None for _, event in recorded.values()]
                ),
                "counts": bigints([len(event.bought) for _, event in recorded.values()]),
                **_subscriptions([event.subscription for _, event in recorded.values()]),
            },
        ),
        Write(
            "add_bought",
            len(bought),
            {
                "accounts": texts([account_id for account_id, _ in bought]),
                "payments": texts([event.payment_id for _, event in bought]),
                "grants": texts([event.grant_id for _, event in bought]),
                "kinds": texts([event.kind for _, event in bought]),
                "amounts": bigints([event.amount for _, event in bought]),
                "expiries": moments([event.expires_at for _, event in bought]),
            },
        ),
        _refunds(refunded),
        _disputes(disputed),
        _income(facts),
        _outgo(facts),
    ]
    return [write for write in writes if write.rows]


def _subscriptions(found: Sequence[SubscriptionPayment | None]) -> dict[str, Any]:
    """What payments were for, of those that were for a subscription."""
    return {
        "subscriptions": texts([what and what.subscription_id for what in found]),
        "reasons": texts([what and what.reason for what in found]),
        "starts": moments([what and what.period_start for what in found]),
        "ends": moments([what and what.period_end for what in found]),
    }


def _refunds(refunded: Mapping[tuple[str, str | None, str], PaymentRefunded]) -> Write:
    return Write(
        "refund",
        len(refunded),
        {
            "accounts": texts([account_id for account_id, _, _ in refunded]),
            "providers": texts([provider for _, provider, _ in refunded]),
            "payments": texts([payment_id for _, _, payment_id in refunded]),
            "refunded": numerics([event.refunded_minor for event in refunded.values()]),
            "times": moments([event.recorded_at for event in refunded.values()]),
        },
    )


def _disputes(disputed: Mapping[tuple[str, str, str, str], tuple[int, DisputeRecorded]]) -> Write:
    return Write(
        "dispute",
        len(disputed),
        {
            "accounts": texts([account_id for account_id, *_ in disputed]),
            "versions": bigints([version for version, _ in disputed.values()]),
            "providers": texts([event.provider for _, event in disputed.values()]),
            "payments": texts([event.payment_id for _, event in disputed.values()]),
            "disputes": texts([event.dispute_id for _, event in disputed.values()]),
            "states": texts([event.state for _, event in disputed.values()]),
            "amounts": numerics([event.amount_minor for _, event in disputed.values()]),
            "times": moments([event.recorded_at for _, event in disputed.values()]),
        },
    )


def _income(facts: Sequence[Fact]) -> Write:
    """What was paid in each quarter of an hour and currency."""
    paid: defaultdict[tuple[str, datetime, str], list[int]] = defaultdict(list)
    for _, account_id, _, event, bucket, _ in facts:
        if isinstance(event, PaymentRecorded) and event.status == "paid":
            paid[account_id, bucket, event.currency].append(event.amount_minor)
    return Write(
        "add_income",
        len(paid),
        {
            "accounts": texts([account_id for account_id, _, _ in paid]),
            "buckets": moments([bucket for _, bucket, _ in paid]),
            "currencies": texts([currency for _, _, currency in paid]),
            "amounts": numerics([sum(amounts) for amounts in paid.values()]),
            "counts": bigints([len(amounts) for amounts in paid.values()]),
        },
    )


def _outgo(facts: Sequence[Fact]) -> Write:
    """What was refunded, and what was lost in disputes. The payments, which are written before, know the currencies."""
    gone = [
        (bucket, account_id, event)
        for _, account_id, _, event, bucket, _ in facts
        if isinstance(event, PaymentRefunded) or (isinstance(event, DisputeRecorded) and event.state == "lost")
    ]
    columns = {
        "buckets": moments([bucket for bucket, _, _ in gone]),
        "accounts": texts([account_id for _, account_id, _ in gone]),
        "providers": texts([event.provider for *_, event in gone]),
        "payments": texts([event.payment_id for *_, event in gone]),
        "refunded": numerics([event.amount_minor if isinstance(event, PaymentRefunded) else 0 for *_, event in gone]),
        "lost": numerics([event.amount_minor if isinstance(event, DisputeRecorded) else 0 for *_, event in gone]),
    }
    return Write("add_outgo", len(gone), columns, exact=False)


PAYMENTS = Projection(
    "payments",
    version=5,
    tables=(
        Table("payments", ("account_id", "provider", "payment_id")),
        Table("bought", ("account_id", "payment_id", "grant_id")),
        Table("disputes", ("account_id", "provider", "payment_id", "dispute_id")),
        Table("revenue", ("account_id", "bucket", "currency")),
    ),
    gather=gather,
)
