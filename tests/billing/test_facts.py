"""Facts are points of a lattice: neither the order nor the number of deliveries changes what is known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.facts import (
    DisputeSeen,
    Fact,
    Incomplete,
    InvoiceSeen,
    Item,
    Link,
    PaymentSeen,
    ProductSeen,
    RefundSeen,
    SubscriptionSeen,
    about,
    join,
    joined,
    linked,
    things,
)

START = datetime(2026, 1, 1, tzinfo=UTC)

# Few values of each kind, so that facts agree, differ and are silent about the same things all the time.
names = st.sampled_from([None, "a", "b"])
times = st.sampled_from([START + timedelta(seconds=second) for second in range(3)])
maybe_times = st.none() | times
items = st.builds(Item, st.sampled_from("xy"), st.sampled_from([1, 2]))
amounts = st.integers(0, 2)
periods = {"period_start": maybe_times, "period_end": maybe_times}
owner = {"account": names, "customer": names, "checkout": names}
payments = st.builds(
    PaymentSeen,
    payment_id=st.just("p:1"),
    status=st.sampled_from(["failed", "paid"]),
    amount_minor=amounts,
    currency=st.sampled_from(["EUR", "USD"]),
    at=times,
    reason=st.sampled_from([None, "initial", "renewal", "change", "topup"]),
    subscription_id=names,
    items=st.lists(items, max_size=2).map(tuple),
    **periods,
    **owner,
)
subscriptions = st.builds(
    SubscriptionSeen,
    subscription_id=st.just("s:1"),
    as_of=times,
    status=st.sampled_from(["incomplete", "trialing", "active", "paused", "past_due", "ended"]),
    item=items,
    ends_at=maybe_times,
    next_product=names,
    trial_ends_at=maybe_times,
    **periods,
    **owner,
)
refunds = st.builds(
    RefundSeen,
    payment_id=st.just("p:1"),
    total_minor=amounts,
    refunds=st.dictionaries(st.sampled_from("abc"), amounts).map(lambda found: tuple(sorted(found.items()))),
)
failing = st.builds(
    replace,
    refunds,
    failed=st.dictionaries(st.sampled_from("abc"), amounts).map(lambda found: tuple(sorted(found.items()))),
)
disputes = st.builds(
    DisputeSeen,
    dispute_id=st.just("d:1"),
    payment_id=st.sampled_from(["p:1", "p:2"]),
    state=st.sampled_from(["open", "won", "lost"]),
    at=times,
    amount_minor=st.none() | amounts,
)
products = st.builds(
    ProductSeen,
    payment_id=st.just("p:1"),
    subscription_id=st.sampled_from(["s:1", "s:2"]),
    item=items,
    as_of=times,
    **periods,
)
invoices = st.builds(InvoiceSeen, payment_id=st.just("p:1"), url=st.sampled_from(["https://a", "https://b"]), at=times)
links = st.builds(Link, thing=st.just("p:1"), belongs_to=st.just("account:a"))
SAME_THING = {
    "payment": payments,
    "subscription": subscriptions,
    "refund": failing,
    "dispute": disputes,
    "product": products,
    "invoice": invoices,
    "link": links,
}
anything = st.one_of(*SAME_THING.values())


def three_of(facts: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Fact, Fact, Fact]]:
    return st.tuples(facts, facts, facts)


@given(st.one_of([three_of(facts) for facts in SAME_THING.values()]))
def test_join_is_that_of_a_lattice(three: tuple[Fact, Fact, Fact]) -> None:
    one, other, third = three
    assert join(one, one) == one
    assert join(one, other) == join(other, one)
    assert join(join(one, other), third) == join(one, join(other, third))
    assert join(join(one, other), one) == join(one, other)


@given(st.lists(anything, max_size=12), st.randoms(use_true_random=False))
def test_what_is_known_depends_on_neither_order_nor_number(facts: list[Fact], chance: Any) -> None:
    again = [*facts, *chance.sample(facts, len(facts) // 2)]
    chance.shuffle(again)
    assert joined(again) == joined(facts)


@given(payments, payments)
def test_paid_is_final(one: PaymentSeen, other: PaymentSeen) -> None:
    found = join(one, other)
    assert isinstance(found, PaymentSeen)
    assert (found.status == "paid") == ("paid" in (one.status, other.status))
    # Money and time are those of one of the two, never of both.
    money: Callable[[PaymentSeen], object] = lambda fact: (fact.status, fact.at, fact.amount_minor, fact.currency)  # noqa: E731
    assert money(found) in (money(one), money(other))


@given(st.lists(refunds, min_size=1, max_size=5))
def test_refunds_only_grow(seen: list[RefundSeen]) -> None:
    [found] = joined(seen)
    assert isinstance(found, RefundSeen)
    assert found.refunded_minor >= max(one.refunded_minor for one in seen)


def payment(**changes: Any) -> PaymentSeen:
    return replace(PaymentSeen("p:1", "paid", 100, "USD", START), **changes)


def word(seconds: int, status: Any, **changes: Any) -> SubscriptionSeen:
    seen = SubscriptionSeen("s:1", START + timedelta(seconds=seconds), status, Item("x"))
    return replace(seen, **changes)


def test_a_payment_that_failed_first_is_paid_whatever_came_first() -> None:
    """A retried invoice of Stripe, a recovered one of Lemon Squeezy: `failed` then `paid` of one id."""
    failed, paid = payment(status="failed", at=START + timedelta(days=1)), payment()
    assert join(failed, paid) == join(paid, failed) == paid


def test_a_fact_is_completed_by_what_another_says() -> None:
    named, priced = payment(account="ada"), payment(items=(Item("x", 2),), customer="c:1")
    assert join(named, priced) == payment(account="ada", items=(Item("x", 2),), customer="c:1")


def test_created_incomplete_in_the_second_of_updated_active_stays_active() -> None:
    """laravel/cashier-stripe#1201, TryGhost/Members#240, stripe-cli#418: whole seconds, and the order is not kept."""
    created, updated = word(0, "incomplete"), word(0, "active")
    assert join(updated, created) == join(created, updated) == updated


