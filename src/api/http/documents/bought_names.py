"""What a payment paid for, by its name in the catalogue. No event proves it."""

from collections.abc import Sequence
from contextlib import suppress

from api.http.queries.reads import Reads
from billing.catalog import find
from billing.errors import BillingRefused, Kind
from ledger.domain.events import Event, PaymentRecorded, SubscriptionRecorded
from ledger.domain.related_events import subscription_subject
from ledger.domain.subscriptions.subscriptions import terms_by_words
from ledger.store import Record, decode_event

_SOLD: tuple[Kind, ...] = ("plan", "package")


async def bought_name(
    reads: Reads, account_id: str, plan: str | None, events: Sequence[tuple[Record, bytes]]
) -> str | None:
    """The name of the plan or package of a payment, of which `events` are; None when the catalogue has none.

    A provider may name no plan with its payment. It is then that of its word about the subscription.
    """
    if plan is not None:
        return await _in_catalog(reads, plan)
    of_subscription = await _plan_of_subscription(reads, account_id, [_event(record) for record, _ in events])
    return of_subscription and (await _in_catalog(reads, of_subscription) or of_subscription)


async def _plan_of_subscription(reads: Reads, account_id: str, events: Sequence[Event]) -> str | None:
    """The id of the plan that a payment of a subscription paid for; None for any other payment."""
    payment = next(event for event in events if isinstance(event, PaymentRecorded) and event.status == "paid")
    if payment.subscription is None:
        return None
    subject = subscription_subject(payment.subscription.subscription_id)
    async with reads.ledger.log.reader() as reader:
        found = [_event(record) for record, _ in await reader.records_about(account_id, (), subject)]
    terms = terms_by_words(payment, [event for event in found if isinstance(event, SubscriptionRecorded)])
    return terms.plan if terms is not None else None


def _event(record: Record) -> Event:
    return decode_event(record.topic, record.state)


async def _in_catalog(reads: Reads, bought: str) -> str | None:
    async with reads.ledger.log.connection() as connection:
        for kind in _SOLD:
            with suppress(BillingRefused):
                return (await find(connection, kind, bought)).body.name
    return None
