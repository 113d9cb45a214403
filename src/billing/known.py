"""What is known about some payments and subscriptions: the joined facts, and the links between their names.

Names are those of facts.py. A payment may have several: a charge, a payment intent and an invoice of Stripe are one
payment, because links say so. Its own name is the one at the end of its links.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from types import MappingProxyType
from typing import Any, Literal, TypeVar, assert_never

from billing.errors import Kind
from billing.facts import (
    DisputeSeen,
    Fact,
    InvoiceSeen,
    Item,
    Link,
    PaymentSeen,
    ProductSeen,
    RefundSeen,
    SubscriptionSeen,
    about,
    account_thing,
    checkout_thing,
    join,
)
from billing.plans import Sold

NOTHING: Mapping[Any, Any] = MappingProxyType({})
_ACCOUNT = account_thing("")
_CHECKOUT = checkout_thing("")
_LONGEST_CHAIN = 8
"""Links from a name to its payment. Providers need two."""
_SUBSCRIPTION = "sub"
"""How the ids of subscriptions begin, at every provider: `sub_...`, `subscription:...`."""
FactT = TypeVar("FactT", PaymentSeen, ProductSeen, RefundSeen, DisputeSeen, SubscriptionSeen)
LinkKind = Literal["owner", "subscription", "same"]
Key = tuple[str, str]
"""The kind of a fact, and what it is about. Two facts with one key are joined."""
Product = tuple[str, datetime]
"""A product with its provider in front, and the time at which it was paid for or named: entries of the catalogue may
change for everybody."""


@dataclass(frozen=True, slots=True)
class SoldProduct:
    """What a product of a provider means: a version of a plan or of a package, and the name of its price."""

    kind: Kind
    entry_id: str
    version: int
    price: str
    sold: Sold


@dataclass(frozen=True, slots=True)
class OwnerLink:
    """An account that something belongs to; `decided` when an operator said so."""

    account_id: str
    decided: bool


class Known:
    """The joined facts, the links of their names, and what the products that were paid for mean.

    `belongs_to` has for each name the other names of the same payment that it belongs to; `owners` for each name the
    accounts that it belongs to, what was said last coming first; `of_subscriptions` are the names of payments that
    links give to a subscription.
    """

    def __init__(
        self,
        facts: Iterable[Fact],
        belongs_to: Mapping[str, Sequence[str]] = NOTHING,
        owners: Mapping[str, Sequence[OwnerLink]] = NOTHING,
        of_subscriptions: Collection[str] = (),
        products: Mapping[Product, SoldProduct] = NOTHING,
    ) -> None:
        self._belongs_to = belongs_to
        self._owners = owners
        self._of_subscriptions = of_subscriptions
        self._products = products
        self._facts: dict[tuple[type[Fact], str], list[Any]] = {}
        """The facts of each kind about each payment or subscription, by its own name."""
        for fact in facts:
            for subject in subjects_of(fact):
                self._facts.setdefault((type(fact), self.own_name(subject)), []).append(fact)
        self._names: dict[str, set[str]] = {}
        for name in belongs_to:
            self._names.setdefault(self.own_name(name), set()).add(name)

    def own_name(self, name: str) -> str:
        """The name of a payment that goes by `name`."""
        for _ in range(_LONGEST_CHAIN):
            others = [other for other in self._belongs_to.get(name, ()) if other != name]
            if not others:
                break
            name = min(others)
        return name

    def payment(self, payment_id: str) -> PaymentSeen | None:
        """The payment with this name of its own."""
        return next((one for one in self._of(PaymentSeen, payment_id) if one.payment_id == payment_id), None)

    def pays_subscription(self, payment: PaymentSeen) -> bool:
        """Whether a payment is one of a subscription, by its own word or by a link."""
        return payment.subscription_id is not None or payment.payment_id in self._of_subscriptions

    def words(self, subscription_id: str) -> list[SubscriptionSeen]:
        """All words about a subscription, the oldest first."""
        return sorted(self._of(SubscriptionSeen, subscription_id), key=lambda word: (word.as_of, word.status))

    def refund(self, payment_id: str) -> RefundSeen | None:
        """All that is known to have gone back of a payment, under whichever of its names."""
        parts: list[Fact] = [replace(one, payment_id=payment_id) for one in self._of(RefundSeen, payment_id)]
        found = reduce(join, parts) if parts else None
        return found if isinstance(found, RefundSeen) else None

    def disputes(self, payment_id: str) -> list[DisputeSeen]:
        """The disputes of a payment, in the order of their ids."""
        return sorted(self._of(DisputeSeen, payment_id), key=lambda one: one.dispute_id)

    def paid_by(self, word: SubscriptionSeen) -> str | None:
        """The payment of which a word about a subscription tells the product."""
        found = self._of(ProductSeen, word.subscription_id)
        return next((self.own_name(one.payment_id) for one in found if one.as_of == word.as_of), None)

    def product(self, thing: str, item: Item, at: datetime) -> SoldProduct | None:
        """What an item of a payment or subscription means; None when the catalogue does not have its product."""
        return self._products.get((product_name(thing, item), at))

    def account_of_payment(self, payment: PaymentSeen) -> str | None:
        """The account of a payment: by its checkout, its names, its subscription or its customer, in this order.

        The id of a checkout is ours and nobody guesses it; an account in a payload is what a buyer may have typed.
        """
        names = [payment.payment_id, *sorted(self._names.get(payment.payment_id, ()))]
        checkout = payment.checkout and checkout_thing(payment.checkout)
        return self._account_of([checkout, *names, payment.subscription_id, payment.customer])

    def account_of_subscription(self, word: SubscriptionSeen) -> str | None:
        """The account of a subscription: by its checkout, itself or its customer, in this order."""
        checkout = word.checkout and checkout_thing(word.checkout)
        return self._account_of([checkout, word.subscription_id, word.customer])

    def _account_of(self, names: Sequence[str | None]) -> str | None:
        """The account of the first of some names that has one. An operator's word outranks all others.

        A name with two accounts has none, because it must not matter which of them is heard of first.
        """
        owners = [self._owners.get(name, ()) for name in names if name is not None]
        decided = [owner.account_id for said in owners for owner in said if owner.decided]
        if decided:
            return decided[0]
        certain = [accounts for said in owners if len(accounts := {owner.account_id for owner in said}) == 1]
        return min(certain[0]) if certain else None

    def _of(self, kind: type[FactT], subject: str) -> list[FactT]:
        return self._facts.get((kind, subject), [])


def kind_of(link: Link) -> LinkKind:
    """What a link says: whose something is, to which subscription a payment belongs, or what else it is called."""
    if link.belongs_to.startswith((_ACCOUNT, _CHECKOUT)):
        return "owner"
    return "subscription" if names_subscription(link.belongs_to) else "same"


def names_subscription(name: str) -> bool:
    """Whether a name is that of a subscription, and not of a payment."""
    return name.partition(":")[2].startswith(_SUBSCRIPTION)


def account_in(belongs_to: str) -> str | None:
    """The account that the end of a link names; None when it names something else."""
    return belongs_to.removeprefix(_ACCOUNT) if belongs_to.startswith(_ACCOUNT) else None


def subjects_of(fact: Fact) -> tuple[str, ...]:
    """The payment and the subscription that a fact tells of; a link tells of none."""
    match fact:
        case Link():
            return ()
        case SubscriptionSeen():
            return (fact.subscription_id,)
        case ProductSeen():
            return (fact.payment_id, fact.subscription_id)
        case PaymentSeen() | RefundSeen() | DisputeSeen() | InvoiceSeen():
            return (fact.payment_id,)
        case _:
            assert_never(fact)


def key_of(fact: Fact) -> Key:
    """What a fact is about. Each word about a subscription is kept: late words say what earlier payments paid for."""
    if isinstance(fact, SubscriptionSeen):
        return type(fact).__name__, f"{fact.subscription_id} {fact.as_of.isoformat()} {fact.status}"
    kind, thing, *_ = about(fact)
    return kind, thing


def news(known: Mapping[Key, Fact], facts: Iterable[Fact]) -> Iterator[Fact]:
    """Some facts joined with what is known, those alone that say more than that. Links are left out."""
    found: dict[Key, Fact] = {}
    for fact in facts:
        if not isinstance(fact, Link):
            key = key_of(fact)
            before = found.get(key) or known.get(key)
            found[key] = fact if before is None else join(before, fact)
    for key, fact in found.items():
        if known.get(key) != fact:
            yield fact


def product_name(thing: str, item: Item) -> str:
    """The product of an item, with the provider of the payment or subscription in front."""
    provider = thing.partition(":")[0]
    return f"{provider}:{item.product.removeprefix(f'{provider}:')}"


def products_in(facts: Iterable[Fact]) -> dict[Product, None]:
    """All products that some facts name, each at its time."""
    found: dict[Product, None] = {}
    for fact in facts:
        match fact:
            case PaymentSeen():
                found |= {(product_name(fact.payment_id, item), fact.at): None for item in fact.items}
            case SubscriptionSeen():
                items = [fact.item, *([Item(fact.next_product)] if fact.next_product is not None else [])]
                found |= {(product_name(fact.subscription_id, item), fact.as_of): None for item in items}
            case _:
                pass
    return found
