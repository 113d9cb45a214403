"""Random commands, quickly: they name what answers have told, and take amounts near what accounts have.

The strategies of tests/domain cover the rules; here the commands are only freight. So there are few kinds of amounts,
many of one's that compete for the same credits, and lots and holds that end within seconds.
"""

import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from ledger.commit.submission import ExpectedVersions, Submission
from ledger.domain import commands as c
from ledger.domain.events import (
    CreditsDeducted,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    DisputeState,
    Events,
    HoldCaptured,
    PaymentRecorded,
)
from ledger.domain.periods import CalendarPeriod
from ledger.domain.plans.terms import Interval, Terms
from ledger.domain.usage import Usage
from ledger.store.records.codec import Metadata
from ledger.store.records.receipts import fingerprint
from tests.domain.journal import DAY_ZERO

Body = tuple[object, ...]


class Ask(NamedTuple):
    """What a client wants: the same again is the same Ask."""

    operation: str
    key: str | None
    body: Body
    """The values of BODY_FIELDS, as the command endpoint would hand them over."""
    command: c.Command
    expected_version: int | None = None

    @property
    def account(self) -> str:
        """The account that it is for."""
        return self.command.account_id

    @property
    def receipt(self) -> tuple[str, str] | None:
        """What may be used once: account, operation and key; an account is opened once under whatever key."""
        key = self.account if self.operation == "open" else self.key
        return None if key is None else (self.account, f"{self.operation}:{key}")

    def submission(self, request_id: str) -> Submission:
        """As the command endpoint makes one."""
        metadata = Metadata("key:simulated", self.operation, self.key, request_id)
        expected = None if self.expected_version is None else ExpectedVersions((self.expected_version,))
        return Submission(self.command, metadata, fingerprint(self.body), expected)


class Habits:
    """What accounts are like in a run: rich, or such that everything they have is soon over."""

    def __init__(self, *, brittle: bool) -> None:
        self.signups = [0] if brittle else [0, 20, 50, 200]
        self.permanent = 0.0 if brittle else 0.4
        self.lifetimes = [0.1, 0.5, 2] if brittle else [0.02, 0.2, 1, 3, 3, 10, 900]


