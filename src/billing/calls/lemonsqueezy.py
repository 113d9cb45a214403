"""Calls to Lemon Squeezy.

It schedules no changes, and knows no idempotency keys: to say a second time how a subscription shall be comes to the
same. What it answers about a subscription does not say whose it is: the webhook of its beginning does.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from billing.calls.access import Access
from billing.calls.calls import Changed, HostedPage, ProviderCannot, Purchase, When
from billing.calls.http import Api, Method, as_json, path_of
from billing.providers.lemonsqueezy import delivery_of
from billing.providers.payload import Payload
from billing.providers.provider import Delivery

ADDRESS = "https://api.lemonsqueezy.com"
LOOK_BACK = timedelta(days=30)
"""Orders and invoices of this time before are looked at for changes, such as refunds: a list goes by when they were
made."""
_TYPE = "application/vnd.api+json"
_PAGE = 100
_MOST_PAGES = 1_000


class LemonSqueezyCalls:
    """The calls to Lemon Squeezy with an API key of the mode, for one store."""

    provider: ClassVar[str] = "lemonsqueezy"
    api: ClassVar[type[Api]] = Api
    schedules: ClassVar[bool] = False

    def __init__(self, access: Access) -> None:
        headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        self._api = self.api("lemonsqueezy", "Lemon Squeezy", access.address or ADDRESS, access.key, headers)
        self._store = access.store or ""
        self._test = access.test

    async def checkout(self, purchase: Purchase) -> HostedPage:
        """A checkout of one variant. Who pays is asked there: it takes no customer that is known already."""
        custom = {"account_id": purchase.account_id, "checkout_id": purchase.checkout_id}
        variant, quantity = _number(purchase.product), purchase.quantity
        attributes = {
            "checkout_data": {
                "custom": custom,
                "variant_quantities": [{"variant_id": variant, "quantity": quantity}],
            },
            "product_options": {"redirect_url": purchase.return_url, "enabled_variants": [variant]},
            "test_mode": self._test,
            **_trial(purchase),
        }
        relationships = {"store": _related("stores", self._store), "variant": _related("variants", purchase.product)}
        asked = {"type": "checkouts", "attributes": attributes, "relationships": relationships}
        made = (await self._call("POST", path_of("v1", "checkouts"), asked)).at("data")
        expires_at = made.time("attributes.expires_at")
        return HostedPage(self._api.url(made, "attributes.url"), self._api.text(made, "id"), expires_at)

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        """The address of the customer portal, which is good for a day. It has no way back to `return_url`."""
        found = await self._call("GET", _subscription(subscription_id))
        return self._api.url(found, "data.attributes.urls.customer_portal")

    async def quote(self, subscription_id: str, product: str, quantity: int) -> int | None:
        """Nothing: Lemon Squeezy computes it when the plan changes."""
        return None

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        """Put a subscription on another variant at once: with an invoice for the time left, or without any."""
        charge = {"invoice_immediately": True} if when == "now" else {"disable_prorations": True}
        found = await self._patch(subscription_id, {"variant_id": _number(product), **charge})
        item = found.at("data.attributes.first_subscription_item")
        if item.whole("quantity") not in (None, quantity):
            item_id = self._api.text(item, "id")
            asked = {"type": "subscription-items", "id": item_id, "attributes": {"quantity": quantity, **charge}}
            await self._call("PATCH", path_of("v1", "subscription-items", item_id), asked)
            found = await self._call("GET", _subscription(subscription_id))
        return Changed((_word(found),))

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        """End a subscription at the end of its period. Raises ProviderCannot for an end now."""
        if when == "now":
            raise ProviderCannot(
                "Lemon Squeezy ends a subscription at the end of its period, and not before.", provider=self.provider
            )
        return Changed((_word(await self._call("DELETE", _subscription(subscription_id))),))

    async def resume(self, subscription_id: str, key: str) -> Changed:
        """Take back a cancellation."""
        return Changed((_word(await self._patch(subscription_id, {"cancelled": False})),))

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        """A subscription as it is now, and its newest invoices."""
        word = _word((await self._api.read(_subscription(subscription_id))).payload)
        query = [("filter[subscription_id]", _own(subscription_id)), ("page[size]", str(_PAGE))]
        page = (await self._api.read(path_of("v1", "subscription-invoices"), query)).payload
        return (word, *(one for invoice in page.each("data") for one in _invoice(invoice)))

    async def invoice(self, payment_id: str) -> str | None:
        """The page of an order, or the PDF of an invoice. Lemon Squeezy signs the address, for some hours."""
        series, _, number = payment_id.partition(":")
        if series == "order":
            return (await self._call("GET", path_of("v1", "orders", number))).address("data.attributes.urls.receipt")
        found = await self._call("GET", path_of("v1", "subscription-invoices", number))
        return found.address("data.attributes.urls.invoice_url")

    async def since(self, at: datetime) -> AsyncIterator[Delivery]:
        """What changed since a moment: orders and invoices that are not much older, and subscriptions of any age."""
        async for order in self._each("orders", at, at - LOOK_BACK):
            yield _order(order)
        async for invoice in self._each("subscription-invoices", at, at - LOOK_BACK):
            for one in _invoice(invoice):
                yield one
        async for subscription in self._each("subscriptions", at, None):
            yield _delivery("subscription_updated", subscription)

    async def _each(self, things: str, at: datetime, oldest: datetime | None) -> AsyncIterator[Payload]:
        """The things of a list that changed since a moment. Those made last come first, and none before `oldest`."""
        query = [("filter[store_id]", self._store), ("page[size]", str(_PAGE))]
        for number in range(1, _MOST_PAGES + 1):
            page = (await self._api.read(path_of("v1", things), [*query, ("page[number]", str(number))])).payload
            found = list(page.each("data"))
            for one in found:
                changed = one.time("attributes.updated_at")
                if changed is not None and changed >= at:
                    yield one
            made = found[-1].time("attributes.created_at") if found else None
            if len(found) < _PAGE or (oldest is not None and made is not None and made < oldest):
                return
        raise self._api.failed(f"has more than {_MOST_PAGES * _PAGE:,} {things} of that time: ask for a shorter one")

    async def _patch(self, subscription_id: str, attributes: dict[str, Any]) -> Payload:
        asked = {"type": "subscriptions", "id": _own(subscription_id), "attributes": attributes}
        return await self._call("PATCH", _subscription(subscription_id), asked)

    async def _call(self, method: Method, path: str, asked: dict[str, Any] | None = None) -> Payload:
        """A call with a resource of JSON:API. Raises ProviderFailed."""
        body = None if asked is None else as_json({"data": asked})
        return (await self._api.call(method, path, body=body)).payload


def _trial(purchase: Purchase) -> dict[str, Any]:
    """The days of a trial are the variant's: a page has that trial and an end, or neither."""
    if purchase.kind != "plan":
        return {}
    if purchase.trial_days is None:
        return {"checkout_options": {"skip_trial": True}}
    return {} if purchase.expires_at is None else {"expires_at": purchase.expires_at.isoformat()}


