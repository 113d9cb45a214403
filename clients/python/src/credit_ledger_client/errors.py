"""What can go wrong. A refusal is an exception with the problem of the ledger, whose fields depend on its code."""

from collections.abc import Mapping
from typing import Any


class LedgerError(Exception):
    """Something that the caller of a client has to know."""

    key: str | None = None
    """The key of the command, also one that the client has chosen: with it, the same command is carried out once. None
    for a question, and where a field of the body is the key."""


class NoAnswer(LedgerError):
    """The ledger did not answer. Whether a command was carried out is not known: send it again with the same key."""


class Refused(LedgerError):
    """The ledger refused. Nothing was recorded, unless the code is one after which that is not known: such as
    `unavailable`, after all attempts. Then send the command again with the same key."""

    def __init__(self, problem: Mapping[str, Any], request_id: str | None) -> None:
        super().__init__(f"{problem['code']}: {problem['detail']}")
        self.problem = problem
        """The problem document: `code`, `status`, `detail` and the facts of the code."""
        self.request_id = request_id

    @property
    def code(self) -> str:
        """Why, for programs."""
        return str(self.problem["code"])

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.problem["status"])


class InsufficientCredits(Refused):
    """Fewer credits are available than the command takes."""

    @property
    def required(self) -> int:
        """What the command takes."""
        return int(self.problem["required"])

    @property
    def available(self) -> int:
        """What the account has."""
        return int(self.problem["available"])

    @property
    def shortfall(self) -> int:
        """What is missing."""
        return int(self.problem["shortfall"])

    @property
    def ways_out(self) -> list[Mapping[str, str]]:
        """Pages on which a person gets more: each has a `way` and a `url`."""
        return list(self.problem.get("ways_out", ()))


class LimitReached(InsufficientCredits):
    """A limit leaves less than the command uses. `required` and `shortfall` are in the unit of the limit."""

    @property
    def binding(self) -> Mapping[str, Any]:
        """The limit that leaves least."""
        found: Mapping[str, Any] = self.problem["binding"]
        return found


class NotFound(Refused):
    """There is no such thing: 404."""


class Conflict(Refused):
    """The state of the account or of the thing does not allow it: 409 or 412."""


class Invalid(Refused):
    """The request is not valid, or over a limit: 400, 413 or 422."""


class NotAllowed(Refused):
    """The key is none, or may not do this: 401 or 403."""


_BY_CODE: Mapping[str, type[Refused]] = {
    "insufficient_credits": InsufficientCredits,
    "limit_reached": LimitReached,
}
_BY_STATUS: Mapping[int, type[Refused]] = {
    400: Invalid,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: Invalid,
    422: Invalid,
}


def refusal(problem: Mapping[str, Any], request_id: str | None) -> Refused:
    """The exception for a problem document."""
    kind = _BY_CODE.get(problem["code"]) or _BY_STATUS.get(problem["status"], Refused)
    return kind(problem, request_id)
