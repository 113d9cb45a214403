"""The planner of subscriptions: each word about one becomes a command, and each payment for one says what it is for.

The ledger keeps all words and payments and works out the credits from all of them, so words need no order here. The
terms of a plan are those of the version that the catalogue binds to the product. See docs/adr/0076-subscriptions.md.
"""

from datetime import timedelta

from billing.facts import Item, PaymentSeen, SubscriptionSeen
from billing.known import Known, SoldProduct
from billing.plans import Interval as PlanInterval
from billing.plans import Plan as SoldPlan
from billing.steps import Plan, Step, Waits, WaitsByKind, all_wait
from ledger.domain.commands import RecordSubscription, SetLimits
from ledger.domain.plans.subscribed import PaymentReason, SubscriptionPayment
from ledger.domain.plans.terms import Interval, RollOver, Terms

PLAN_LIMITS = "plan"
"""The source of limits that plans set."""
_HOUR = int(timedelta(hours=1).total_seconds())


def plan_subscription(subscription_id: str, provider: str, known: Known) -> Plan:
    """What follows from all that is known about a subscription: words, and the limits of its plan. Raises Refusal."""
    words = known.words(subscription_id)
    accounts = [account for word in words if (account := known.account_of_subscription(word)) is not None]
    if not accounts:
        return Plan(waits=all_wait(subscription_id, Waits("unknown_account")))
    account = accounts[-1]
    unknown = [word for word in words if _plan_of(word, known) is None]
    steps = [_word_step(word, provider, account, known) for word in words if word not in unknown]
    waits: WaitsByKind = {SubscriptionSeen: Waits("unknown_product", unknown[0].item.product)} if unknown else {}
    return Plan(account, (*steps, *_limits(words, account, known)), waits)


def _plan_of(word: SubscriptionSeen, known: Known) -> SoldProduct | None:
    product = known.product(word.subscription_id, word.item, word.as_of)
    return product if product is not None and isinstance(product.sold, SoldPlan) else None


def _word_step(word: SubscriptionSeen, provider: str, account: str, known: Known) -> Step:
    product = _plan_of(word, known)
    assert product is not None
    has_period = word.period_start is not None and word.period_end is not None and word.period_end > word.period_start
    command = RecordSubscription(
        account,
        word.subscription_id,
        provider,
        word.status,
        terms_of(product),
        word.as_of,
        word.item.quantity,
        word.period_start if has_period else None,
        word.period_end if has_period else None,
        word.ends_at,
        _next_plan(word, known),
        word.trial_ends_at,
        known.paid_by(word),
    )
    key = f"subscription:{word.subscription_id}:{word.as_of.isoformat()}:{word.status}"
    return Step(SubscriptionSeen, "subscription", key, command)


def _next_plan(word: SubscriptionSeen, known: Known) -> str | None:
    """The plan of the next period: its id, or the provider's name for it when the catalogue does not have that."""
    if word.next_product is None:
        return None
    product = known.product(word.subscription_id, Item(word.next_product), word.as_of)
    return product.entry_id if product is not None else word.next_product


def _limits(words: list[SubscriptionSeen], account: str, known: Known) -> list[Step]:
    """The limits of the plan by the newest word, if any plan of the subscription has some."""
    plans = [(word, product.sold) for word in words if (product := _plan_of(word, known)) is not None]
    sold = [(word, plan) for word, plan in plans if isinstance(plan, SoldPlan)]
    if not any(plan.limits for _, plan in sold):
        return []
    newest, plan = sold[-1]
    limits = () if newest.status == "ended" else tuple([limit.limit() for limit in plan.limits])
    key = f"plan_limits:{newest.subscription_id}:{newest.as_of.isoformat()}:{newest.status}"
    return [Step(SubscriptionSeen, "limits", key, SetLimits(account, PLAN_LIMITS, limits))]


def payment_for(payment: PaymentSeen, known: Known) -> SubscriptionPayment | tuple[()] | Waits:
    """What a payment of a subscription is for, or why it must wait; nothing when it pays for no period, such as one for
    usage. Raises Refusal."""
    if payment.subscription_id is None or payment.reason is None:
        return ()
    terms = None
    if payment.items:
        product = known.product(payment.payment_id, payment.items[0], payment.at)
        if product is None or not isinstance(product.sold, SoldPlan):
            return Waits("unknown_product", payment.items[0].product)
        terms = terms_of(product)
    start, end = payment.period_start, payment.period_end
    has_period = start is not None and end is not None and end > start
    reason: PaymentReason = payment.reason if payment.reason in ("initial", "change") else "renewal"
    return SubscriptionPayment(
        payment.subscription_id,
        reason,
        payment.at,
        start if has_period else None,
        end if has_period else None,
        payment.quantity,
        terms,
    )


def terms_of(product: SoldProduct) -> Terms:
    """The terms of the version of a plan, as one of its prices is paid."""
    plan = product.sold
    assert isinstance(plan, SoldPlan)
    billed = next((price.interval for price in plan.prices if price.price == product.price), None)
    unused = plan.roll_over
    return Terms(
        product.entry_id,
        product.version,
        plan.credits,
        interval_of(plan.every),
        interval_of(billed) if billed is not None else None,
        RollOver(unused.cap, unused.periods) if unused is not None else None,
        plan.grace_hours * _HOUR,
        plan.rank,
        plan.trial.credits if plan.trial is not None else 0,
    )


def interval_of(every: PlanInterval) -> Interval:
    """An interval of the catalogue as the ledger has it."""
    return Interval(every.days, "days") if every.days is not None else Interval(every.months or 0, "months")
