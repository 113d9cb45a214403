"""Refusals about limits and what they count."""

from collections.abc import Sequence
from typing import Any

from ledger.domain.errors.refusal import NotFound, Refusal, TooMany, shown


class LimitReached(Refusal):
    """A hard limit leaves less than the command uses. Nothing was taken, and nothing was counted."""

    code = "limit_reached"

    def __init__(self, sentence: str, required: int, available: int, limits: Sequence[dict[str, Any]]) -> None:
        """`limits` are all limits that apply, the binding one first; `available` are the credits of the account."""
        headroom = limits[0]["headroom"]
        super().__init__(
            f"{sentence}; {required} {'is' if required == 1 else 'are'} required.",
            required=required,
            headroom=headroom,
            shortfall=required - headroom,
            available=available,
            binding=limits[0],
            limits=list(limits),
        )


class UsageRequired(Refusal):
    """The usage does not name a dimension by which a hard limit counts, so nobody knows against what it counts."""

    code = "usage_required"

    def __init__(self, dimension: str, limit_id: str) -> None:
        super().__init__(
            f"The limit {shown(limit_id)!r} counts by {dimension}, and the usage does not name one; "
            f"send usage.{dimension}.",
            field=f"usage.{dimension}",
            limit_id=limit_id,
        )


class UsageConflictsWithHold(Refusal):
    """A capture names another value of a dimension than its hold, whose limits have counted that value."""

    code = "usage_conflicts_with_hold"

    def __init__(self, hold_id: str, dimension: str, held: object, captured: object) -> None:
        super().__init__(
            f"Hold {shown(hold_id)!r} was placed for {dimension} {shown(str(held))!r}, and the capture names "
            f"{shown(str(captured))!r}; leave usage.{dimension} out, or release the hold and place another.",
            hold_id=hold_id,
            field=f"usage.{dimension}",
            held=held,
            captured=captured,
        )


class LimitNotFound(NotFound):
    code = "limit_not_found"
    noun = "limit"


class LimitsLimitExceeded(TooMany):
    code = "limits_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The account would have more than {limit} limits; remove some first.", limit)


class AllowancesLimitExceeded(TooMany):
    code = "allowances_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The limit has {limit} allowances, which is the most; remove some first.", limit)


class CountersLimitExceeded(TooMany):
    code = "counters_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The limits of the account would have more than {limit} open counters; "
            "wait until windows end, or remove a limit that counts for each value of a dimension.",
            limit,
        )
