"""The line of an event on a statement: a title, details and signed credits, for the holder of the account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, assert_never

from ledger.domain.amounts import Balance
from ledger.domain.changes import Change, changes_of
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountReopened,
    AccountUnfrozen,
    AccountUpdated,
    AllowanceSet,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    LimitsSet,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
    TextsErased,
    TransferReversed,
    UsageMetered,
)
from ledger.domain.limits import Counts, Limit, named
from ledger.domain.periods import Period, TimedPeriod
from ledger.domain.pricing.price import Price
from ledger.domain.usage import Usage
from ledger.explain.event_titles import ENTRY_WORDS, event_title
from ledger.explain.money import Currencies, currencies_of, in_units

_MINUS = "\N{MINUS SIGN}"


class SignedFigure(NamedTuple):
    """An amount of credits with its sign, and what happened to the credits."""

    credits: str
    word: str
    is_in: bool


class Row(NamedTuple):
    """One line of the table of events."""

    moment: str
    day: str
    time: str
    title: str
    text: str
    details: list[str]
    changes: list[SignedFigure]
    balance: str
    held: str


def rows_of(events: Sequence[Event], texts: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The lines of some events. `texts` has the readable texts of each event."""
    currencies = currencies_of(events)
    return [_row_of(event, readable, currencies) for event, readable in zip(events, texts, strict=True)]


def _row_of(event: Event, texts: Mapping[str, Any], currencies: Currencies) -> Row:
    at = event.recorded_at
    lines = [str(texts[name]) for name in ("description", "reason") if isinstance(texts.get(name), str)]
    return Row(
        moment=at.isoformat(),
        day=day(at),
        time=f"{at:%H:%M:%S}",
        title=event_title(event),
        text="\n".join(lines),
        details=_details(event, currencies),
        changes=[_figure(change) for change in changes_of(event)],
        balance=number(event.balance.total),
        held=number(event.balance.held) if event.balance.held else "",
    )


def number(value: int) -> str:
    """A number with separators."""
    return f"{value:,}"


def signed(value: int) -> str:
    """Credits with their sign."""
    if not value:
        return "0"
    return f"+{value:,}" if value > 0 else f"{_MINUS}{-value:,}"


def day(at: datetime) -> str:
    """A date, such as 1 Nov 2026."""
    return f"{at.day} {at:%b %Y}"


def parts(balance: Balance) -> str:
    """The parts of a balance."""
    named = [(balance.subscription, "subscription"), (balance.permanent, "permanent"), (balance.held, "on hold")]
    return ", ".join(f"{number(credits)} {name}" for credits, name in named if credits) or "no credits"


def summed(changes: list[Change], *, coming_in: bool) -> tuple[str, str]:
    """The sum of the credits that came in, or went out, and its parts."""
    sums: dict[str, int] = {}
    for change in changes:
        credits = change.subscription + change.permanent
        if (credits > 0) == coming_in and credits:
            word = ENTRY_WORDS[change.type]
            sums[word] = sums.get(word, 0) + credits
    parts_ = ", ".join(f"{number(abs(credits))} {word}" for word, credits in sums.items())
    return signed(sum(sums.values())), parts_ or "nothing"


def _figure(change: Change) -> SignedFigure:
    credits = change.subscription + change.permanent
    return SignedFigure(signed(credits), ENTRY_WORDS[change.type], credits > 0)


