"""Payments: the money that providers reported, what of it was refunded, and the grants that it paid for."""

from collections.abc import Sequence

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsGranted, PaymentRecorded, PaymentRefunded
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write


def gather(facts: Sequence[Fact]) -> list[Write]:
    """New payments first, then the grants that they bought, then refunds."""
    recorded: dict[tuple[str, str, str], tuple[int, PaymentRecorded]] = {}
    bought: list[tuple[str, CreditsGranted]] = []
    refunded: dict[tuple[str, str | None, str], PaymentRefunded] = {}
    for _, account_id, version, event, _, _ in facts:
        if isinstance(event, PaymentRecorded):
            recorded[account_id, event.provider, event.payment_id] = version, event
        elif isinstance(event, PaymentRefunded):
            refunded[account_id, event.provider, event.payment_id] = event
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
        Write(
            "refund",
            len(refunded),
            {
                "accounts": texts([account_id for account_id, _, _ in refunded]),
                "providers": texts([provider for _, provider, _ in refunded]),
                "payments": texts([payment_id for _, _, payment_id in refunded]),
                "refunded": numerics([event.refunded_minor for event in refunded.values()]),
                "times": moments([event.recorded_at for event in refunded.values()]),
            },
        ),
    ]
    return [write for write in writes if write.rows]


PAYMENTS = Projection(
    "payments",
    version=2,
    tables=(
        Table("payments", ("account_id", "provider", "payment_id")),
        Table("bought", ("account_id", "payment_id", "grant_id")),
    ),
    gather=gather,
)
