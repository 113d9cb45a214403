"""Refusals about grants and their lots."""

from datetime import datetime

from ledger.domain.errors.refusal import NotFound, Refusal, TooMany, shown


class GrantNotFound(NotFound):
    code = "grant_not_found"
    noun = "grant"


class GrantClosed(Refusal):
    """The grant was voided as a whole: nothing comes back to it."""

    code = "grant_closed"

    def __init__(self, grant_id: str) -> None:
        super().__init__(
            f"Grant {shown(grant_id)!r} was voided as a whole, and nothing comes back to it; grant the credits anew.",
            grant_id=grant_id,
        )


class GrantHasExpired(Refusal):
    """The lot of the grant has lapsed, and the command does not ask to reinstate it."""

    code = "grant_expired"

    def __init__(self, grant_id: str, expired_at: datetime) -> None:
        super().__init__(
            f"Grant {shown(grant_id)!r} expired at {expired_at.isoformat()}; "
            "set reinstate=true to give back what lapsed of it.",
            grant_id=grant_id,
            expired_at=expired_at,
        )


class ComingGrantsLimitExceeded(TooMany):
    code = "coming_grants_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The account has {limit} coming grants, which is the limit; void some first, or grant the credits later.",
            limit,
        )


class OpenLotsLimitExceeded(TooMany):
    code = "open_lots_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The account has {limit} open lots, which is the limit; spend or void some first.", limit)