def test_the_later_word_about_a_subscription_holds() -> None:
    earlier, later = word(0, "past_due", item=Item("y")), word(1, "active")
    assert join(later, earlier) == later


def test_an_ended_subscription_does_not_come_back_by_a_late_word() -> None:
    ended, late = word(0, "ended"), word(5, "active")
    assert join(ended, late) == ended


def test_single_refunds_add_up_and_totals_do_not() -> None:
    single = joined([RefundSeen("p:1", refunds=((name, 30),)) for name in "aba"])
    assert single == [RefundSeen("p:1", refunds=(("a", 30), ("b", 30)))]
    assert isinstance(single[0], RefundSeen)
    assert single[0].refunded_minor == 60
    [total] = joined([RefundSeen("p:1", total_minor=70), RefundSeen("p:1", total_minor=40)])
    assert total == RefundSeen("p:1", total_minor=70)


def test_a_refund_that_failed_counts_no_more_whether_the_total_has_it_or_not() -> None:
    """The second refund of a payment stays, after the first one failed."""
    first, failed = RefundSeen("p:1", refunds=(("a", 30),)), RefundSeen("p:1", failed=(("a", 30),))
    second = RefundSeen("p:1", refunds=(("b", 50),))
    for total in (30, 80):  # the provider takes what failed off its total, or does not
        totals = RefundSeen("p:1", total_minor=total)
        [found] = joined([totals, first, failed])
        assert isinstance(found, RefundSeen)
        assert found.refunded_minor == total - 30
    for total in (50, 80):
        [found] = joined(
            [RefundSeen("p:1", total_minor=30), RefundSeen("p:1", total_minor=total), first, failed, second]
        )
        assert isinstance(found, RefundSeen)
        assert found.refunded_minor == 50


def test_a_dispute_that_was_decided_does_not_open_again() -> None:
    opened = DisputeSeen("d:1", "p:1", "open", START + timedelta(days=9), 100)
    won = DisputeSeen("d:1", "p:1", "won", START)
    assert join(opened, won) == join(won, opened) == replace(won, amount_minor=100)


def test_the_earliest_word_says_what_a_payment_was_for() -> None:
    """Dodo delivers an object as it is by now: a late word may name the product after the next change."""
    first = ProductSeen("p:1", "s:1", Item("lite"), START)
    late = ProductSeen("p:1", "s:1", Item("pro"), START + timedelta(days=30))
    assert join(late, first) == first


def test_a_customer_of_two_accounts_stays_one_of_both() -> None:
    both = [Link("c:1", "account:ada"), Link("c:1", "account:bob")]
    assert joined(reversed(both)) == both


def test_two_subscriptions_of_one_customer_stay_two() -> None:
    """adcontextprotocol/adcp#3184: two checkouts open at once become two subscriptions, and neither hides the other."""
    one, other = word(0, "active", customer="c:1"), replace(word(0, "active", customer="c:1"), subscription_id="s:2")
    assert joined([other, one]) == [one, other]


def test_a_payment_tells_whose_all_of_its_things_are() -> None:
    seen = payment(account="ada", checkout="7", customer="c:1", subscription_id="s:1")
    owners = {"account:ada", "checkout:7"}
    assert set(linked([seen, seen])) == {seen} | {Link(thing, to) for thing in ("p:1", "c:1", "s:1") for to in owners}
    assert things(seen) == {"p:1", "c:1", "s:1", "checkout:7"}


def test_facts_about_different_things_are_not_joined() -> None:
    with pytest.raises(ValueError, match="different things"):
        join(payment(), payment(payment_id="p:2"))
    with pytest.raises(ValueError, match="different things"):
        join(payment(), RefundSeen("p:1"))
    assert about(payment()) != about(RefundSeen("p:1"))


def test_what_is_missing_is_named() -> None:
    assert Incomplete("data.id").path == "data.id"
    assert "data.id" in str(Incomplete("data.id"))
