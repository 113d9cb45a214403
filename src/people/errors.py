"""Why access is refused."""

from typing import Any


class AccessRefused(Exception):
    """The caller gets no access. `code` says why: `unauthenticated`, `rate_limited` or `unavailable`.

    `retry_after` is the number of seconds after which a repetition may succeed. `facts` has the numbers of the reason.
    """

    def __init__(self, code: str, detail: str, *, retry_after: int | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.facts = facts