def _subscription(subscription_id: str) -> str:
    return path_of("v1", "subscriptions", _own(subscription_id))


def _own(subscription_id: str) -> str:
    """The number of a subscription. Our ids say of which series it is, because those of the provider overlap."""
    return subscription_id.removeprefix("subscription:")


def _number(variant: str) -> int | str:
    """The id of a variant, which is a number; a text that is none stays as it is, for Lemon Squeezy to refuse."""
    return int(variant) if variant.isascii() and variant.isdigit() else variant


def _related(kind: str, thing_id: str) -> dict[str, Any]:
    return {"data": {"type": kind, "id": thing_id}}


def _word(answer: Payload) -> Delivery:
    return _delivery("subscription_updated", answer.at("data"))


def _order(order: Payload) -> Delivery:
    refunded = order.text("attributes.status") in ("refunded", "partial_refund")
    return _delivery("order_refunded" if refunded else "order_created", order)


def _invoice(invoice: Payload) -> Iterator[Delivery]:
    """An invoice that was paid. One that is pending may have failed, or be too young to have been tried."""
    status = invoice.text("attributes.status")
    if status == "paid":
        yield _delivery("subscription_payment_success", invoice)
    elif status in ("refunded", "partial_refund"):
        yield _delivery("subscription_payment_refunded", invoice)


def _delivery(kind: str, thing: Payload) -> Delivery:
    """A thing, as an event would have it. Its addresses are made anew for each answer, and would make it another."""
    attributes = thing.at("attributes").value
    told = {name: one for name, one in attributes.items() if name != "urls"} if isinstance(attributes, dict) else {}
    meta = {"event_name": kind, "test_mode": told.get("test_mode")}
    data = {"type": thing.text("type"), "id": thing.text("id"), "attributes": told}
    return delivery_of(as_json({"meta": meta, "data": data}))
