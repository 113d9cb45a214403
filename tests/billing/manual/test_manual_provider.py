"""Our own provider verifies and reads as the others do: a changed byte is refused, and whatever is read is named."""

import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.checkouts.checkout import Bought, Checkout, bought_as, new_checkout_id, new_reference, read_reference
from billing.facts import DisputeSeen, Incomplete, PaymentSeen, SubscriptionSeen
from billing.manual.payloads import Event, Signed, dispute_event, payment_event, sign
from billing.manual.subscription import begun
from billing.providers.manual import Manual
from billing.providers.provider import Delivery, NotGenuine
from ledger.domain.plans.terms import Interval
from tests.billing.test_hostile_payloads import anything, paths, replaced

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
KEY, OTHER = b"k" * 32, b"o" * 32
PROVIDER = Manual(lambda: (KEY,))
BOUGHT = Bought("plan", "pro", 3, "monthly", 2)
CHECKOUT = Checkout(
    checkout_id=new_checkout_id(),
    account_id="ada",
    wish=bytes(32),
    purpose="purchase",
    kind=BOUGHT.kind,
    entry_id=BOUGHT.entry_id,
    version=BOUGHT.version,
    price=BOUGHT.price,
    quantity=BOUGHT.quantity,
    provider="manual",
    provider_id=None,
    url=None,
    amount_minor=3_800,
    currency="EUR",
    return_url=None,
    cancel_url=None,
    reference=new_reference(),
    subscription_id=None,
    period_start=None,
    period_end=None,
    created_by="test",
    created_at=NOW,
    expires_at=None,
    paid_at=None,
    paid_on=None,
    paid_minor=None,
    paid_by=None,
    trial_days=None,
    live=True,
    state="open",
)
PERIOD = (NOW, NOW + timedelta(days=28))
PAID = payment_event(CHECKOUT, "paid", "initial", NOW, live=True, subscription_id="sub_1", period=PERIOD)
EVENTS = [
    PAID,
    dispute_event(CHECKOUT, "open", NOW, live=True),
    begun(CHECKOUT, Interval(1, "months"), NOW).word(live=True),
]


def verified(signed: Signed, at: datetime = NOW) -> Delivery:
    return PROVIDER.verify(signed.headers, signed.body, at)


def test_only_the_key_of_the_database_signs() -> None:
    signed = sign(PAID, KEY, NOW)
    delivery = verified(signed)
    assert (delivery.delivery_id, delivery.type, delivery.live) == (PAID.delivery_id, "payment.paid", True)
    for wrong in (
        sign(PAID, OTHER, NOW),
        replace(signed, headers={**signed.headers, "webhook-id": "other"}),
        replace(signed, headers={**signed.headers, "webhook-signature": "v1,"}),
        replace(signed, headers={}),
    ):
        with pytest.raises(NotGenuine):
            verified(wrong)
    for place in range(len(signed.body)):
        changed = signed.body[:place] + bytes([signed.body[place] ^ 1]) + signed.body[place + 1 :]
        with pytest.raises(NotGenuine):
            verified(replace(signed, body=changed))
    for minutes in (-6, 6):
        with pytest.raises(NotGenuine):
            verified(signed, NOW + timedelta(minutes=minutes))
    assert verified(sign(Event("d", b"no JSON"), KEY, NOW)).type == ""


def test_what_is_told_is_what_is_read() -> None:
    payment, dispute, word = (next(iter(PROVIDER.facts(verified(sign(event, KEY, NOW))))) for event in EVENTS)
    name = CHECKOUT.checkout_id.removeprefix("chk_")
    assert isinstance(payment, PaymentSeen)
    assert (payment.payment_id, payment.checkout, payment.account) == (
        f"manual:pay_{name}",
        CHECKOUT.checkout_id,
        "ada",
    )
    assert (payment.amount_minor, payment.currency, payment.reason) == (3_800, "EUR", "initial")
    assert (payment.product, payment.quantity) == ("plan:pro:3:monthly", 2)
    assert (payment.period_start, payment.period_end) == PERIOD
    assert isinstance(dispute, DisputeSeen)
    assert (dispute.state, dispute.payment_id, dispute.amount_minor) == ("open", payment.payment_id, 3_800)
    assert isinstance(word, SubscriptionSeen)
    assert (word.status, word.item.product, word.item.quantity) == ("active", "plan:pro:3:monthly", 2)
    assert (word.as_of, word.period_end, word.next_product) == (NOW, datetime(2027, 2, 28, 12, tzinfo=UTC), None)


@settings(max_examples=200)
@given(st.data())
def test_a_payload_that_is_not_ours_is_read_or_named(data: st.DataObject) -> None:
    payload: Any = deepcopy(orjson.loads(data.draw(st.sampled_from(EVENTS)).body))
    for path in data.draw(st.lists(st.sampled_from(list(paths(payload))), min_size=1, max_size=3)):
        payload = replaced(payload, path, data.draw(anything))
    with suppress(Incomplete):  # and nothing else
        PROVIDER.facts(Delivery("manual", "d", "", json.dumps(payload).encode()))


def test_a_product_names_what_it_is() -> None:
    assert bought_as(BOUGHT.product, 2) == BOUGHT
    free = Bought("plan", "free", 1, None, 1)
    assert bought_as(free.product, 1) == free
    for wrong in ("", "plan", "plan:pro:x:", "prices:pro:1:", "plan:pro:1:monthly:more"):
        with pytest.raises(ValueError, match=f"'{wrong}' is no product of ours"):
            bought_as(wrong, 1)


def test_a_reference_is_found_however_it_is_typed() -> None:
    for _ in range(100):
        reference = new_reference()
        bare = reference.replace("-", "")
        for typed in (reference, reference.lower(), bare, f" {bare[2:]} ", reference.replace("-", " ")):
            assert read_reference(typed) == reference, typed
