"""Payments: the money that providers reported, what of it was refunded, and the grants that it paid for."""

from collections.abc import Sequence

from ledger.domain.changes import Fact
from ledger.domain.events import CreditsGranted, PaymentRecorded, PaymentRefunded
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write


def gather(facts: Sequence[Fact]) -> list[Write]:
    """New payments first, then the grants that they bought, then refunds."""
    recorded: list[tuple[str, int, PaymentRecorded]] = []
    bought: list[tuple[str, CreditsGranted]] = []
    refunded: dict[tuple[str, str], PaymentRefunded] = {}
    for _, account_id, version, event, _, _ in facts:
        if isinstance(event, PaymentRecorded):
            recorded.append((account_id, version, event))
        elif isinstance(event, PaymentRefunded):
            refunded[account_id, event.payment_id] = event
        elif isinstance(event, CreditsGranted) and event.payment_id is not None:
            bought.append((account_id, event))
    writes = [
        Write(
            "add",
            len(recorded),
            {
                "accounts": texts([account_id for account_id, _, _ in recorded]),
                "versions": bigints([version for _, version, _ in recorded]),
                "payments": texts([event.payment_id for _, _, event in recorded]),
                "times": moments([event.recorded_at for _, _, event in recorded]),
                "providers": texts([event.provider for _, _, event in recorded]),
                "statuses": texts([event.status for _, _, event in recorded]),
                "amounts": numerics([event.amount_minor for _, _, event in recorded]),
                "currencies": texts([event.currency for _, _, event in recorded]),
                "plans": texts([event.plan for _, _, event in recorded]),
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
                "accounts": texts([account_id for account_id, _ in refunded]),
                "payments": texts([payment_id for _, payment_id in refunded]),
                "refunded": numerics([event.refunded_minor for event in refunded.values()]),
                "times": moments([event.recorded_at for event in refunded.values()]),
            },
        ),
    ]
    return [write for write in writes if write.rows]


PAYMENTS = Projection(
    "payments",
    version=1,
    tables=(
        Table("payments", ("account_id", "payment_id")),
        Table("bought", ("account_id", "payment_id", "grant_id")),
    ),
    gather=gather,
)
