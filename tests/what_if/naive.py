"""What a period would have cost once more, naively: one look at the whole log for each event, in fractions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any

from ledger.domain.events import CreditsDeducted, DeductionReversed, HoldCaptured, SubscriptionRecorded
from ledger.domain.plans.subscribed import STATUS_RANKS
from ledger.domain.pricing.rates import Rate
from ledger.store import Logged
from tests.domain.pricing import fraction_model

Sums = dict[str, int]
NAMES = ("uses", "cost", "would_cost", "refused_uses", "refused_cost", "unsaid_uses", "unsaid_cost", "reversed")


def sums_of(log: Sequence[Logged], rates: Sequence[Rate], begin: datetime, end: datetime) -> dict[Any, Sums]:
    """The sums of everything, under "total", and of each group under its kind and name."""
    found: defaultdict[Any, Sums] = defaultdict(lambda: dict.fromkeys(NAMES, 0))
    for one in log:
        if not begin <= one.event.recorded_at < end:
            continue
        match one.event:
            case CreditsDeducted() | HoldCaptured():
                _count(found, log, rates, one, one.event, after=asked(one.event))
            case DeductionReversed():
                _count(found, log, rates, one, original(log, one), after=left(log, one))
            case _:
                pass
    return dict(found)


def asked(event: Any) -> int:
    return int(event.amount + (event.uncollected or 0))


def original(log: Sequence[Logged], reversal: Logged) -> Any:
    assert isinstance(reversal.event, DeductionReversed)
    wanted = reversal.account_id, reversal.event.deduction_id
    [found] = [
        one.event
        for one in log
        if isinstance(one.event, CreditsDeducted | HoldCaptured) and (one.account_id, one.event.deduction_id) == wanted
    ]
    return found


def left(log: Sequence[Logged], reversal: Logged) -> int:
    """What is left of a deduction after one of its reversals."""
    assert isinstance(reversal.event, DeductionReversed)
    back = [
        one.event.amount + (one.event.waived or 0)
        for one in log
        if isinstance(one.event, DeductionReversed)
        and (one.account_id, one.event.deduction_id) == (reversal.account_id, reversal.event.deduction_id)
        and one.position <= reversal.position
    ]
    return asked(original(log, reversal)) - sum(back)


def _count(found: Any, log: Sequence[Logged], rates: Sequence[Rate], one: Logged, spent: Any, *, after: int) -> None:
    """Add what an event changed: what is left of the deduction `after` it, less what was left before."""
    whole, said = asked(spent), spent.usage or {}
    is_use = not isinstance(one.event, DeductionReversed)
    before = after + one.event.amount + (one.event.waived or 0) if isinstance(one.event, DeductionReversed) else 0
    exact = fraction_model.price(rates, said) if said else None
    kind = "unsaid_" if exact is None else "refused_" if isinstance(exact, str) else ""
    keys: list[Any] = [
        "total",
        ("account", one.account_id),
        ("plan", plan(log, one)),
        ("provider", said.get("provider")),
        ("model", (said.get("provider"), said.get("model"))),
    ]
    if isinstance(exact, str):
        keys.append(("refused", (said.get("provider"), said.get("model"), said.get("metric"), exact)))
    for key in keys:
        sums = found[key]
        sums[f"{kind}uses"] += is_use
        sums[f"{kind}cost"] += after - before
        sums["reversed"] += 0 if is_use else before - after
        if isinstance(exact, Fraction):
            now, then = (ceil(ceil(exact) * Fraction(part, whole)) for part in (after, before))
            sums["would_cost"] += now - then


def plan(log: Sequence[Logged], at: Logged) -> str | None:
    """The best plan whose newest word said, before an event, that it runs."""
    newest: dict[str, SubscriptionRecorded] = {}
    for one in log:
        word = one.event
        if isinstance(word, SubscriptionRecorded) and one.account_id == at.account_id and one.position < at.position:
            known = newest.get(word.subscription_id)
            if known is None or _order(word) >= _order(known):
                newest[word.subscription_id] = word
    now = at.event.recorded_at
    running = [
        word
        for word in newest.values()
        if word.status in ("trialing", "active", "past_due") and (word.ends_at is None or now < word.ends_at)
    ]
    return max(((word.terms.rank, word.terms.plan) for word in running), default=(0, None))[1]


def _order(word: SubscriptionRecorded) -> Any:
    return word.status == "ended", word.as_of, STATUS_RANKS[word.status]
