"""What was asked, and what was answered: the record that the verdict holds against the log."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Outcome = Literal["ok", "refused", "unknown"]
"""`ok`: a 2xx, the first answer or a replay of it. `refused`: an answer that says that nothing was done. `unknown`: a
503 that says so, a timeout, a connection that broke."""

Command = tuple[str, str, str]
"""Account, operation and key: what must be carried out at most once."""


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One command as a caller means it; it may be sent any number of times."""

    operation: str
    account: str
    key: str
    body: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)
    named: bool = True
    """Whether the key goes into a header; else it is the business id in the body."""

    @property
    def command(self) -> Command:
        """What is carried out at most once."""
        return self.account, self.operation, self.key

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return PATHS[self.operation].format(account=self.account, **self.ids)

    @property
    def item(self) -> dict[str, Any]:
        """The same as one command of a batch."""
        named = {"idempotency_key": self.key} if self.named else {}
        return {"op": self.operation, "account_id": self.account, **named, **self.ids, **self.body}


_ACCOUNT = "/v1/accounts/{account}"
_HOLD = _ACCOUNT + "/holds/{hold_id}"
PATHS = {
    "open": "/v1/accounts",
    "update": _ACCOUNT,
    "grant": _ACCOUNT + "/grants",
    "deduct": _ACCOUNT + "/deductions",
    "reverse": _ACCOUNT + "/deductions/{deduction_id}/reversals",
    "hold": _ACCOUNT + "/holds",
    "capture": _HOLD + "/captures",
    "extend": _HOLD + "/extensions",
    "release": _HOLD + "/release",
    "void": _ACCOUNT + "/grants/{grant_id}/void",
    "payment": _ACCOUNT + "/payments",
    "payment_refund": _ACCOUNT + "/payments/{payment_id}/refunds",
    "payment_dispute": _ACCOUNT + "/payments/{payment_id}/disputes",
    "subscription": _ACCOUNT + "/subscriptions/{subscription_id}",
    "freeze": _ACCOUNT + "/freeze",
    "unfreeze": _ACCOUNT + "/unfreeze",
    "close": _ACCOUNT + "/close",
    "reopen": _ACCOUNT + "/reopen",
    "change_expiry": _ACCOUNT + "/grants/{grant_id}/expiry",
    "limits": _ACCOUNT + "/limits",
    "allowance": _ACCOUNT + "/limits/{limit_id}/allowances",
    "meter": _ACCOUNT + "/usage",
    "transfer": "/v1/transfers",
    "merge": _ACCOUNT + "/merge",
    "transfer_reversal": _ACCOUNT + "/transfers/{transfer_id}/reversals",
}
MOVES = {"transfer", "merge", "transfer_reversal"}
"""What is about two accounts, and in no batch."""


class Group(NamedTuple):
    """Asks that go in one request; `atomic` when all of them must be carried out or none."""

    asks: tuple[Ask, ...]
    atomic: bool = False


@dataclass(slots=True, eq=False)
class Attempt:
    """One ask, sent once. Times are seconds of a clock that nobody steps."""

    ask: Ask
    sent_at: float
    answered_at: float
    outcome: Outcome
    status: int
    """0 when there was no answer."""
    request_id: str | None
    """The service's own name for this attempt, which the events carry."""
    answer: dict[str, Any]
    """The answer or the problem; empty when there was none."""
    together: Group | None = None
    """The atomic batch that it was sent in."""

    @property
    def code(self) -> str:
        """The code of a refusal or a failure."""
        return str(self.answer.get("code", ""))


class Stuck(Exception):
    """Nothing comes through any more, and nobody helps. Its text says for how long."""


class Notebook:
    """All attempts of a run, and whoever waits for some more of them."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.acknowledged = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def write(self, attempt: Attempt) -> None:
        """One more."""
        self.attempts.append(attempt)
        if attempt.outcome == "ok":
            self.acknowledged += 1
            while self._waiting and self._waiting[0][0] <= self.acknowledged:
                told = self._waiting.pop(0)[1]
                if not told.done():
                    told.set_result(None)

    async def more(self, count: int, patience: float = 60.0) -> None:
        """Wait until so many more were acknowledged. Raises Stuck."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.acknowledged + count, told))
        self._waiting.sort(key=lambda waiting: waiting[0])
        try:
            async with asyncio.timeout(patience):
                await told
        except TimeoutError:
            raise Stuck(f"{count} more commands were not acknowledged within {patience:.0f} s") from None