def _details(event: Event, currencies: Currencies) -> list[str]:
    match event:
        case CreditsGranted() | GrantStarted():
            return _granted(event)
        case CreditsDeducted() | HoldCaptured() | CreditsHeld():
            return _spent(event)
        case HoldExtended():
            return [f"until {_minute(event.expires_at)}"]
        case HoldReleased() | HoldExpired():
            return [f"{number(sum(part.amount for part in event.returns))} no longer reserved"]
        case DeductionReversed():
            return [f"of the credits used as {event.deduction_id}", *_waived(event.waived)]
        case CreditsExpired():
            return [f"on {_minute(event.effective_at)}", f"{event.kind.capitalize()} credits"]
        case GrantVoided():
            missing = [f"{number(event.uncollected)} more were already used"] if event.uncollected else []
            coming = [f"{number(event.amount)} of a grant that had not started"] if event.coming else []
            return [f"{event.kind.capitalize()} credits", *coming, *missing]
        case GrantExpiryChanged():
            return [f"{event.kind.capitalize()} credits", _until(event.expires_at)]
        case PaymentRecorded() | PaymentRefunded() | DisputeRecorded():
            return _paid(event, currencies)
        case SubscriptionRecorded():
            return _word(event)
        case AccountFrozen() | AccountClosed():
            return _standing(event)
        case AccountOpened() | AccountUpdated() | AccountUnfrozen() | AccountReopened():
            return []
        case CreditsSent():
            return [f"to account {event.to_account_id}", event.transfer_id]
        case TransferReversed():
            return [f"back from account {event.to_account_id}", event.transfer_id]
        case CreditsReceived():
            until = f"until {_minute(event.expires_at)}" if event.expires_at else "without expiry"
            kind = f"{event.kind.capitalize()} credits"
            granted = f"granted on {_minute(event.granted_at)}"
            return [kind, until, f"from account {event.from_account_id}", granted, event.transfer_id]
        case CreditsSentBack():
            return [f"back to account {event.from_account_id}", event.transfer_id]
        case TextsErased():
            return ["the descriptions of all earlier events can never be read again"]
        case LimitsSet():
            return [f"of the {event.source}", *map(limit_line, event.limits)]
        case AllowanceSet():
            amount = "removed" if event.amount is None else number(event.amount)
            return [f"limit {event.limit_id}", f"{event.value}: {amount}"]
        case UsageMetered():
            used = f"{number(event.quantity)} {event.metric}"
            usage = _usage({**event.usage, "metric": ""})
            then, counted = _used(event.occurred_at), _counted(event.counts)
            return [used, *_named("task", event.task_id), *usage, *then, "no credits", *counted]
    assert_never(event)


def _standing(event: AccountFrozen | AccountClosed) -> list[str]:
    if isinstance(event, AccountFrozen):
        return ["no credits can be used until it is unfrozen"]
    return _named("merged into account", event.successor)


def _counted(counts: Counts | None) -> list[str]:
    """How much of each limit was used after an event."""
    return [
        f"{one.limit_id}{'' if one.value is None else f', {one.value}'}: {number(one.used)} of {number(one.amount)}"
        for one in named(counts)
    ]


def limit_line(limit: Limit) -> str:
    """A limit in a few words."""
    each = f" for each {limit.each[0]}" if limit.each else ""
    only = "".join(f", only {name} {value}" for name, value in limit.only)
    soft = "" if limit.hard else ", soft"
    return f"{limit.limit_id}: {number(limit.amount)} {limit.unit}{_per(limit.period)}{each}{only}{soft}"


def _per(period: Period | None) -> str:
    if period is None:
        return ""
    return f" in {number(period.seconds)} seconds" if isinstance(period, TimedPeriod) else f" per {period.every}"


def _waived(amount: int | None) -> list[str]:
    return [] if amount is None else [f"{number(amount)} that were not collected are waived"]


def _uncollected(amount: int | None) -> list[str]:
    return [] if amount is None else [f"{number(amount)} more were used, but not available"]


def _granted(event: CreditsGranted | GrantStarted) -> list[str]:
    details = [f"{event.kind.capitalize()} credits", _until(event.expires_at), *_named("order", event.transaction_id)]
    if isinstance(event, CreditsGranted) and event.allowance is not None:
        return [f"for {day(event.allowance.window_start)} to {day(event.allowance.window_end)}", *details]
    if event.effective_at is None:
        return details
    if isinstance(event, GrantStarted):
        return [f"on {_minute(event.effective_at)}", *details]
    return [f"{number(event.amount)} coming on {_minute(event.effective_at)}", *details]


