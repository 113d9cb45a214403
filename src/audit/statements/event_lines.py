"""The line of an event on a statement: a title, details and signed credits, for the holder of the account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, assert_never

from ledger.domain.amounts import Balance
from ledger.domain.changes import Change, EntryType, changes_of
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TextsErased,
)

_WORDS: Mapping[EntryType, str] = {
    "grant": "granted",
    "deduction": "spent",
    "capture": "spent",
    "reversal": "given back",
    "expiry": "expired",
    "void": "voided",
}
"""What happened to credits, in a word, so that it does not depend on a sign or a colour."""
_MINUS = "\N{MINUS SIGN}"
_NO_DIGITS = (
    *("bif", "clp", "djf", "gnf", "isk", "jpy", "kmf", "krw"),
    *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
)
_DIGITS = dict.fromkeys(_NO_DIGITS, 0) | dict.fromkeys(("bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"), 3)
"""The digits after the point of currencies that do not have two."""


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
    currencies = {event.payment_id: event.currency for event in events if isinstance(event, PaymentRecorded)}
    return [_row_of(event, readable, currencies) for event, readable in zip(events, texts, strict=True)]


def _row_of(event: Event, texts: Mapping[str, Any], currencies: Mapping[str, str]) -> Row:
    at = event.recorded_at
    lines = [str(texts[name]) for name in ("description", "reason") if isinstance(texts.get(name), str)]
    title, details = _title_and_details(event, currencies)
    return Row(
        moment=at.isoformat(),
        day=day(at),
        time=f"{at:%H:%M:%S}",
        title=title,
        text="\n".join(lines),
        details=details,
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
            word = _WORDS[change.type]
            sums[word] = sums.get(word, 0) + credits
    parts_ = ", ".join(f"{number(abs(credits))} {word}" for word, credits in sums.items())
    return signed(sum(sums.values())), parts_ or "nothing"


def _figure(change: Change) -> SignedFigure:
    credits = change.subscription + change.permanent
    return SignedFigure(signed(credits), _WORDS[change.type], credits > 0)


def _title_and_details(event: Event, currencies: Mapping[str, str]) -> tuple[str, list[str]]:
    """The title and the details of an event."""
    match event:
        case AccountOpened():
            return "Account opened", []
        case CreditsGranted():
            until = f"until {_minute(event.expires_at)}" if event.expires_at else "without expiry"
            return _granted(event), [
                f"{event.kind.capitalize()} credits",
                until,
                *_named("order", event.transaction_id),
            ]
        case CreditsDeducted():
            return "Credits spent", [*_named("task", event.task_id), *_usage(event.usage), event.deduction_id]
        case HoldCaptured():
            ended = "hold closed" if event.final else "hold still open"
            return "Credits spent from a hold", [
                *_named("task", event.task_id),
                *_usage(event.usage),
                event.deduction_id,
                ended,
            ]
        case CreditsHeld():
            held = f"{number(event.amount)} reserved until {_minute(event.expires_at)}"
            return "Credits put on hold", [held, *_named("task", event.task_id)]
        case HoldExtended():
            return "Hold extended", [f"until {_minute(event.expires_at)}"]
        case HoldReleased() | HoldExpired():
            given_back = sum(part.amount for part in event.returns)
            title = "Hold released" if isinstance(event, HoldReleased) else "Hold ran out"
            return title, [f"{number(given_back)} no longer reserved"]
        case DeductionReversed():
            return "Spending reversed", [f"of what was spent as {event.deduction_id}"]
        case CreditsExpired():
            return "Credits expired", [f"on {_minute(event.effective_at)}", f"{event.kind.capitalize()} credits"]
        case GrantVoided():
            missing = [f"{number(event.uncollected)} more were already spent"] if event.uncollected else []
            return "Grant cancelled", [f"{event.kind.capitalize()} credits", *missing]
        case PaymentRecorded() | PaymentRefunded():
            return _paid(event, currencies)
        case AccountFrozen() | AccountUnfrozen() | AccountClosed() | TextsErased():
            return _standing(event)
    assert_never(event)


def _granted(event: CreditsGranted) -> str:
    titles = {
        "signup": "Welcome credits",
        "subscription": "Subscription credits",
        "topup": "Top-up",
        "promotion": "Promotional credits",
        "adjustment": "Adjustment",
    }
    return titles[event.source]


def _paid(event: PaymentRecorded | PaymentRefunded, currencies: Mapping[str, str]) -> tuple[str, list[str]]:
    if isinstance(event, PaymentRefunded):
        currency = currencies.get(event.payment_id)  # None: the payment is before the period
        money = _money(event.amount_minor, currency) if currency else f"{number(event.amount_minor)} in minor units"
        return "Payment refunded", [money, f"refund {event.refund_id}", f"payment {event.payment_id}"]
    titles = {"paid": "Payment received", "failed": "Payment failed", "refunded": "Payment refunded"}
    money = _money(event.amount_minor, event.currency)
    return titles[event.status], [
        money,
        event.provider,
        *_named("plan", event.plan),
        *_named("payment", event.payment_id),
    ]


def _standing(event: AccountFrozen | AccountUnfrozen | AccountClosed | TextsErased) -> tuple[str, list[str]]:
    match event:
        case AccountFrozen():
            return "Account frozen", ["no spending until it is unfrozen"]
        case AccountUnfrozen():
            return "Account unfrozen", []
        case AccountClosed():
            return "Account closed", []
        case TextsErased():
            return "Descriptions erased", ["those of everything before can never be read again"]
    assert_never(event)


def _money(minor: int, currency: str) -> str:
    """An amount in minor units, with as many digits after the point as its currency has."""
    digits = _DIGITS.get(currency.lower(), 2)
    whole, rest = divmod(minor, 10**digits)
    return f"{currency.upper()} {whole:,}" + (f".{rest:0{digits}}" if digits else "")


def _minute(at: datetime) -> str:
    return f"{day(at)} {at:%H:%M}"


def _named(name: str, value: str | None) -> list[str]:
    return [f"{name} {value}"] if value else []


def _usage(usage: Mapping[str, str | int] | None) -> list[str]:
    if not usage:
        return []
    tokens = [f"{number(int(usage[name]))} {name.replace('_', ' ')}" for name in _TOKENS if usage.get(name)]
    named = [str(usage[name]) for name in ("provider", "model", "project", "member", "metric") if usage.get(name)]
    return [*named, *tokens]


_TOKENS = ("input_tokens", "output_tokens")
