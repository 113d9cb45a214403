"""Why somebody may not come in."""

from typing import Any


class AccessRefused(Exception):
    """Nobody is let in. `code` says why: `unauthenticated`, `rate_limited` or `unavailable`.

    `retry_after` are the seconds after which it may be tried again, if that helps; `facts` are the numbers behind it.
    """

    def __init__(self, code: str, detail: str, *, retry_after: int | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.facts = facts
