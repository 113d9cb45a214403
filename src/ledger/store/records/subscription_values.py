"""Subscriptions in JSON: their terms, payments and allowances in events, and what is known of them in snapshots."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from ledger.domain.plans.subscribed import (
    STATUS_RANKS,
    AllowanceOf,
    PaymentReason,
    SubscriptionPayment,
    SubscriptionStatus,
)
from ledger.domain.plans.terms import Interval, IntervalUnit, RollOver, Terms
from ledger.domain.subscriptions.subscription import LONG_AGO, TRIAL, Paid, Share, ShareId, Subscription, Word
from ledger.domain.subscriptions.subscriptions import Subscriptions
from ledger.store.records.stored_values import Read, number, reader_of, text, time

_unit, _reason, _status = reader_of(IntervalUnit), reader_of(PaymentReason), reader_of(SubscriptionStatus)
Json = dict[str, Any]


def _to_json(value: NamedTuple) -> Json:
    """A value without the fields that are None, sorted by name; the values in it as well."""
    parts = sorted(value._asdict().items())
    return {name: _to_json(part) if hasattr(part, "_asdict") else part for name, part in parts if part is not None}


def _optional(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


# In events -------------------------------------------------------------------------------------------------------


def terms_to_json(terms: Terms) -> Json:
    """The terms of a plan."""
    return _to_json(terms)


def terms_from_json(data: Json) -> Terms:
    """The same, read back. Raises KeyError, TypeError or ValueError for other values, as all readers here do."""
    return Terms(
        text(data["plan"]),
        number(data["version"]),
        number(data["credits"]),
        _interval(data["every"]),
        _optional(_interval, data.get("billed")),
        _optional(_roll_over, data.get("unused")),
        number(data["grace_seconds"]),
        number(data["rank"]),
        number(data["trial_credits"]),
    )


def _interval(data: Json) -> Interval:
    return Interval(number(data["length"]), _unit(data["unit"]))


def _roll_over(data: Json) -> RollOver:
    return RollOver(number(data["cap"]), number(data["periods"]))


def payment_to_json(what: SubscriptionPayment) -> Json:
    """What a payment is for."""
    return _to_json(what)


def payment_from_json(data: Json) -> SubscriptionPayment:
    """The same, read back."""
    return SubscriptionPayment(
        text(data["subscription_id"]),
        _reason(data["reason"]),
        time(data["paid_at"]),
        _optional(time, data.get("period_start")),
        _optional(time, data.get("period_end")),
        number(data["quantity"]),
        _optional(terms_from_json, data.get("terms")),
    )


def allowance_to_json(of: AllowanceOf) -> Json:
    """What a grant is an allowance of."""
    return _to_json(of)


def allowance_from_json(data: Json) -> AllowanceOf:
    """The same, read back."""
    return AllowanceOf(
        text(data["subscription_id"]),
        time(data["window_start"]),
        time(data["window_end"]),
        _truth(data["trial"]),
        _optional(time, data.get("next_at")),
    )


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"{value!r:.64} is neither true nor false")
    return value


TO_JSON: dict[str, Callable[[Any], Any]] = {
    "terms": terms_to_json,
    "subscription": payment_to_json,
    "allowance": allowance_to_json,
}
FROM_JSON: dict[str, Read] = {
    "terms": terms_from_json,
    "subscription": payment_from_json,
    "allowance": allowance_from_json,
    "as_of": time,
    "period_start": time,
    "period_end": time,
    "ends_at": time,
    "trial_ends_at": time,
    "next_allowance_at": time,
}
"""The fields of events that have such values."""


# In snapshots ----------------------------------------------------------------------------------------------------


def subscriptions_to_json(subscriptions: Subscriptions) -> list[Json]:
    """What is known of subscriptions, sorted by name within each."""
    return [
        {
            "payments": [_to_json(paid) for paid in one.payments],
            "provider": one.provider,
            "settled_to": one.settled_to,
            "shares": [_share_to_json(share) for share in one.shares],
            **({} if one.since == LONG_AGO else {"since": one.since}),
            "subscription_id": one.subscription_id,
            "words": [_to_json(word) for word in one.words],
        }
        for one in subscriptions
    ]


def _share_to_json(share: Share) -> Json:
    start, payment_id = share.id
    return {
        "grants": list(share.grants),
        "missing": share.missing,
        "net": share.net,
        **({} if payment_id is None else {"payment_id": payment_id}),
        **({} if share.id == TRIAL else {"window_start": start}),
    }


def subscriptions_from_json(parts: Iterable[Json]) -> Subscriptions:
    """The same, read back."""
    return Subscriptions.of(map(_subscription, parts))


def _subscription(data: Json) -> Subscription:
    return Subscription(
        text(data["subscription_id"]),
        text(data["provider"]),
        tuple(map(_word, data["words"])),
        tuple(map(_paid, data["payments"])),
        tuple(map(_share, data["shares"])),
        time(data["settled_to"]),
        _moment(data.get("since")),
    )


def _moment(value: Any) -> datetime:
    return LONG_AGO if value is None else time(value)


def _share(data: Json) -> Share:
    name = ShareId(_moment(data.get("window_start")), _optional(text, data.get("payment_id")))
    return Share(name, number(data["net"]), tuple(map(text, data["grants"])), number(data["missing"]))


def _word(data: Json) -> Word:
    status = _status(data["status"])
    return Word(
        time(data["as_of"]),
        STATUS_RANKS[status],
        status,
        terms_from_json(data["terms"]),
        number(data["quantity"]),
        _optional(time, data.get("period_start")),
        _optional(time, data.get("period_end")),
        _optional(time, data.get("ends_at")),
        _optional(text, data.get("next_plan")),
        _optional(time, data.get("trial_ends_at")),
        _optional(text, data.get("pays")),
    )


def _paid(data: Json) -> Paid:
    return Paid(
        time(data["paid_at"]),
        text(data["payment_id"]),
        _reason(data["reason"]),
        number(data["amount_minor"]),
        number(data["quantity"]),
        _optional(time, data.get("period_start")),
        _optional(time, data.get("period_end")),
        _optional(terms_from_json, data.get("terms")),
        number(data["refunded"]),
        number(data["lost"]),
    )
