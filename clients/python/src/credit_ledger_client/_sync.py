"""The client without asyncio. Made of `_async.py`; see clients/python/making.py."""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, Unpack, cast
from urllib.parse import quote
from uuid import uuid4

import httpx

from credit_ledger_client import types as t
from credit_ledger_client._bodies import Capturing, Holding, OfPayment, Spending, SpendingPriced
from credit_ledger_client._events import Lines
from credit_ledger_client._retries import ATTEMPTS, may_repeat, passes, pause
from credit_ledger_client.errors import LedgerError, NoAnswer, Refused, refusal

_IDLE = 60.0
"""Seconds without a word after which a stream is taken for broken: the ledger says something more often."""
_OVER = frozenset({"hold_already_captured", "hold_already_released", "hold_expired"})
"""The codes with which a release is refused because nothing is held any more."""
_KEYS_IN_BODIES = {
    "accounts": "account_id",
    "grants": "transaction_id",
    "deductions": "task_id",
    "usage": "task_id",
    "payments": "payment_id",
    "refunds": "refund_id",
    "disputes": "dispute_id",
}
"""The field of a body that is the key when there is no other, by the end of the address."""


class Ledger:
    """A credit ledger at a URL, for the holder of an API key. Use it as a context manager, one for a program."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
        http: httpx.Client | None = None,
    ) -> None:
        """`timeout` is in seconds, for one attempt. `http` is a client of yours, with its own timeout, proxies and
        certificates, which is closed with the ledger."""
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key.strip()}"}
        self._attempts = attempts
        self._http = http or httpx.Client(timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def account(self, account_id: str) -> "Account":
        """An account, whether or not it is open. Nothing is sent."""
        return Account(self, account_id)

    def open_account(self, **body: Unpack[t.OpenBody]) -> t.Opened:
        """Open an account. To open it again with the same body is no error."""
        return cast(t.Opened, self.command("/v1/accounts", body))

    def transfer(self, *, key: str | None = None, **body: Unpack[t.TransferBody]) -> t.Transferred:
        """Move credits from one account to another."""
        return cast(t.Transferred, self.command("/v1/transfers", body, key))

    def batch(self, commands: Sequence[Mapping[str, Any]], *, atomic: bool = False) -> t.BatchAnswer:
        """Many commands in one request. Each needs its own key, so that the batch can be repeated."""
        body = {"commands": list(commands), "atomic": atomic}
        return cast(t.BatchAnswer, self._answer("POST", "/v1/batch", body=body, safe=True))

    def estimate(self, **body: Unpack[t.EstimateBody]) -> t.EstimateAnswer:
        """What usage would cost by the price book, and whether an account could pay it."""
        return cast(t.EstimateAnswer, self._answer("POST", "/v1/estimates", body=body, safe=True))

    def accounts(self, **asked: Any) -> Iterator[t.ListedAccount]:
        """All accounts: `prefix`, `standing`, `sort`."""
        return cast(Iterator[t.ListedAccount], self.pages("/v1/accounts", "accounts", asked))

    def events(self, *, after: int | None = None) -> Iterator[t.EventNotice]:
        """What happens to all accounts, for ever: from now on, or after a position of the log."""
        return self.stream("/v1/events/stream", after)

    # What everything else is made of ------------------------------------------------------------------------------

    def command(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """Send a command. Without a key of yours, and without one in the body, it gets one that is used by its
        repetitions alone."""
        key = key or _own_key(path, body)
        headers = {} if key is None else {"idempotency-key": key}
        return self._answer("POST", path, body=body, headers=headers, safe=True)

    def get(self, path: str, asked: Mapping[str, Any] | None = None) -> Any:
        """Ask a question."""
        return self._answer("GET", path, asked=asked, safe=True)

    def pages(self, path: str, name: str, asked: Mapping[str, Any]) -> Iterator[Any]:
        """Each thing of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, {**asked, "cursor": cursor})
            yield from page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def stream(self, path: str, after: int | None) -> Iterator[t.EventNotice]:
        """The events of a stream. It connects again when the connection ends, and misses none."""
        failures = 0
        while True:
            headers = self._headers | ({} if after is None else {"last-event-id": str(after)})
            lines = Lines()
            try:
                timeout = httpx.Timeout(_IDLE, connect=10.0)
                with self._http.stream("GET", self._url + path, headers=headers, timeout=timeout) as answer:
                    if answer.status_code != 200:
                        answer.read()
                        self._check_again(answer, failures + 1)
                    for line in answer.iter_lines():
                        event = lines.read(line)
                        after, failures = lines.position if lines.position is not None else after, 0
                        if event is not None:
                            yield event
            except httpx.TransportError as error:
                if not may_repeat(error, safe=True):
                    raise NoAnswer(f"GET {path}: {error}") from error
            failures += 1
            time.sleep(pause(min(failures, 8), {}))

    def _check_again(self, answer: httpx.Response, attempt: int) -> None:
        """Raise Refused for what will not pass, or has not for long enough."""
        problem = _problem_of(answer)
        if attempt >= self._attempts or not passes(problem["code"], safe=True):
            raise refusal(problem, answer.headers.get("x-request-id"))

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        asked: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
    ) -> Any:
        """Send a request until it is answered. Raises Refused, and NoAnswer after the last attempt."""
        content = None if body is None else json.dumps(_said(body)).encode()
        sent = {**self._headers, **(headers or {})} | ({"content-type": "application/json"} if content else {})
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._http.request(
                    method, self._url + path, params=_said(asked or {}), content=content, headers=sent
                )
            except httpx.TransportError as error:
                if attempt == self._attempts or not may_repeat(error, safe=safe):
                    raise _keyed(NoAnswer(f"{method} {path}: {_told(error)}"), sent) from error
                time.sleep(pause(attempt, {}))
                continue
            found = _json_of(answer)
            if answer.status_code < 300 and found is not None:
                return found
            problem = _problem_of(answer)
            if attempt == self._attempts or not passes(problem["code"], safe=safe):
                raise _keyed(refusal(problem, answer.headers.get("x-request-id")), sent)
            time.sleep(pause(attempt, answer.headers))
        raise AssertionError("the last attempt returns or raises")


