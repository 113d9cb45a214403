"""Facts: what a delivery of a payment provider says, in our words.

A provider delivers in any order, any number of times, and may never deliver at all. So a fact is a point of a lattice,
and what is known about a thing is the join of all facts about it: `join` is commutative, associative and idempotent.
Neither the order nor the number of deliveries can change what is known.

Ids are ours: the provider's name, a colon, and the provider's id, such as `stripe:in_1` or `lemonsqueezy:order:1`. Only
products keep the provider's own id: by it the catalogue knows them.
Money is in minor units of its currency, times are in UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypedDict, TypeVar, assert_never

ValueT = TypeVar("ValueT")
PaymentStatus = Literal["failed", "paid"]
Reason = Literal["topup", "initial", "renewal", "change"]
DisputeState = Literal["open", "won", "lost"]
SubscriptionStatus = Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]

PAYMENT_RANKS: dict[PaymentStatus, int] = {"failed": 0, "paid": 1}
SUBSCRIPTION_RANKS: dict[SubscriptionStatus, int] = {
    "incomplete": 0,
    "trialing": 1,
    "active": 2,
    "paused": 3,
    "past_due": 4,
    "ended": 5,
}
"""Of two words of the same moment the one of the higher rank holds: clocks of providers have whole seconds."""


class Incomplete(ValueError):
    """A payload has nothing at `path`, or nothing that can be understood there. `$` is the whole body."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the payload has nothing that can be understood at {path}")
        self.path = path


class Owner(TypedDict):
    """What a payment or a subscription says about whose it is."""

    account: str | None
    customer: str | None
    checkout: str | None


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """A product by the provider's own id, as the catalogue has it, and how many of it."""

    product: str
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """A payment failed, or was paid. `paid` is final.

    `items` are what it pays for; a provider may not say. `reason` is None for what is none
    of these, such as usage: it pays for no period. `account`, `customer` and `checkout` are what it says about whose
    payment it is. `at` is the time of the payment itself, not of its delivery.
    """

    payment_id: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    at: datetime
    reason: Reason | None = None
    subscription_id: str | None = None
    items: tuple[Item, ...] = ()
    period_start: datetime | None = None
    period_end: datetime | None = None
    account: str | None = None
    customer: str | None = None
    checkout: str | None = None

    @property
    def product(self) -> str | None:
        """The first product that it pays for."""
        return self.items[0].product if self.items else None

    @property
    def quantity(self) -> int:
        """How many of the first product; 1 when no product is named."""
        return self.items[0].quantity if self.items else 1


@dataclass(frozen=True, slots=True)
class ProductSeen:
    """A word about a subscription names the payment of its period: so that payment pays for this product.

    The earliest word holds: a late delivery may show the subscription as it is by now.
    """

    payment_id: str
    subscription_id: str
    item: Item
    as_of: datetime
    period_start: datetime | None = None
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """Money of a payment went back: `total_minor` in all, or single `refunds`, each an id and its amount.

    A refund that `failed` came back to the seller. The total may still have it, or not any more.
    """

    payment_id: str
    total_minor: int = 0
    refunds: tuple[tuple[str, int], ...] = ()
    failed: tuple[tuple[str, int], ...] = ()

    @property
    def refunded_minor(self) -> int:
        """All that is known to have gone back, and stayed there."""
        failed = dict(self.failed)
        single = sum(amount for refund_id, amount in self.refunds if refund_id not in failed)
        return max(self.total_minor - sum(failed.values()), single)


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute of a payment is open, won or lost. `amount_minor` is None when the provider does not tell it."""

    dispute_id: str
    payment_id: str
    state: DisputeState
    at: datetime
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """Where the invoice of a payment is that the provider wrote, who sells in its own name. The latest word holds."""

    payment_id: str
    url: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionSeen:
    """What a subscription was at `as_of`. The latest word holds; `ended` is final.

    A subscription that is cancelled and still runs has its status, and `ends_at`. A period without a start or an end is
    one of which the provider does not tell them.
    """

    subscription_id: str
    as_of: datetime
    status: SubscriptionStatus
    item: Item
    period_start: datetime | None = None
    period_end: datetime | None = None
    ends_at: datetime | None = None
    next_product: str | None = None
    trial_ends_at: datetime | None = None
    account: str | None = None
    customer: str | None = None
    checkout: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Whose something is, or what else a payment is called.

    A payment, subscription or customer belongs to an account (`account:ada`) or to a checkout (`checkout:7`). A charge
    belongs to its payment intent and that to its invoice: all three are names of one payment.

    Links are never joined into one: a customer with two accounts stays a customer with two accounts.
    """

    thing: str
    belongs_to: str


Fact = PaymentSeen | ProductSeen | RefundSeen | DisputeSeen | InvoiceSeen | SubscriptionSeen | Link


def account_thing(account: str) -> str:
    """The name of an account in a link."""
    return f"account:{account}"


def checkout_thing(checkout: str) -> str:
    """The name of a checkout in a link."""
    return f"checkout:{checkout}"


def about(fact: Fact) -> tuple[str, ...]:
    """What a fact is about: its kind and ids. Two facts with the same answer can be joined."""
    match fact:
        case PaymentSeen() | RefundSeen() | ProductSeen() | InvoiceSeen():
            return (type(fact).__name__, fact.payment_id)
        case DisputeSeen():
            return ("DisputeSeen", fact.dispute_id)
        case SubscriptionSeen():
            return ("SubscriptionSeen", fact.subscription_id)
        case Link():
            return ("Link", fact.thing, fact.belongs_to)
        case _:
            assert_never(fact)


