"""Refusals about grants and their lots."""

from ledger.domain.errors.refusal import NotFound, TooMany


class GrantNotFound(NotFound):
    code = "grant_not_found"
    noun = "grant"


class OpenLotsLimitExceeded(TooMany):
    code = "open_lots_limit_exceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The account has {limit} open lots, which is the limit; spend or void some first.", limit)