def _paid(event: PaymentRecorded | PaymentRefunded | DisputeRecorded, currencies: Currencies) -> list[str]:
    if isinstance(event, DisputeRecorded):
        return _disputed(event, currencies)
    if isinstance(event, PaymentRefunded):
        currency = currencies.get((event.provider, event.payment_id))  # None: the payment is before the period
        money = _money(event.amount_minor, currency) if currency else f"{number(event.amount_minor)} in minor units"
        return [money, f"refund {event.refund_id}", f"payment {event.payment_id}"]
    money = _money(event.amount_minor, event.currency)
    return [money, event.provider, *_named("plan", event.plan), *_named("payment", event.payment_id)]


def _word(event: SubscriptionRecorded) -> list[str]:
    """A word about a subscription: its plan, and until when it lasts."""
    ends = [f"ends on {day(event.ends_at)}"] if event.ends_at else []
    period = [f"paid until {day(event.period_end)}"] if event.period_end and not ends else []
    return [f"plan {event.terms.plan}", event.provider, *period, *ends, *_named("then plan", event.next_plan)]


def _disputed(event: DisputeRecorded, currencies: Currencies) -> list[str]:
    currency = currencies.get((event.provider, event.payment_id))  # None: the payment is before the period
    money = _money(event.amount_minor, currency) if currency else f"{number(event.amount_minor)} in minor units"
    held, back = sum(part.amount for part in event.draws), sum(part.amount for part in event.returns)
    credits = [f"{number(held)} reserved until the dispute ends"] if held else []
    credits += [f"{number(back)} no longer reserved"] if back else []
    return [money, f"dispute {event.dispute_id}", f"payment {event.payment_id}", *credits]


def _money(minor: int, currency: str) -> str:
    """An amount in minor units, with as many digits after the point as its currency has."""
    return f"{currency.upper()} {in_units(minor, currency):,f}"


def _until(expires_at: datetime | None) -> str:
    return f"until {_minute(expires_at)}" if expires_at else "without expiry"


def _minute(at: datetime) -> str:
    return f"{day(at)} {at:%H:%M}"


def _named(name: str, value: str | None) -> list[str]:
    return [f"{name} {value}"] if value else []


def _used(occurred_at: datetime | None) -> list[str]:
    return [f"used on {_minute(occurred_at)}"] if occurred_at else []


def _spent(event: CreditsDeducted | HoldCaptured | CreditsHeld) -> list[str]:
    what = [*_named("task", event.task_id), *_usage(event.usage)]
    priced, counted = _priced(event.price), _counted(event.counts)
    if isinstance(event, CreditsHeld):
        return [f"{number(event.amount)} reserved until {_minute(event.expires_at)}", *what, *priced, *counted]
    then, short = _used(event.occurred_at), _uncollected(event.uncollected)
    ended = ["hold closed" if event.final else "hold still open"] if isinstance(event, HoldCaptured) else []
    return [*what, *then, *priced, event.deduction_id, *ended, *short, *counted]


def _priced(price: Price | None) -> list[str]:
    return [] if price is None else [f"price {price.exact}, by version {price.book} of the price book"]


def _usage(usage: Usage | None) -> list[str]:
    if not usage:
        return []
    named = [str(usage[name]) for name in _NAMES if usage.get(name)]
    counts = [f"{number(int(usage[name]))} {unit}" for name, unit in _COUNTS.items() if usage.get(name)]
    return [*named, *counts, *(["failed"] if usage.get("success") is False else [])]


_NAMES = ("provider", "model", "project", "member", "metric", "key", "agent")
_COUNTS = {
    "quantity": "units",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cached_tokens": "cached tokens",
    "duration_ms": "milliseconds",
}