def things(fact: Fact) -> frozenset[str]:
    """The ids of all things of the provider that a fact names, except products: by them related facts are found."""
    match fact:
        case PaymentSeen() | SubscriptionSeen():
            named = {_own_id(fact), fact.customer, fact.checkout and checkout_thing(fact.checkout)}
            if isinstance(fact, PaymentSeen):
                named.add(fact.subscription_id)
            return frozenset(name for name in named if name)
        case ProductSeen():
            return frozenset({fact.payment_id, fact.subscription_id})
        case RefundSeen() | InvoiceSeen():
            return frozenset({fact.payment_id})
        case DisputeSeen():
            return frozenset({fact.dispute_id, fact.payment_id})
        case Link():
            return frozenset({fact.thing, fact.belongs_to})
        case _:
            assert_never(fact)


def linked(facts: Iterable[Fact]) -> list[Fact]:
    """The facts, each once, with the links that they imply: what a payment or a subscription says about whose it is."""
    given = list(facts)
    implied = [link for fact in given if isinstance(fact, PaymentSeen | SubscriptionSeen) for link in _implied(fact)]
    return list(dict.fromkeys([*given, *implied]))


def joined(facts: Iterable[Fact]) -> list[Fact]:
    """One fact for each thing: the join of all facts about it, in the order of what they are about."""
    known: dict[tuple[str, ...], Fact] = {}
    for fact in facts:
        key = about(fact)
        known[key] = join(known[key], fact) if key in known else fact
    return [known[key] for key in sorted(known)]


def join(one: Fact, other: Fact) -> Fact:
    """What two facts about the same thing say together. Raises ValueError for facts about different things."""
    if about(one) == about(other):
        match (one, other):
            case (PaymentSeen(), PaymentSeen()):
                return _join_payments(one, other)
            case (SubscriptionSeen(), SubscriptionSeen()):
                return _join_subscriptions(one, other)
            case (RefundSeen(), RefundSeen()):
                return _join_refunds(one, other)
            case (DisputeSeen(), DisputeSeen()):
                first = max(one, other, key=_dispute_order)
                return replace(first, amount_minor=_larger(one.amount_minor, other.amount_minor))
            case (ProductSeen(), ProductSeen()):
                return min(one, other, key=_product_order)
            case (InvoiceSeen(), InvoiceSeen()):
                return max(one, other, key=lambda seen: (seen.at, seen.url))
            case (Link(), Link()):
                return one
    raise ValueError(f"facts about different things: {about(one)}, {about(other)}")


def _implied(fact: PaymentSeen | SubscriptionSeen) -> Iterable[Link]:
    owner = fact.checkout and checkout_thing(fact.checkout), fact.account and account_thing(fact.account)
    named = [_own_id(fact), fact.customer]
    if isinstance(fact, PaymentSeen) and fact.subscription_id:
        named.append(fact.subscription_id)
    yield from (Link(thing, to) for to in owner if to for thing in named if thing)


def _own_id(fact: PaymentSeen | SubscriptionSeen) -> str:
    return fact.payment_id if isinstance(fact, PaymentSeen) else fact.subscription_id


def _join_payments(one: PaymentSeen, other: PaymentSeen) -> PaymentSeen:
    """Status, time and money are those of one of the two; of all else the larger, where nothing is the smallest."""
    first = max(one, other, key=lambda fact: (PAYMENT_RANKS[fact.status], fact.at, fact.amount_minor, fact.currency))
    period = max(one, other, key=lambda fact: (_order(fact.period_start), _order(fact.period_end)))
    return replace(
        first,
        reason=_larger(one.reason, other.reason),
        subscription_id=_larger(one.subscription_id, other.subscription_id),
        items=max(one.items, other.items),
        period_start=period.period_start,
        period_end=period.period_end,
        account=_larger(one.account, other.account),
        customer=_larger(one.customer, other.customer),
        checkout=_larger(one.checkout, other.checkout),
    )


def _join_subscriptions(one: SubscriptionSeen, other: SubscriptionSeen) -> SubscriptionSeen:
    """The later word, whole, with whatever either of the two says about whose subscription it is."""
    return replace(
        max(one, other, key=_word_order),
        account=_larger(one.account, other.account),
        customer=_larger(one.customer, other.customer),
        checkout=_larger(one.checkout, other.checkout),
    )


def _join_refunds(one: RefundSeen, other: RefundSeen) -> RefundSeen:
    return RefundSeen(
        one.payment_id,
        max(one.total_minor, other.total_minor),
        _largest(one.refunds, other.refunds),
        _largest(one.failed, other.failed),
    )


def _largest(some: Iterable[tuple[str, int]], others: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Each id of two lists once, with its largest amount."""
    found: dict[str, int] = {}
    for name, amount in (*some, *others):
        found[name] = max(amount, found.get(name, 0))
    return tuple(sorted(found.items()))


def _word_order(word: SubscriptionSeen) -> tuple[object, ...]:
    """A total order of words about one subscription; words that differ in nothing but whose it is are equal in it."""
    times = (word.period_start, word.period_end, word.ends_at, word.trial_ends_at)
    rank = SUBSCRIPTION_RANKS[word.status]
    return (word.status == "ended", word.as_of, rank, word.item, _order(word.next_product), *map(_order, times))


def _dispute_order(seen: DisputeSeen) -> tuple[object, ...]:
    return (seen.state != "open", seen.at, seen.state, seen.payment_id)


def _product_order(seen: ProductSeen) -> tuple[object, ...]:
    return (seen.as_of, seen.item, seen.subscription_id, _order(seen.period_start), _order(seen.period_end))


def _order(value: object) -> tuple[object, ...]:
    """Something by which to compare values of which some are None: None is the smallest."""
    return () if value is None else (value,)


def _larger(one: ValueT, other: ValueT) -> ValueT:
    return max(one, other, key=_order)