class Account:
    """One account of a ledger."""

    def __init__(self, ledger: Ledger, account_id: str) -> None:
        self._ledger = ledger
        self.account_id = account_id
        self._path = f"/v1/accounts/{quote(account_id, safe='')}"

    # What it has --------------------------------------------------------------------------------------------------

    def read(self) -> t.AccountAnswer:
        """The account now."""
        return cast(t.AccountAnswer, self._ledger.get(self._path))

    def balance(self) -> t.BalanceAnswer:
        """The balance now, never stale."""
        return cast(t.BalanceAnswer, self._ledger.get(f"{self._path}/balance"))

    def history(self, **asked: Any) -> Iterator[Mapping[str, Any]]:
        """Everything that happened, newest first."""
        return self._ledger.pages(f"{self._path}/history", "entries", asked)

    def grants(self, **asked: Any) -> Iterator[t.Grant]:
        """Grants, newest first."""
        return cast(Iterator[t.Grant], self._ledger.pages(f"{self._path}/grants", "grants", asked))

    def holds(self, **asked: Any) -> Iterator[t.Hold]:
        """Holds, newest first."""
        return cast(Iterator[t.Hold], self._ledger.pages(f"{self._path}/holds", "holds", asked))

    def payments(self, *, expand: Collection[OfPayment] = (), **asked: Any) -> Iterator[t.Payment]:
        """Payments, newest first; with `expand`, their whole grants and subscriptions."""
        asked = {**asked, "expand": _names(expand)}
        return cast(Iterator[t.Payment], self._ledger.pages(f"{self._path}/payments", "payments", asked))

    def payment(
        self, payment_id: str, *, provider: str | None = None, expand: Collection[OfPayment] = ()
    ) -> t.PaymentAnswer:
        """One payment. The provider is needed when several have used the id."""
        asked = {"provider": provider, "expand": _names(expand)}
        return cast(t.PaymentAnswer, self._one("payments", payment_id, asked))

    def read_hold(self, hold_id: str, *, expand: Collection[Literal["captures"]] = ()) -> t.HoldAnswer:
        """One hold, open or resolved; with `expand`, its captures."""
        return cast(t.HoldAnswer, self._one("holds", hold_id, {"expand": _names(expand)}))

    def deduction(self, deduction_id: str, *, expand: Collection[Literal["grants", "hold"]] = ()) -> t.DeductionAnswer:
        """One deduction, and what of it was reversed; with `expand`, the grants of its draws, and the hold."""
        return cast(t.DeductionAnswer, self._one("deductions", deduction_id, {"expand": _names(expand)}))

    def _one(self, kind: str, name: str, asked: Mapping[str, Any]) -> Any:
        return self._ledger.get(f"{self._path}/{kind}/{quote(name, safe='')}", asked)

    def events(self, *, after: int | None = None) -> Iterator[t.EventNotice]:
        """What happens to the account, for ever: from now on, or after a position of the log."""
        return self._ledger.stream(f"{self._path}/events/stream", after)

    # What it does -------------------------------------------------------------------------------------------------

    def grant(self, *, key: str | None = None, **body: Unpack[t.GrantBody]) -> t.Granted:
        """Give credits."""
        return cast(t.Granted, self.command("grants", body, key))

    def deduct(self, amount: int, *, key: str | None = None, **body: Unpack[Spending]) -> t.Deducted:
        """Take credits: all of the amount or nothing. Raises InsufficientCredits and LimitReached."""
        return cast(t.Deducted, self.command("deductions", {"amount": amount, **body}, key))

    def deduct_priced(
        self, usage: t.UsageBody, *, key: str | None = None, **body: Unpack[SpendingPriced]
    ) -> t.Deducted:
        """Take what usage costs by the price book."""
        priced = {"priced": True, **body, "usage": usage}
        return cast(t.Deducted, self.command("deductions", priced, key))

    def reverse(
        self, deduction_id: str, amount: int | None = None, *, key: str | None = None, reason: str | None = None
    ) -> t.Reversed:
        """Undo a deduction, or a part of it."""
        path = f"deductions/{quote(deduction_id, safe='')}/reversals"
        return cast(t.Reversed, self.command(path, {"amount": amount, "reason": reason}, key))

    def hold(self, amount: int, *, key: str | None = None, **body: Unpack[Holding]) -> "Hold":
        """Reserve credits for as long as the block lasts: `with account.hold(200) as hold`."""
        return Hold(self, {"amount": amount, **body}, key)

    def meter(self, quantity: int, usage: t.MeteredUsageBody, *, key: str | None = None) -> t.Metered:
        """Count usage that costs no credits. Raises LimitReached."""
        return cast(t.Metered, self.command("usage", {"quantity": quantity, "usage": usage}, key))

    def record_payment(self, *, key: str | None = None, **body: Unpack[t.PaymentBody]) -> t.Paid:
        """Record what a payment provider has seen, and grant what it buys."""
        return cast(t.Paid, self.command("payments", body, key))

    def command(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """Send a command about the account, such as `freeze`, to its address below that of the account."""
        return self._ledger.command(f"{self._path}/{path}", body, key)


class Hold:
    """A hold of credits. The end of its block releases what was not captured, whether or not the work succeeded."""

    def __init__(self, account: Account, body: Mapping[str, Any], key: str | None) -> None:
        self._account = account
        self._body = body
        self._key = key or str(uuid4())
        self._placed: t.Held | None = None
        self._open = False

    @property
    def placed(self) -> t.Held:
        """The answer to the hold. Raises LedgerError before the block begins."""
        if self._placed is None:
            raise LedgerError("the hold is placed when its block begins")
        return self._placed

    def __enter__(self) -> Self:
        self._placed = cast(t.Held, self._account.command("holds", self._body, self._key))
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._open:
            return
        try:
            self.release()
        except LedgerError as failed:
            if isinstance(failed, Refused) and failed.code in _OVER:
                return
            if error is None:
                raise
            error.add_note(f"The hold {self.placed['hold_id']} was not released and ends by itself: {failed}")

    def capture(
        self, amount: int | None = None, *, final: bool = True, key: str | None = None, **body: Unpack[Capturing]
    ) -> t.Captured:
        """Turn the hold, or a part of it, into a deduction. With `final=False` the rest stays on hold."""
        said = {"amount": amount, "final": final, **body}
        captured = cast(t.Captured, self._act("captures", said, key))
        self._open = not captured["final"]
        return captured

    def extend(self, seconds: int) -> t.Extended:
        """Let it last longer, counted from now."""
        return cast(t.Extended, self._act("extensions", {"expires_in_seconds": seconds}))

    def release(self) -> t.Released:
        """Give the rest back."""
        self._open = False
        return cast(t.Released, self._act("release", {}))

    def _act(self, what: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        return self._account.command(f"holds/{quote(self.placed['hold_id'], safe='')}/{what}", body, key)


def _own_key(path: str, body: Mapping[str, Any]) -> str | None:
    """A new key for a command whose body has none."""
    field = _KEYS_IN_BODIES.get(path.rpartition("/")[2])
    return None if field and body.get(field) else str(uuid4())


def _keyed(error: LedgerError, sent: Mapping[str, str]) -> LedgerError:
    """An error with the key that was sent."""
    error.key = sent.get("idempotency-key")
    return error


def _told(error: httpx.TransportError) -> str:
    """What is known of a failure: those of time say nothing."""
    return str(error) or type(error).__name__


def _names(expand: Collection[str]) -> str | None:
    """The value of `expand`; None when nothing is."""
    return ",".join(sorted(expand)) or None


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, without the rest."""
    return {name: value for name, value in values.items() if value is not None}


def _json_of(answer: httpx.Response) -> Any:
    """What an answer says; None if it is no JSON."""
    try:
        return answer.json()
    except ValueError:
        return None


def _problem_of(answer: httpx.Response) -> Mapping[str, Any]:
    """The problem of an answer; one of our own for what something between us and the ledger has answered."""
    found = _json_of(answer)
    if isinstance(found, dict) and "code" in found:
        return found
    code = "unavailable" if answer.status_code >= 500 else "not_the_ledger"
    return {"code": code, "status": answer.status_code, "detail": f"Not an answer of the ledger: {answer.text[:200]}"}
