"""The facts of problems: what the document of each code has beside its sentence. Tests hold all answers against it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, JsonValue, with_config
from typing_extensions import TypedDict

from api.contract.answers.billing.checkouts import WayOut
from api.contract.answers.limits import PeriodFields


class ReachedLimit(TypedDict):
    """A limit that applies, and the counter that the command would raise."""

    limit_id: str
    source: str
    each: dict[str, str | None]
    only: dict[str, str]
    unit: str
    amount: int
    used: int
    headroom: int
    over: int
    hard: bool
    period: PeriodFields | None
    resets_at: datetime | None


class WrongField(TypedDict):
    """A field that is not valid. `value` is what was sent, if it is short."""

    field: str
    message: str
    value: NotRequired[JsonValue]
    limits: NotRequired[dict[str, int | str]]


@with_config(ConfigDict(extra="allow"))
class Cause(TypedDict):
    """Why a command of an atomic batch was refused: its code and sentence, and beside them the facts of that code."""

    code: str
    detail: str


PriceOf = Literal["plan", "package", "usage"]
"""What has no such price: what is sold, by the catalogue, or what was used, by the price book."""
NoPrice = Literal["no_book", "no_rate", "not_charged", "nothing_said", "too_much"]

_ACCOUNT = {"account_id": str}
_GRANT = {"grant_id": str}
_HOLD = {"hold_id": str}
_PAYMENT = {"payment_id": str}
_LIMIT = {"limit_id": str}
_TRANSFER = {"transfer_id": str}
_PLAN = {"plan_id": str}
_SUBSCRIPTION = {"subscription_id": str}
_MOST = {"limit": int}
_SHORT: Mapping[str, Any] = {"required": int, "available": int, "shortfall": int, "ways_out?": list[WayOut]}
_STATUS = {**_PAYMENT, "payment_status": str}
_DISPUTE = {"dispute_id": str, "dispute_state": str}

FACTS: Mapping[str, Mapping[str, Any]] = {
    "insufficient_credits": _SHORT,
    "limit_reached": {**_SHORT, "headroom": int, "binding": ReachedLimit, "limits": list[ReachedLimit]},
    "missing_scope": {"scope": str},
    "account_not_found": _ACCOUNT,
    "grant_not_found": _GRANT,
    "deduction_not_found": {"deduction_id": str},
    "hold_not_found": _HOLD,
    "key_not_found": {"key_id": str},
    "payment_not_found": _PAYMENT,
    "limit_not_found": _LIMIT,
    "transfer_not_found": _TRANSFER,
    "plan_not_found": {**_PLAN, "version?": int},
    "package_not_found": {"package_id": str, "version?": int},
    "provider_not_configured": {"provider": str},
    "webhook_not_found": {"webhook_id": str},
    "price_book_not_found": {"version": int},
    "checkout_not_found": {"checkout_id": str},
    "event_not_found": {"version": int, "last_version": int},
    "body_timeout": {"seconds": int},
    "signature_invalid": {"provider": str},
    "account_exists_with_different_body": {**_ACCOUNT, "version": int, "fields": list[str]},
    "account_closed": {**_ACCOUNT, "successor?": str},
    "account_frozen": _ACCOUNT,
    "grant_closed": _GRANT,
    "grant_expired": {**_GRANT, "expired_at": datetime},
    "hold_already_captured": _HOLD,
    "hold_already_released": _HOLD,
    "hold_expired": _HOLD,
    "payment_already_recorded": {**_STATUS, "provider": str},
    "payment_of_another_account": {**_PAYMENT, "provider": str, "other_account_id?": str},
    "payment_ambiguous": {**_PAYMENT, "providers": list[str]},
    "refund_already_recorded": {**_PAYMENT, "refund_id": str},
    "not_paid": _STATUS,
    "payment_not_paid": _STATUS,
    "dispute_already_recorded": _DISPUTE,
    "dispute_already_decided": _DISPUTE,
    "hold_disputed": {**_HOLD, **_PAYMENT, "dispute_id": str},
    "transfer_already_reversed": _TRANSFER,
    "transfer_spent": {**_TRANSFER, **_ACCOUNT, "amount": int, "remaining": int, "missing": int},
    "product_belongs_to_another": {
        "provider": str,
        "product_id": str,
        "plan_id?": str,
        "package_id?": str,
        "version": int,
    },
    "webhook_already_applied": {"webhook_id": str},
    "subscription_required": {**_ACCOUNT, "package_id": str},
    "already_subscribed": {**_ACCOUNT, **_PLAN, **_SUBSCRIPTION},
    "no_subscription": {**_ACCOUNT, "subscription_id?": str},
    "already_on_plan": _PLAN,
    "not_an_upgrade": {**_PLAN, "current_plan": str},
    "not_a_downgrade": {**_PLAN, "current_plan": str},
    "already_cancelled": {**_SUBSCRIPTION, "cancel_at": datetime},
    "not_cancelled": _SUBSCRIPTION,
    "has_a_subscription": _SUBSCRIPTION,
    "payment_due": {**_SUBSCRIPTION, "checkout_id?": str},
    "missing_role": {"role": str},
    "slug_taken": {"slug": str},
    "user_exists": {"field": str, "user_id?": str},
    "already_member": {"member_status": str},
    "seats_taken": {"max_members": int, "members": int, "invited": int},
    "owns_a_team": {"teams": int},
    "deletion_requested": {"deletion_at": datetime},
    "team_in_use": {"subscription_id?": str, "open_holds?": int},
    "teams_limit_exceeded": _MOST,
    "effective_in_the_past": {"effective_at": datetime, "now": datetime},
    "batch_refused": {"index": int, "cause": Cause},
    "not_yet_visible": {"min_position": int, "as_of_position": int},
    "version_mismatch": {"expected": int | list[int], "actual": int},
    "body_too_large": _MOST,
    "batch_too_large": _MOST,
    "query_too_large": {**_MOST, "parameters_limit": int},
    "unsupported_media_type": {"allowed": str},
    "validation_failed": {"errors": list[WrongField], "more_errors?": int},
    "idempotency_key_reused": {"idempotency_key?": str, "key?": str, "version?": int, "fields?": list[str]},
    "hold_life_exceeded": {**_HOLD, "expires_at_most": datetime},
    "occurred_at_out_of_bounds": {"occurred_at": datetime, "earliest": datetime, "latest": datetime},
    "amount_exceeds_hold": {"amount": int, "held": int, "excess": int},
    "amount_exceeds_deduction": {"amount": int, "reversible": int},
    "amount_exceeds_payment": {"amount_minor": int, "refundable_minor": int},
    "balance_limit_exceeded": {**_MOST, "total": int, "amount": int, "coming?": int},
    "coming_grants_limit_exceeded": _MOST,
    "open_lots_limit_exceeded": _MOST,
    "open_holds_limit_exceeded": _MOST,
    "draws_limit_exceeded": {**_MOST, "covered": int},
    "labels_limit_exceeded": {**_MOST, "labels": int},
    "statement_too_long": {"limit?": int, "parts?": list[str]},
    "reversals_limit_exceeded": _MOST,
    "disputes_limit_exceeded": _MOST,
    "subscriptions_limit_exceeded": _MOST,
    "usage_required": {**_LIMIT, "field": str},
    "usage_conflicts_with_hold": {**_HOLD, "field": str, "held": JsonValue, "captured": JsonValue},
    "usage_conflicts_with_key": {"field": str, "value": str, "expected": str},
    "keys_limit_exceeded": _MOST,
    "limits_limit_exceeded": _MOST,
    "allowances_limit_exceeded": _MOST,
    "counters_limit_exceeded": _MOST,
    "catalog_limit_exceeded": _MOST,
    "price_not_found": {
        "price_of": PriceOf,
        "plan_id?": str,
        "package_id?": str,
        "currency?": str,
        "why?": NoPrice,
        "price_book?": int | None,
        "fields?": list[str],
    },
    "rate_limited": {"limit?": int, "remaining?": int, "resets_at?": datetime},
    "too_many_streams": _MOST,
    "internal_error": {"request_id": str},
    "provider_cannot": {"provider?": str, "subscription_id?": str},
    "provider_failed": {"provider": str, "provider_status?": int},
    "unavailable": {"kept?": bool},
}
"""code -> the names and types of its facts; one that ends with `?` may be absent. A code that is not here has none."""