class Known:
    """What clients have learnt of an account from its answers."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.version = 0
        self.grants = ["grt_99"]
        self.deductions = ["ded_99"]
        self.holds = ["hld_99"]
        self.payments = ["pi_9"]
        self.transfers = [("trf_99", "nobody")]
        """What it sent, and whom to."""

    def learn(self, version: int, events: Events) -> None:
        """Remember what events made."""
        self.version = max(self.version, version)
        for event in events:
            match event:
                case CreditsSent():
                    self.transfers.append((event.transfer_id, event.to_account_id))
                case CreditsGranted() | CreditsReceived():
                    self.grants.append(event.grant_id)
                case CreditsDeducted() | HoldCaptured():
                    self.deductions.append(event.deduction_id)
                case CreditsHeld():
                    self.holds.append(event.hold_id)
                case PaymentRecorded():
                    self.payments.append(event.payment_id)
                case _:
                    pass


Made = tuple[Body, c.Command]
Make = Callable[[random.Random, str, Known], Made]
DISPUTE_STATES: list[DisputeState] = ["open", "open", "won", "lost"]
SECOND = timedelta(seconds=1)


class Said(dict[str, Any]):
    """What a caller says as an object. It is a part of an Ask, which has to have a hash."""

    def __hash__(self) -> int:  # type: ignore[override]  # it never changes
        return hash(tuple(self.items()))


ADA: Usage = Said(member="ada")
MEASURED: Usage = Said(key="k", quantity=3, duration_ms=12, success=False)


def _open(rng: random.Random, account: str, known: Known) -> Made:
    credits, labels = rng.choice(known.habits.signups), rng.choice([None, Said(plan="free")])
    return (credits, None, None, labels), c.OpenAccount(account, credits, labels=labels)


def _update(rng: random.Random, account: str, _: Known) -> Made:
    text = rng.choice([None, "a team"])
    labels = Said({rng.choice(["plan", "tier"]): rng.choice(["pro", "free", None])})
    return (text, None, labels, None), c.UpdateAccount(account, text, None, labels)


def _grant(rng: random.Random, account: str, known: Known) -> Made:
    amount = rng.randint(1, 60)
    if rng.random() < known.habits.permanent:
        return ("permanent", amount), c.GrantCredits(account, "permanent", amount)
    lifetime = rng.choice(known.habits.lifetimes)
    command = c.GrantCredits(account, "subscription", amount, lifetime=lifetime * SECOND)
    return ("subscription", amount, lifetime), command


def _deduct(rng: random.Random, account: str, _: Known) -> Made:
    amount = rng.choice([1, 5, 5, 20, rng.randint(1, 60)])
    text = rng.choice([None, None, "a picture"])
    usage = rng.choice([None, MEASURED, ADA, ADA])
    short: c.OnShortfall = "available" if rng.random() < 0.2 else "reject"
    command = c.DeductCredits(account, amount, description=text, usage=usage, on_shortfall=short)
    return (amount, None, text, usage, short), command


def _reverse(rng: random.Random, account: str, known: Known) -> Made:
    name, amount = recent(rng, known.deductions), rng.choice([None, 1, 5])
    return (name, amount, None), c.ReverseDeduction(account, name, amount)


def _hold(rng: random.Random, account: str, _: Known) -> Made:
    amount, seconds = rng.choice([1, 10, rng.randint(1, 60)]), rng.choice([1, 2, 5, 900])
    usage = rng.choice([None, ADA])
    return (amount, seconds, None, None, usage), c.PlaceHold(account, amount, seconds * SECOND, usage=usage)


def _capture(rng: random.Random, account: str, known: Known) -> Made:
    name, amount, final = recent(rng, known.holds), rng.choice([None, None, 1, 5, 40]), rng.random() < 0.6
    on_excess: c.OnExcess = rng.choice(["draw", "reject", "available"])
    return (name, amount, final, on_excess), c.CaptureHold(account, name, amount, final, on_excess)


def _extend(rng: random.Random, account: str, known: Known) -> Made:
    name, seconds = recent(rng, known.holds), rng.choice([1, 5, 30])
    return (name, seconds), c.ExtendHold(account, name, seconds * SECOND)


def _release(rng: random.Random, account: str, known: Known) -> Made:
    name = recent(rng, known.holds)
    return (name,), c.ReleaseHold(account, name)


def _void(rng: random.Random, account: str, known: Known) -> Made:
    name, amount = recent(rng, known.grants), rng.choice([None, 5, 30])
    return (name, amount, None), c.VoidGrant(account, name, amount)


def _change_expiry(rng: random.Random, account: str, known: Known) -> Made:
    name, reinstate = recent(rng, known.grants), rng.random() < 0.5
    end = DAY_ZERO + rng.randint(1, 60) * SECOND if rng.random() < 0.9 else None
    return (name, end, reinstate, None), c.ChangeGrantExpiry(account, name, end, reinstate)


def _pay(rng: random.Random, account: str, known: Known) -> Made:
    name, cents = f"pi_{rng.randint(1, 8)}", rng.choice([100, 1999])
    bought = _grant(rng, account, known)[1] if rng.random() < 0.7 else None
    assert bought is None or isinstance(bought, c.GrantCredits)
    said = None if bought is None else f"{bought.kind} {bought.amount} {bought.lifetime}"
    provider = rng.choice([account, account, "stripe"])  # with one provider, accounts compete for the same payments
    command = c.RecordPayment(account, name, provider, "paid", cents, "eur", grants=(bought,) if bought else ())
    return (name, provider, "paid", cents, "eur", None, said), command


def _refund(rng: random.Random, account: str, known: Known) -> Made:
    name, refund, cents = recent(rng, known.payments), f"re_{rng.randint(1, 5)}", rng.choice([None, 30, 100])
    return (name, refund, cents), c.RefundPayment(account, name, refund, cents)


def dispute(rng: random.Random, account: str, known: Known) -> Made:
    name, dispute, cents = recent(rng, known.payments), f"dp_{rng.randint(1, 2)}", rng.choice([None, 30, 100])
    state = rng.choice(DISPUTE_STATES)
    return (name, dispute, state, cents), c.RecordDispute(account, name, dispute, state, cents)


def _limits(rng: random.Random, account: str, known: Known) -> Made:
    limits = [
        c.NewLimit("each", rng.choice([5, 40, 400]), ("member",), period=CalendarPeriod("day", "Europe/Berlin")),
        c.NewLimit(
            "metered", rng.choice([3, 30]), unit="files", period=CalendarPeriod("hour"), hard=rng.random() < 0.5
        ),
    ]
    wanted = tuple(rng.sample(limits, rng.randint(0, 2)))
    return ("plan", repr(wanted)), c.SetLimits(account, "plan", wanted)


def _allow(rng: random.Random, account: str, known: Known) -> Made:
    amount = rng.choice([None, 0, 20])
    return ("each", "ada", amount), c.SetAllowance(account, "each", "ada", amount)


def _meter(rng: random.Random, account: str, known: Known) -> Made:
    quantity = rng.randint(1, 9)
    return (quantity, None, None), c.Meter(account, quantity, Said(metric="files", member="ada"))


def word(rng: random.Random, account: str, _: Known) -> Made:
    """A word about a subscription that is not paid yet: it changes no credits."""
    name, at = rng.choice(["sub_1", "sub_2"]), DAY_ZERO + rng.randint(0, 3) * SECOND
    terms = Terms("pro", 1, 100, Interval(1, "months"), Interval(1, "months"))
    told = c.RecordSubscription(account, name, "bank", "incomplete", terms, at)
    return (name, "bank", "incomplete", repr(terms), at, *[None] * 7), told


def _freeze(_: random.Random, account: str, __: Known) -> Made:
    return (None,), c.FreezeAccount(account)


def _unfreeze(_: random.Random, account: str, __: Known) -> Made:
    return (None,), c.UnfreezeAccount(account)


def _close(_: random.Random, account: str, __: Known) -> Made:
    return (None,), c.CloseAccount(account)


def _reopen(_: random.Random, account: str, __: Known) -> Made:
    return (None,), c.ReopenAccount(account)


def _erase(_: random.Random, account: str, __: Known) -> Made:
    return (), c.EraseTexts(account)


def _sweep(_: random.Random, account: str, __: Known) -> Made:
    return (), c.RecordExpiries(account)


_MAKERS: dict[str, tuple[Make, int]] = {
    "open": (_open, 3),
    "update": (_update, 1),
    "grant": (_grant, 6),
    "deduct": (_deduct, 20),
    "reverse": (_reverse, 3),
    "hold": (_hold, 4),
    "capture": (_capture, 4),
    "extend": (_extend, 1),
    "release": (_release, 1),
    "void": (_void, 2),
    "change_expiry": (_change_expiry, 2),
    "payment": (_pay, 2),
    "payment_refund": (_refund, 2),
    "payment_dispute": (dispute, 0),  # asked by newer_asking.py alone
    "subscription": (word, 0),  # asked by newer_asking.py alone
    "limits": (_limits, 2),
    "allowance": (_allow, 1),
    "meter": (_meter, 2),
    "freeze": (_freeze, 1),
    "unfreeze": (_unfreeze, 2),
    "close": (_close, 0),
    "reopen": (_reopen, 0),
    "erase": (_erase, 1),
    "expire": (_sweep, 2),
}
_ALWAYS = {"open", "grant", "deduct"}
KEYLESS = {"erase", "expire"}
"""What operators and the sweeper ask for: to do it twice is to do it once, so there is no key."""


class Words(Protocol):
    """Whoever says now and then something else than what would have been asked."""

    def instead(self, account: str, known: Known) -> tuple[str, Body, c.Command] | None:
        """The operation, its body and its command; None where nothing else is said."""


class Askers:
    """Draws what clients ask for. Every run leaves out some operations, so that others meet more often."""

    def __init__(
        self, rng: random.Random, accounts: Iterable[str], newer: Words, *, repeats: float, brittle: bool
    ) -> None:
        self._rng = rng
        self._newer = newer
        self._accounts = list(accounts)
        self._repeats = repeats
        self._habits = Habits(brittle=brittle)
        self.known = {account: Known(self._habits) for account in self._accounts}
        kinds = {name for name in _MAKERS if name in _ALWAYS or rng.random() < 0.5}
        self._operations = [name for name, (_, weight) in _MAKERS.items() if name in kinds for _ in range(weight)]
        if rng.random() < 0.05:
            self._operations += ["close", "reopen"]
        self._asked: list[Ask] = []
        self._moves: list[list[Ask]] = []
        self._moving = len(self._accounts) > 1 and rng.random() < 0.7

    def opening(self, account: str) -> Ask:
        """The first opening of an account."""
        return Ask("open", account, *_open(self._rng, account, self.known[account]))

    def draw(self) -> Ask:
        """Something new, or something that was asked before, or something else under its key."""
        rng = self._rng
        chance = rng.random()
        if self._asked and chance < self._repeats:
            before = rng.choice(self._asked)
            if chance < 0.6 * self._repeats:
                return before
            return self._anew(before.account, before.operation, before.key)
        ask = self._anew(rng.choice(self._accounts), rng.choice(self._operations), None)
        if (newer := self._newer.instead(ask.account, self.known[ask.account])) is not None:
            ask = Ask(newer[0], ask.key or f"k{len(self._asked)}", *newer[1:], ask.expected_version)
        if ask.key is not None:
            self._asked.append(ask)
        return ask

    def draw_together(self) -> list[Ask]:
        """An atomic batch; most are such as are not refused for one of them. Some are the halves of a move."""
        rng = self._rng
        if self._moving and rng.random() < 0.6:
            return rng.choice(self._moves) if self._moves and rng.random() < self._repeats else self._draw_move()
        asks = []
        for _ in range(rng.randint(2, 4)):
            ask = self.draw()
            if rng.random() < 0.7 or ask.key is None:
                ask = self._anew(rng.choice(self._accounts), rng.choice(["deduct", "grant"]), None)
                self._asked.append(ask)
            asks.append(ask)
        return asks + asks[: rng.random() < 0.2]

    def _draw_move(self) -> list[Ask]:
        """Both halves of a move, as the ledger makes the second from the first."""
        rng = self._rng
        sender, receiver = rng.sample(self._accounts, 2)
        key, chance, known = f"m{len(self._moves)}", rng.random(), self.known[sender].transfers
        first: tuple[str, Body, c.Command]
        if chance < 0.4 and (earlier := rng.choice(known[-4:]))[1] in self.known:
            transfer_id, receiver = earlier
            first = "transfer_reversal", (transfer_id, None), c.ReverseTransfer(sender, transfer_id)
        elif chance < 0.45:
            first = "merge", (receiver, None), c.MergeAccount(sender, receiver)
        else:
            amount = rng.choice([None, 1, 5, 20])
            first = "transfer", (receiver, amount, None), c.SendCredits(sender, receiver, amount)
        if isinstance(first[2], c.ReverseTransfer):
            second = Ask("send_back", f"{sender} {key}", (), c.SendBack(receiver, sender, first[2].transfer_id))
        else:
            second = Ask("receive", f"{sender} {key}", (), c.ReceiveCredits(receiver, sender))
        self._moves.append([Ask(first[0], key, *first[1:]), second])
        return self._moves[-1]

    def _anew(self, account: str, operation: str, key: str | None) -> Ask:
        rng, known = self._rng, self.known[account]
        if key is None and operation not in KEYLESS:
            key = account if operation == "open" and rng.random() < 0.5 else f"k{len(self._asked)}"
        body, command = _MAKERS[operation][0](rng, account, known)
        expected = None
        if rng.random() < 0.1 and known.version and key is not None:
            expected = known.version + rng.choice([0, 0, 0, 0, 1, -1])
        return Ask(operation, key, body, command, expected)

    def learn(self, account: str, version: int, events: Events) -> None:
        """Remember what an answer told."""
        self.known[account].learn(version, events)


def recent(rng: random.Random, names: list[str]) -> Any:
    """One of the last few: older ones are mostly over."""
    return rng.choice(names[-4:])
