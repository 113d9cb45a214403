"""What becomes of webhooks: the facts in each, the payments and subscriptions that it is about, and its outcome."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from billing.facts import Fact, Incomplete
from billing.inbox.sealing import Seal
from billing.inbox.webhook import Mode, State, other_mode, pause_after
from billing.known import subjects_of
from billing.known_facts import names_in
from billing.providers.provider import Delivery, Provider
from billing.steps import FactKind, Waits, WaitsByKind
from ledger.commit.submission import Outcome, Recorded
from ledger.domain.errors import (
    AccountClosed,
    AccountNotFound,
    AlreadyDone,
    PaymentNotFound,
    PaymentNotPaid,
    PaymentOfAnotherAccount,
)

_log = logging.getLogger("credit_ledger.webhooks")
ValueT = TypeVar("ValueT")

BUSY = Waits("unavailable")
"""The ledger could not say what became of a command: nothing was decided."""
FAILED = Waits("failed")


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook that is due, as the biller has it from the inbox."""

    number: int
    webhook_id: str
    provider: str
    delivery_id: str
    type: str
    live: bool | None
    state: State
    reason: str | None
    things: list[str]
    about: list[str]
    account_id: str | None
    attempts: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Read:
    """A webhook with its facts; or with a reason why it has none, or why they must not be used."""

    due: Due
    facts: Sequence[Fact] = ()
    waits: Waits | None = None

    @property
    def subjects(self) -> frozenset[str]:
        """The payments and subscriptions that it is about, as it names them."""
        if self.waits is not None:
            return frozenset()
        if not self.facts:
            return frozenset(self.due.about)
        return frozenset(subject for fact in self.facts for subject in subjects_of(fact)[:1])

    @property
    def names(self) -> frozenset[str]:
        """All names in it."""
        return frozenset().union(*(names_in(fact) for fact in self.facts))


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a payment or subscription: its account, and for each kind of facts its events, or why it waits."""

    account_id: str | None
    positions: Mapping[FactKind, tuple[int, ...]]
    waits: WaitsByKind


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a webhook."""

    read: Read
    state: State
    waits: Waits | None
    account_id: str | None
    positions: tuple[int, ...]


def read(due: Due, provider: Provider | None, mode: Mode, seal: Seal) -> Read:
    """Read a webhook's facts. An error of ours in one of them must not keep the others from being applied."""
    reason = other_mode(mode, live=due.live)
    if reason is not None:
        return Read(due, waits=Waits(reason, final=True))
    if due.body is None:
        return Read(due, waits=None if due.about else Waits("missing_path", "its body was dropped", final=True))
    body = seal.open(due.webhook_id, due.body)
    if provider is None or body is None:
        return Read(due, waits=FAILED)
    try:
        facts = provider.facts(Delivery(due.provider, due.delivery_id, due.type, body, None, due.live))
    except Incomplete as missing:
        return Read(due, waits=Waits("missing_path", missing.path))
    except Exception:
        _log.exception("webhook %s cannot be read", due.webhook_id)
        return Read(due, waits=FAILED)
    return Read(due, facts, None if facts else Waits("not_used", final=True))


def decided(one: Read, results: Iterable[Result]) -> Decided:
    """What becomes of a webhook when this became of the payments and subscriptions that it is about."""
    found = list(results)
    kinds = {type(fact) for fact in one.facts}
    account = next((result.account_id for result in found if result.account_id is not None), None)
    positions = _of_kinds(kinds, (result.positions for result in found))
    waits = one.waits or min(_of_kinds(kinds, (result.waits for result in found)), key=_is_final, default=None)
    told = tuple(sorted({position for some in positions for position in some}))
    if waits is None:
        return Decided(one, "applied", None, account, told)
    if waits is BUSY:
        return Decided(one, one.due.state, waits, account, told)
    return Decided(one, "ignored" if waits.final else "waiting", waits, account, told)


def _is_final(waits: Waits) -> bool:
    """A reason that ends the waiting counts only when there is no other."""
    return waits.final


def _of_kinds(kinds: set[FactKind], found: Iterable[Mapping[FactKind, ValueT]]) -> list[ValueT]:
    """What there is for some kinds of facts; for all kinds, when the facts are not known any more."""
    return [value for one in found for kind, value in one.items() if not kinds or kind in kinds]


def columns(decisions: Sequence[Decided], now: datetime) -> dict[str, Any]:
    """The parameters of the statement `decide`."""
    attempts = [one.read.due.attempts + 1 for one in decisions]
    again = [one.state in ("new", "waiting") for one in decisions]
    return {
        "numbers": [one.read.due.number for one in decisions],
        "states": [one.state for one in decisions],
        "reasons": [one.waits and one.waits.reason for one in decisions],
        "details": [one.waits and one.waits.detail for one in decisions],
        "accounts": [one.account_id for one in decisions],
        "attempts": attempts,
        "next_tries": [now + pause_after(n) if more else None for n, more in zip(attempts, again, strict=True)],
        "positions": [",".join(map(str, one.positions)) for one in decisions],
        "things": [_lines(one.read.names) for one in decisions],
        "about": [_lines(one.read.subjects) for one in decisions],
        "now": now,
    }


def _lines(names: Iterable[str]) -> str | None:
    """Some names as lines; None for none, which leaves the ones that are known."""
    return "\n".join(sorted(names)) or None


def reason_to_wait(outcome: Outcome) -> Waits | None:
    """Why facts wait after a command had this outcome; None when they are applied, now or before."""
    match outcome:
        case PaymentOfAnotherAccount():
            return Waits("belongs_to_another_account", outcome.facts.get("other_account_id"))
        case Recorded() | AlreadyDone():
            return None
        case AccountNotFound():
            return Waits("unknown_account", outcome.facts["account_id"])
        case AccountClosed():
            return Waits("account_closed")
        case PaymentNotFound() | PaymentNotPaid():
            return Waits("waiting_for_payment")
        case _:
            return Waits("refused", f"{outcome.code}: {outcome.message}")
