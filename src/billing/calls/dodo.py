"""Calls to Dodo Payments.

It keeps no events, so what happened is read from its lists: payments with their refunds and disputes, and the
subscriptions that they are for. It knows no idempotency keys: a change that is done already is not asked for again.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from billing.calls.access import Access
from billing.calls.calls import Changed, HostedPage, Purchase, When
from billing.calls.http import Answer, Api, Method, Pairs, as_json, path_of
from billing.providers.payload import Payload
from billing.providers.provider import Delivery

LIVE, TEST = "https://live.dodopayments.com", "https://test.dodopayments.com"
_PAGE = 100
_MOST_PAGES = 1_000
_NEWEST = 10
"""Payments of a subscription that are read again."""


class DodoCalls:
    """The calls to Dodo Payments with an API key of the mode."""

    provider: ClassVar[str] = "dodo"
    api: ClassVar[type[Api]] = Api
    schedules: ClassVar[bool] = True

    def __init__(self, access: Access) -> None:
        address = access.address or (TEST if access.test else LIVE)
        self._api = self.api("dodo", "Dodo Payments", address, access.key, {"Content-Type": "application/json"})

    async def checkout(self, purchase: Purchase) -> HostedPage:
        """A checkout session. Its metadata goes to the payment, and to the subscription."""
        asked = {
            "product_cart": [{"product_id": purchase.product, "quantity": purchase.quantity}],
            "metadata": {"account_id": purchase.account_id, "checkout_id": purchase.checkout_id},
            "customer": {"customer_id": purchase.customer} if purchase.customer else None,
            "subscription_data": {"trial_period_days": purchase.trial_days or 0} if purchase.kind == "plan" else None,
            "return_url": purchase.return_url,
            "cancel_url": purchase.cancel_url,
        }
        session = (await self._call("POST", path_of("checkouts"), asked)).payload
        return HostedPage(self._api.url(session, "checkout_url"), self._api.text(session, "session_id"))

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        """A session of the customer portal."""
        if customer is None:
            found = await self._call("GET", _subscription(subscription_id))
            customer = self._api.text(found.payload, "customer.customer_id")
        path = path_of("customers", customer, "customer-portal", "session")
        answer = await self._call("POST", path, query=[("return_url", return_url)])
        return self._api.url(answer.payload, "link")

    async def quote(self, subscription_id: str, product: str, quantity: int) -> int | None:
        """Nothing: Dodo Payments computes it when the plan changes."""
        return None

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        """Put a subscription on another product: at once for the time left, if that is paid, or with its renewal."""
        found = await self._call("GET", _subscription(subscription_id))
        if _is_done(found.payload, product, quantity, when):
            return Changed((_word(found),))
        asked = {
            "product_id": product,
            "quantity": quantity,
            "cancel_scheduled_change_plan": True,
            **(_NOW if when == "now" else _AT_RENEWAL),
        }
        answer = (await self._call("POST", path_of("subscriptions", subscription_id, "change-plan"), asked)).payload
        word = _word(await self._call("GET", _subscription(subscription_id)))
        return Changed((word,), self._page_to_pay(answer))

    def _page_to_pay(self, answer: Payload) -> HostedPage | None:
        if answer.at("payment_link").value is None:
            return None
        link, payment_id = self._api.url(answer, "payment_link"), self._api.text(answer, "payment_id")
        return HostedPage(link, payment_id, answer.time("expires_on"))

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        """End a subscription, at its next billing date or at once."""
        asked = {"status": "cancelled"} if when == "now" else {"cancel_at_next_billing_date": True}
        return Changed((_word(await self._call("PATCH", _subscription(subscription_id), asked)),))

    async def resume(self, subscription_id: str, key: str) -> Changed:
        """Take back a cancellation, and a change that is scheduled."""
        path = _subscription(subscription_id)
        found = await self._call("GET", path)
        if found.payload.text("scheduled_change.product_id"):
            await self._call("DELETE", path_of("subscriptions", subscription_id, "change-plan", "scheduled"))
        asked = {"cancel_at_next_billing_date": False}
        return Changed((_word(await self._call("PATCH", path, asked)),))

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        """A subscription as it is now, and its newest payments with their refunds and disputes."""
        word = await self._word(subscription_id)
        query = [("subscription_id", subscription_id), ("page_size", str(_NEWEST)), ("page_number", "0")]
        page = (await self._api.read(path_of("payments"), query)).payload
        told = [one for listed in page.each("items") for one in _payment(await self._whole(listed))]
        return (word, *told)

    async def invoice(self, payment_id: str) -> str | None:
        """The address that Dodo Payments gives for the PDF. It has no end."""
        return (await self._call("GET", path_of("payments", payment_id))).payload.address("invoice_url")

    async def since(self, at: datetime) -> AsyncIterator[Delivery]:
        """The payments, refunds, disputes and subscriptions that were made since a moment, and the subscriptions that
        those payments are for."""
        subscriptions: dict[str, None] = {}
        async for listed in self._each("payments", at):
            payment = await self._whole(listed)
            subscriptions |= dict.fromkeys(_subscriptions_of(payment))
            for one in _payment(payment):
                yield one
        async for refund in self._each("refunds", at):
            for one in _refund(refund):
                yield one
        async for dispute in self._each("disputes", at):
            for one in _dispute(dispute):
                yield one
        async for subscription in self._each("subscriptions", at):
            subscriptions[self._api.text(subscription, "subscription_id")] = None
        for subscription_id in subscriptions:
            yield await self._word(subscription_id)

    async def _word(self, subscription_id: str) -> Delivery:
        return _word(await self._api.read(_subscription(subscription_id)))

    async def _whole(self, listed: Payload) -> Payload:
        """A payment with all that a list leaves out, such as what was in its cart."""
        return (await self._api.read(path_of("payments", self._api.text(listed, "payment_id")))).payload

    async def _each(self, things: str, at: datetime) -> AsyncIterator[Payload]:
        """All things of a list that were made since a moment, page by page."""
        made = [("created_at_gte", at.astimezone(UTC).isoformat()), ("page_size", str(_PAGE))]
        for number in range(_MOST_PAGES):
            page = await self._api.read(path_of(things), [*made, ("page_number", str(number))])
            found = list(page.payload.each("items"))
            for one in found:
                yield one
            if len(found) < _PAGE:
                return
        raise self._api.failed(f"has more than {_MOST_PAGES * _PAGE:,} {things} of that time: ask for a shorter one")

    async def _call(
        self, method: Method, path: str, asked: dict[str, Any] | None = None, *, query: Pairs = ()
    ) -> Answer:
        """A call with JSON. What it has no value for is left out. Raises ProviderFailed."""
        body = None if asked is None else as_json({name: one for name, one in asked.items() if one is not None})
        return await self._api.call(method, path, query=query, body=body)


_NOW = {
    "proration_billing_mode": "prorated_immediately",
    "effective_at": "immediately",
    "on_payment_failure": "prevent_change",
}
_AT_RENEWAL = {
    # The renewal is paid in full, at the new price, instead of at the old one.
    "proration_billing_mode": "full_immediately",
    "effective_at": "next_billing_date",
    "on_payment_failure": "apply_change",
}


def _subscription(subscription_id: str) -> str:
    return path_of("subscriptions", subscription_id)


def _is_done(subscription: Payload, product: str, quantity: int, when: When) -> bool:
    """Whether a change was carried out before, or is scheduled."""
    told = subscription if when == "now" else subscription.at("scheduled_change")
    return told.text("product_id") == product and told.whole("quantity") == quantity


def _subscriptions_of(payment: Payload) -> list[str]:
    one = payment.text("subscription_id")
    return [one] if one else payment.texts("subscription_ids")


def _word(answer: Answer) -> Delivery:
    """A subscription, as an event would have it. Dodo does not say when it changed, so it is as of the call."""
    subscription = answer.payload
    at = int(answer.as_of.timestamp())
    event_id = f"read_{subscription.text('subscription_id')}_{at}"
    return _delivery(event_id, "subscription.updated", answer.as_of, subscription)


def _payment(payment: Payload) -> Iterator[Delivery]:
    """A payment that came to an end, with its refunds and disputes, as their events would have them."""
    status, at = payment.text("status"), payment.time("updated_at", "created_at")
    if status in ("succeeded", "failed") and at is not None:
        yield _delivery(f"read_{payment.text('payment_id')}_{status}", f"payment.{status}", at, payment)
    for refund in payment.each("refunds"):
        yield from _refund(refund)
    for dispute in payment.each("disputes"):
        yield from _dispute(dispute)


def _refund(refund: Payload) -> Iterator[Delivery]:
    at = refund.time("created_at")
    if refund.text("status") == "succeeded" and at is not None:
        yield _delivery(f"read_{refund.text('refund_id')}", "refund.succeeded", at, refund)


def _dispute(dispute: Payload) -> Iterator[Delivery]:
    """A dispute by its status, `dispute_won`. It is as of its beginning, so that any event about its end is later."""
    status, at = dispute.text("dispute_status"), dispute.time("created_at")
    if status is not None and at is not None:
        yield _delivery(f"read_{dispute.text('dispute_id')}_{status}", status.replace("_", ".", 1), at, dispute)


def _delivery(delivery_id: str, kind: str, at: datetime, thing: Payload) -> Delivery:
    event = {"type": kind, "timestamp": at.isoformat(), "data": thing.value}
    return Delivery("dodo", delivery_id, kind, as_json(event), at)
