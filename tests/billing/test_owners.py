"""Whose a payment is: an operator's word, then the checkout, which only we can make, then what the payload says."""

from datetime import UTC, datetime

import pytest

from billing.facts import Item, PaymentSeen, SubscriptionSeen, checkout_thing
from billing.known import Known, OwnerLink

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PAYMENT = PaymentSeen(
    "p:pay_1", "paid", 100, "EUR", NOW, subscription_id="p:sub_1", customer="p:cus_1", checkout="chk_1"
)
WORD = SubscriptionSeen("p:sub_1", NOW, "active", Item("x"), customer="p:cus_1", checkout="chk_1")
CHECKOUT = checkout_thing("chk_1")


def said(account: str, *, by_operator: bool = False) -> list[OwnerLink]:
    return [OwnerLink(account, by_operator)]


@pytest.mark.parametrize(
    ("owners", "account"),
    [
        (
            {CHECKOUT: said("ours"), "p:pay_1": said("typed"), "p:sub_1": said("typed"), "p:cus_1": said("typed")},
            "ours",
        ),
        ({"p:pay_1": said("typed"), "p:sub_1": said("typed"), "p:cus_1": said("other")}, "typed"),
        ({"p:cus_1": said("known")}, "known"),
        ({CHECKOUT: said("ours"), "p:sub_1": said("mended", by_operator=True)}, "mended"),
        ({CHECKOUT: [*said("one"), *said("two")], "p:sub_1": said("typed")}, "typed"),
        ({}, None),
    ],
)
def test_the_most_certain_word_counts(owners: dict[str, list[OwnerLink]], account: str | None) -> None:
    known = Known([PAYMENT, WORD], owners=owners)
    assert known.account_of_payment(PAYMENT) == account
    assert known.account_of_subscription(WORD) == account
