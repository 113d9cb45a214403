"""Which problems each operation has beyond those of all: what `ledger.domain.decisions` refuses, by its code.

Every answer of the tests is held against it, so a code that is missing here fails them.
"""

from collections.abc import Mapping, Sequence

from api.contract.operations import ALL_OPERATIONS, OPERATIONS, Operation
from api.contract.problems import STATUSES

_CLOSED = ("account_closed",)
_STANDING = ("account_closed", "account_frozen")
_COUNTS = ("limit_reached", "usage_required", "counters_limit_exceeded")
_TAKES = ("insufficient_credits", "draws_limit_exceeded", *_COUNTS)
_ROOM = ("balance_limit_exceeded", "open_lots_limit_exceeded")
_ENDED = ("hold_not_found", "hold_already_captured", "hold_already_released", "hold_expired", "hold_disputed")
_PRICED = ("price_not_found",)
_OF_KEY = ("usage_conflicts_with_key",)

REFUSALS: Mapping[str, Sequence[str]] = {
    "open": (*_CLOSED, "account_exists_with_different_body", *_ROOM),
    "update": (*_CLOSED, "labels_limit_exceeded"),
    "grant": (*_CLOSED, "coming_grants_limit_exceeded", *_ROOM),
    "deduct": (*_STANDING, "occurred_at_out_of_bounds", *_OF_KEY, *_PRICED, *_TAKES),
    "reverse": (
        "deduction_not_found",
        "reversals_limit_exceeded",
        "amount_exceeds_deduction",
        "balance_limit_exceeded",
    ),
    "hold": (*_STANDING, "open_holds_limit_exceeded", *_OF_KEY, *_PRICED, *_TAKES),
    "capture": (
        *_STANDING,
        *_ENDED,
        "occurred_at_out_of_bounds",
        "usage_conflicts_with_hold",
        *_OF_KEY,
        "amount_exceeds_hold",
        *_PRICED,
        *_TAKES,
    ),
    "extend": (*_STANDING, *_ENDED, "hold_life_exceeded"),
    "release": _ENDED,
    "void": ("grant_not_found",),
    "change_expiry": (*_CLOSED, "grant_not_found", "grant_closed", "grant_expired", *_ROOM),
    "payment": (
        *_CLOSED,
        "payment_already_recorded",
        "payment_of_another_account",
        "coming_grants_limit_exceeded",
        "subscriptions_limit_exceeded",
        *_ROOM,
    ),
    "payment_refund": ("payment_not_found", "payment_ambiguous", "refund_already_recorded", "amount_exceeds_payment"),
    "payment_dispute": (
        "payment_not_found",
        "payment_ambiguous",
        "payment_not_paid",
        "dispute_already_recorded",
        "dispute_already_decided",
        "disputes_limit_exceeded",
        "amount_exceeds_payment",
    ),
    "subscription": (*_CLOSED, "subscriptions_limit_exceeded"),
    "freeze": _CLOSED,
    "unfreeze": _CLOSED,
    "close": _CLOSED,
    "reopen": ("account_frozen",),
    "limits": (*_CLOSED, "limits_limit_exceeded"),
    "allowance": (*_CLOSED, "limit_not_found", "allowances_limit_exceeded"),
    "meter": (*_STANDING, "occurred_at_out_of_bounds", *_OF_KEY, *_COUNTS),
    "transfer": (*_STANDING, "insufficient_credits", "draws_limit_exceeded", *_ROOM),
    "merge": (*_STANDING, *_ROOM),
    "transfer_reversal": (
        "transfer_not_found",
        "transfer_already_reversed",
        "transfer_spent",
        "balance_limit_exceeded",
    ),
}
"""operation -> its codes."""

_OF_ALL = ("account_not_found", "validation_failed", "idempotency_key_reused", "version_mismatch")


def needs_key(operation: Operation) -> bool:
    """Whether a command without a key of the caller's is refused: no field of its body can be one."""
    return operation.own_key is None


def _always_has_key(operation: Operation) -> bool:
    own = operation.own_key
    return own is not None and operation.body.model_fields[own].is_required()


def codes_of(operation: Operation) -> Mapping[int, Sequence[str]]:
    """The codes of the problems of an operation by their status, apart from those that every route has."""
    codes = [*_OF_ALL, *REFUSALS[operation.name], "malformed_json"]
    if operation.name == "open":
        codes.remove("account_not_found")
    if not _always_has_key(operation):
        codes.append("idempotency_key_required")
    return by_status(codes)


def codes_in_batch() -> Sequence[str]:
    """The codes that a command of a batch can have in its result."""
    of_commands = [code for name in OPERATIONS for code in REFUSALS[name]]
    of_ways = ("idempotency_key_required", "missing_scope", "overloaded", "unavailable", "storage_full")
    return sorted({*_OF_ALL, *of_commands, *of_ways, "internal_error"}, key=list(STATUSES).index)


def by_status(codes: Sequence[str]) -> dict[int, list[str]]:
    """Codes by their status, each once, in the order of the statuses."""
    found: dict[int, list[str]] = {}
    for code in STATUSES:
        if code in codes:
            found.setdefault(STATUSES[code][0], []).append(code)
    return found


assert REFUSALS.keys() == ALL_OPERATIONS.keys(), "each operation says how it is refused"
