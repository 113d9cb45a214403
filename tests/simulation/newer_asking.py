"""Random commands with words that came later: coming grants, payments of several grants or that failed, disputes,
limits of a pool and of seconds, holds and captures that say what they were for.

They draw from a chance of their own, and only in some of the runs: the others are as they were before there were any.
So the seeds that are known to find a bug go on to find it.
"""

import asyncio
import random
from collections.abc import Callable

from ledger.domain import commands as c
from ledger.domain.events import PaymentStatus
from ledger.domain.periods import TimedPeriod
from ledger.domain.usage import Usage
from tests.domain.journal import DAY_ZERO
from tests.simulation.asking import SECOND, Body, Known, Made, Said, dispute, recent, word

OFTEN = 0.3
SHARE = 0.4
"""Of the runs."""


def _credits(rng: random.Random, account: str, known: Known) -> tuple[c.GrantCredits, Body]:
    """Credits to be granted, most of which start later, and what says so in a body."""
    amount, start = rng.randint(1, 60), None
    if rng.random() < 0.7:
        start = DAY_ZERO + (asyncio.get_running_loop().time() + rng.choice([0.001, 0.01, 0.01, 0.05, 0.2, 2])) * SECOND
    if rng.random() < known.habits.permanent:
        command = c.GrantCredits(account, "permanent", amount, effective_at=start)
        return command, ("permanent", amount, None, None, None, None, None, start)
    lifetime = rng.choice(known.habits.lifetimes)
    command = c.GrantCredits(account, "subscription", amount, lifetime=lifetime * SECOND, effective_at=start)
    return command, ("subscription", amount, lifetime, None, None, None, None, start)


def _grant(rng: random.Random, account: str, known: Known) -> Made:
    command, body = _credits(rng, account, known)
    return body, command


def _pay(rng: random.Random, account: str, known: Known) -> Made:
    """A payment that fails, or buys several grants; ids meet, so one that failed is paid at last."""
    name, cents, provider = (
        f"pi_{rng.randint(1, 8)}",
        rng.choice([7, 100, 1999]),
        rng.choice([account, account, "stripe"]),
    )
    status: PaymentStatus = "failed" if rng.random() < 0.3 else "paid"
    grants = [_credits(rng, account, known) for _ in range(rng.choice([1, 2, 2, 3]) if status == "paid" else 0)]
    bought, said = tuple(grant for grant, _ in grants), repr([body for _, body in grants]) if grants else None
    command = c.RecordPayment(account, name, provider, status, cents, "eur", grants=bought)
    return (name, provider, status, cents, "eur", None, None, said), command


def _refund(rng: random.Random, account: str, known: Known) -> Made:
    name, refund, cents = recent(rng, known.payments), f"re_{rng.randint(1, 9)}", rng.choice([None, 1, 3, 30])
    return (name, refund, cents), c.RefundPayment(account, name, refund, cents)


def _limits(rng: random.Random, account: str, _: Known) -> Made:
    """A pool, an amount for each member in a window that ends within the run, and units that only count for one."""
    limits = [
        c.NewLimit("pool", rng.choice([10, 60, 300]), used=rng.choice([None, None, 5])),
        c.NewLimit("window", rng.choice([5, 30]), ("member",), period=TimedPeriod(60), hard=rng.random() < 0.7),
        c.NewLimit("ada", rng.choice([3, 20]), only=(("member", "ada"),), unit="files", allowances=None),
    ]
    wanted = tuple(limit for limit in limits if rng.random() < 0.7)
    return ("team", repr(wanted)), c.SetLimits(account, "team", wanted)


def _allow(rng: random.Random, account: str, _: Known) -> Made:
    value, amount = rng.choice(["ada", "bob"]), rng.choice([None, 0, 50])
    return ("window", value, amount), c.SetAllowance(account, "window", value, amount)


def _usage(rng: random.Random) -> Usage | None:
    if rng.random() < 0.15:
        return None
    said: Usage = Said(member=rng.choice(["ada", "ada", "bob"]))
    if rng.random() < 0.5:
        said = Said(said, metric="files", quantity=rng.randint(0, 4))
    return said


def _deduct(rng: random.Random, account: str, _: Known) -> Made:
    amount, usage = rng.choice([1, 5, 20]), _usage(rng)
    return (amount, None, None, usage), c.DeductCredits(account, amount, usage=usage)


def _hold(rng: random.Random, account: str, _: Known) -> Made:
    amount, seconds, usage = rng.choice([1, 10, 30]), rng.choice([1, 2, 5, 900]), _usage(rng)
    return (amount, seconds, None, None, usage), c.PlaceHold(account, amount, seconds * SECOND, usage=usage)


def _capture(rng: random.Random, account: str, known: Known) -> Made:
    name, amount, final = recent(rng, known.holds), rng.choice([None, 1, 5, 40]), rng.random() < 0.6
    on_excess: c.OnExcess = rng.choice(["draw", "reject", "available"])
    usage = _usage(rng)
    return (name, amount, final, on_excess, usage), c.CaptureHold(account, name, amount, final, on_excess, usage)


def _meter(rng: random.Random, account: str, _: Known) -> Made:
    quantity, usage = rng.randint(1, 5), Said(metric="files", member=rng.choice(["ada", "bob"]))
    return (quantity, None, usage), c.Meter(account, quantity, usage)


_MAKERS: list[tuple[str, Callable[[random.Random, str, Known], Made]]] = [
    ("grant", _grant),
    ("grant", _grant),
    ("payment", _pay),
    ("payment", _pay),
    ("payment_refund", _refund),
    ("limits", _limits),
    ("limits", _limits),
    ("allowance", _allow),
    ("deduct", _deduct),
    ("deduct", _deduct),
    ("hold", _hold),
    ("capture", _capture),
    ("capture", _capture),
    ("meter", _meter),
    ("subscription", word),
]
_OF_PAYMENTS: list[tuple[str, Callable[[random.Random, str, Known], Made]]] = [("payment_dispute", dispute)] * 5
"""What is asked of accounts that are known to have a payment."""


class NewerWords:
    """Says now and then something else than what would have been asked."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.spoken = rng.random() < SHARE

    @classmethod
    def of_run(cls, seed: int) -> "NewerWords":
        """Those of the run with this seed."""
        return cls(random.Random(seed + 4))

    def instead(self, account: str, known: Known) -> tuple[str, Body, c.Command] | None:
        """The operation, its body and its command; None where nothing else is said."""
        if not self.spoken or self._rng.random() > OFTEN:
            return None
        operation, make = self._rng.choice(_MAKERS + _OF_PAYMENTS if known.payments else _MAKERS)
        return operation, *make(self._rng, account, known)
