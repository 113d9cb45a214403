"""Calls to Stripe.

A change at the end of a period is a schedule of the subscription. A webhook does not have what is in a schedule, so the
next price is noted in the metadata of the subscription, where the facts find it.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode

from billing.calls.access import Access
from billing.calls.calls import Changed, HostedPage, Purchase, When
from billing.calls.http import Answer, Api, Method, Pairs, as_json, path_of
from billing.providers.payload import Payload
from billing.providers.provider import Delivery
from billing.providers.stripe import EVENTS, NEXT_PRICE, delivery_of

ADDRESS = "https://api.stripe.com"
VERSION = "2026-10-28.endive"
"""The version of the API whose answers are read."""
_LONGEST_REFERENCE = 200
"""Characters of `client_reference_id`. A longer account is in the metadata alone."""
_PAGE = 100
_MOST_PAGES = 1_000
_FORM = "application/x-www-form-urlencoded"

Fields = Mapping[str, str | int | None]


class StripeCalls:
    """The calls to Stripe with a secret key, `sk_...` or `rk_...`."""

    provider: ClassVar[str] = "stripe"
    api: ClassVar[type[Api]] = Api
    schedules: ClassVar[bool] = True

    def __init__(self, access: Access) -> None:
        self._api = self.api("stripe", "Stripe", access.address or ADDRESS, access.key, {"Stripe-Version": VERSION})

    async def checkout(self, purchase: Purchase) -> HostedPage:
        """A checkout session. Its metadata says what is sold, because its webhook does not."""
        plan = purchase.kind == "plan"
        account = purchase.account_id
        fields = {
            "mode": "subscription" if plan else "payment",
            "line_items[0][price]": purchase.product,
            "line_items[0][quantity]": purchase.quantity,
            "client_reference_id": account if len(account) <= _LONGEST_REFERENCE else None,
            "customer": purchase.customer,
            "success_url": purchase.return_url,
            "cancel_url": purchase.cancel_url,
            "subscription_data[trial_period_days]": purchase.trial_days,
            **_metadata(purchase, "metadata"),
            **_metadata(purchase, "subscription_data[metadata]" if plan else "payment_intent_data[metadata]"),
        }
        answer = await self._call("POST", path_of("v1", "checkout", "sessions"), fields, purchase.checkout_id)
        session = answer.payload
        return HostedPage(self._api.url(session, "url"), self._api.text(session, "id"), session.time("expires_at"))

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        """A session of the customer portal."""
        if customer is None:
            found = await self._call("GET", _subscription(subscription_id))
            customer = self._api.text(found.payload, "customer")
        fields = {"customer": customer, "return_url": return_url}
        answer = await self._call("POST", path_of("v1", "billing_portal", "sessions"), fields)
        return self._api.url(answer.payload, "url")

    async def quote(self, subscription_id: str, product: str, quantity: int) -> int | None:
        """Nothing: Stripe computes it when the plan changes."""
        return None

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        """Put a subscription on another price: at once with an invoice for the time left, or by a schedule.

        An invoice that is not paid at once leaves the subscription as it is, until it is paid on its page.
        """
        found = (await self._call("GET", _subscription(subscription_id))).payload
        if when == "period_end":
            return await self._schedule(found, subscription_id, product, quantity, key)
        await self._release(found, key)
        fields: Fields = {
            "items[0][id]": self._api.text(found, "items.data.0.id"),
            "items[0][price]": product,
            "items[0][quantity]": quantity,
            "proration_behavior": "always_invoice",
            "payment_behavior": "pending_if_incomplete",
            "expand[0]": "latest_invoice",
        }
        answer = await self._call("POST", _subscription(subscription_id), fields, f"{key}:change")
        return Changed((_word(answer), *_invoices(answer.payload.at("latest_invoice"))), self._page_to_pay(answer))

    async def _schedule(self, found: Payload, subscription_id: str, product: str, quantity: int, key: str) -> Changed:
        schedule_id = found.reference("schedule")
        if schedule_id is None:
            made = {"from_subscription": subscription_id}
            schedule = await self._call("POST", path_of("v1", "subscription_schedules"), made, f"{key}:schedule")
            schedule_id = self._api.text(schedule.payload, "id")
        else:
            schedule = await self._call("GET", path_of("v1", "subscription_schedules", schedule_id))
        fields = self._phases(found, schedule.payload, product, quantity)
        await self._call("POST", path_of("v1", "subscription_schedules", schedule_id), fields, f"{key}:phases")
        noted = {f"metadata[{NEXT_PRICE}]": product}
        return Changed((_word(await self._call("POST", _subscription(subscription_id), noted, f"{key}:note")),))

    def _phases(self, found: Payload, schedule: Payload, product: str, quantity: int) -> Fields:
        """The rest of the period as it is, and the new price after it. Then the schedule lets the subscription go."""
        return {
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases[0][start_date]": self._api.text(schedule, "current_phase.start_date"),
            "phases[0][end_date]": self._api.text(schedule, "current_phase.end_date"),
            "phases[0][trial_end]": found.whole("trial_end") if found.text("status") == "trialing" else None,
            "phases[0][items][0][price]": self._api.text(found, "items.data.0.price.id"),
            "phases[0][items][0][quantity]": found.whole("items.data.0.quantity"),
            "phases[1][items][0][price]": product,
            "phases[1][items][0][quantity]": quantity,
            "phases[1][proration_behavior]": "none",
        }

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        """End a subscription. One with a schedule must be let go of by that first."""
        path = _subscription(subscription_id)
        if when == "now":
            return Changed((_word(await self._call("DELETE", path)),))
        await self._release((await self._call("GET", path)).payload, key)
        return Changed((_word(await self._call("POST", path, {"cancel_at_period_end": "true"}, f"{key}:cancel")),))

    async def resume(self, subscription_id: str, key: str) -> Changed:
        """Take back a cancellation, and a schedule."""
        path = _subscription(subscription_id)
        found = await self._call("GET", path)
        released = await self._release(found.payload, key)
        if found.payload.is_true("cancel_at_period_end"):
            fields: Fields = {"cancel_at_period_end": "false"}
        elif found.payload.time("cancel_at"):
            fields = {"cancel_at": ""}
        else:
            return Changed((_word(await self._call("GET", path) if released else found),))
        return Changed((_word(await self._call("POST", path, fields, f"{key}:resume")),))

    async def _release(self, found: Payload, key: str) -> bool:
        """Let the schedule of a subscription, if it has one, let go of it. Whether it had one."""
        schedule_id = found.reference("schedule")
        if schedule_id is not None:
            path = path_of("v1", "subscription_schedules", schedule_id, "release")
            await self._call("POST", path, {}, f"{key}:release")
        return schedule_id is not None

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        """A subscription as it is now, and its newest invoices."""
        word = _word(await self._api.read(_subscription(subscription_id)))
        query = [("subscription", subscription_id), ("limit", str(_PAGE)), ("expand[0]", "data.payments")]
        found = await self._api.read(path_of("v1", "invoices"), query)
        return (word, *(one for invoice in found.payload.each("data") for one in _invoices(invoice)))

    async def invoice(self, payment_id: str) -> str | None:
        """None: the seller is not Stripe."""
        return None

    async def since(self, at: datetime) -> AsyncIterator[Delivery]:
        """The events since a moment, as they were delivered, the newest first. Stripe keeps them for thirty days."""
        types = [(f"types[{place}]", name) for place, name in enumerate(EVENTS)]
        query = [("created[gte]", str(int(at.timestamp()))), ("limit", str(_PAGE)), *types]
        async for event in self._each(path_of("v1", "events"), query):
            yield delivery_of(as_json(event.value))

    async def _each(self, path: str, query: Pairs) -> AsyncIterator[Payload]:
        """All things of a list, page by page."""
        after: Pairs = []
        for _ in range(_MOST_PAGES):
            page = (await self._api.read(path, [*query, *after])).payload
            found = list(page.each("data"))
            for one in found:
                yield one
            last = found[-1].text("id") if found else None
            if last is None or not page.is_true("has_more"):
                return
            after = [("starting_after", last)]
        raise self._api.failed(f"has more than {_MOST_PAGES * _PAGE:,} events of that time: ask for a shorter one")

    async def _call(self, method: Method, path: str, fields: Fields | None = None, key: str | None = None) -> Answer:
        """A call with a form. What it has no value for is left out. Raises ProviderFailed."""
        if fields is None:
            return await self._api.call(method, path)
        told = [(name, str(value)) for name, value in fields.items() if value is not None]
        headers = {"Content-Type": _FORM, **({"Idempotency-Key": key} if key else {})}
        return await self._api.call(method, path, body=urlencode(told).encode(), headers=headers)

    def _page_to_pay(self, answer: Answer) -> HostedPage | None:
        """The page of the invoice of a change that waits for its payment; None when the change is done."""
        invoice = answer.payload.at("latest_invoice")
        if answer.payload.at("pending_update").value is None or invoice.text("status") != "open":
            return None
        expires_at = answer.payload.time("pending_update.expires_at")
        return HostedPage(self._api.url(invoice, "hosted_invoice_url"), self._api.text(invoice, "id"), expires_at)


def _subscription(subscription_id: str) -> str:
    return path_of("v1", "subscriptions", subscription_id)


def _metadata(purchase: Purchase, name: str) -> Fields:
    """What comes back in the webhooks: what was bought, how many, for whom, and in which checkout."""
    return {
        f"{name}[account_id]": purchase.account_id,
        f"{name}[checkout_id]": purchase.checkout_id,
        f"{name}[price_id]": purchase.product,
        f"{name}[quantity]": purchase.quantity,
    }


def _word(answer: Answer) -> Delivery:
    """A subscription, as an event would have it. Stripe does not say when it changed, so it is as of the call."""
    subscription = answer.payload
    at = int(answer.as_of.timestamp())
    return _event(f"read_{subscription.text('id')}_{at}", "customer.subscription.updated", at, subscription)


def _invoices(invoice: Payload) -> Iterator[Delivery]:
    """An invoice that was paid or could not be, as the event of that would have it."""
    status, invoice_id = invoice.text("status"), invoice.text("id")
    if status == "paid":
        at = invoice.whole("status_transitions.paid_at", "created") or 0
        yield _event(f"read_{invoice_id}_paid", "invoice.paid", at, invoice)
    elif status in ("open", "uncollectible") and invoice.is_true("attempted"):
        at = invoice.whole("status_transitions.finalized_at", "created") or 0
        yield _event(f"read_{invoice_id}_failed", "invoice.payment_failed", at, invoice)


def _event(event_id: str, kind: str, created: int, thing: Payload) -> Delivery:
    live = thing.at("livemode").value
    event = {"id": event_id, "object": "event", "type": kind, "created": created, "livemode": live}
    return delivery_of(as_json({**event, "data": {"object": thing.value}}))
