"""What callers ask for: every operation, on many accounts of which some are hot, credits that soon lapse.

It knows of each account what its answers said, as a caller would, and no more. What is refused is as good as what is
done: nothing here makes sure that a command is possible.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.survival import limiting
from tests.survival.attempts import MOVES, Ask, Attempt, Group

ACCOUNTS, HOT = 200, 4
REMEMBERED = 50
"""Ids of one kind that are kept of an account."""


_LEARNT = {
    "grant": "grant_id",
    "deduct": "deduction_id",
    "capture": "deduction_id",
    "hold": "hold_id",
    "payment": "payment_id",
    "transfer": "transfer_id",
}
"""Which id of an answer is worth to be kept, by operation."""


def machine_time() -> datetime:
    """What a caller takes for the time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Known:
    """What callers know of one account."""

    opened: bool = False
    limited: bool = False
    """Whether it was given limits, so that usage has to say whose it was."""
    standing: str = "active"
    ids: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _LEARNT.values()})
    done: list[Ask] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Providers and ids of payments that failed, and of which nobody has said anything since."""

    def pick(self, name: str, chance: random.Random) -> str | None:
        """One of the ids of a kind, a late one rather than an early one."""
        ids = self.ids[name]
        return ids[-1 - int(len(ids) * chance.random() ** 3)] if ids else None


_OWN_KEYS = {
    "grant": "transaction_id",
    "deduct": "task_id",
    "meter": "task_id",
    "payment": "payment_id",
    "payment_refund": "refund_id",
}
"""Which field of a body is its key, by operation."""
Body = tuple[dict[str, Any], dict[str, str]] | None
"""The body and the ids in the path; None when the account has nothing to do this to."""


class Repertoire:
    """Makes asks. One for all callers of a run."""

    def __init__(self, *, accounts: int = ACCOUNTS, hot: int = HOT, now: Callable[[], datetime] = machine_time) -> None:
        self._names = [f"a-{number:03}" for number in range(accounts)]
        self._hot = self._names[:hot]
        self._now = now
        self._known = {name: Known() for name in self._names}
        self._number = 0
        self._borrowed: set[str] = set()
        """Ids of payments that are asked for more than once. From then on their keys are in headers: without one, the
        bare id counts as a key too, because it was the key before, and the verdict does not know of that."""
        self._kinds: dict[str, tuple[int, Callable[[Known, random.Random], Body]]] = {
            "deduct": (440, self._deduct),
            "grant": (140, self._grant),
            "hold": (110, self._hold),
            "capture": (70, self._capture),
            "release": (35, self._release),
            "extend": (20, self._extend),
            "reverse": (60, self._reverse),
            "void": (20, self._void),
            "change_expiry": (10, self._change_expiry),
            "payment": (40, self._payment),
            "payment_refund": (20, self._refund),
            "payment_dispute": (16, self._dispute),
            "subscription": (6, self._word),
            "limits": (12, self._limits),
            "allowance": (12, self._allowance),
            "meter": (40, self._meter),
            "update": (8, self._update),
            "freeze": (8, self._reason),
            "unfreeze": (4, self._reason),
            "close": (1, self._reason),
            "transfer": (30, self._transfer),
            "transfer_reversal": (12, self._reverse_transfer),
            "merge": (1, self._reason),
            "reopen": (1, self._reason),
        }

    @property
    def operations(self) -> set[str]:
        """What is asked for."""
        return {"open", *self._kinds}

    @property
    def asked(self) -> int:
        """Commands that were asked so far, those that open accounts aside."""
        return self._number

    @property
    def accounts(self) -> list[str]:
        """The accounts that there are or may be."""
        return self._names

    def next(self, chance: random.Random) -> Group:
        """What one caller asks for next: mostly one command, now and then a batch."""
        draw = chance.random()
        if draw < 0.93:
            return Group((self.ask(chance),))
        several = [self.ask(chance) for _ in range(chance.randint(2, 12))]
        asks = tuple(ask for ask in several if ask.operation not in MOVES)
        if len(asks) < 2:
            return Group((several[0],))
        if chance.random() < 0.2:
            asks += (chance.choice(asks),)  # a batch may name a command twice
        return Group(asks, atomic=draw > 0.97 and all(ask.operation != "open" for ask in asks))

    def ask(self, chance: random.Random) -> Ask:
        """One command."""
        account = chance.choice(self._hot if chance.random() < 0.35 else self._names)
        known = self._known[account]
        if not known.opened:
            return Ask("open", account, account, {"signup_credits": 150}, named=False)
        if not known.limited and limiting.has_limits(account):
            return limiting.first_limits(account)
        if known.done and chance.random() < 0.01:
            return _misused(chance.choice(known.done))
        operation, (body, ids) = self._operation(known, chance)
        self._number += 1
        key = f"{operation}-{self._number}"
        other = chance.choice([name for name in self._names if name != account])
        if operation == "transfer":
            body |= {"from_account_id": account, "to_account_id": other}
        elif operation == "merge":
            body |= {"successor": other}
        return self._keyed(Ask(operation, account, key, body, ids), chance)

    def learn(self, attempt: Attempt) -> None:
        """What an answer says about its account."""
        ask, answer = attempt.ask, attempt.answer
        known = self._known[ask.account]
        if ask.operation == "open":
            known.opened = known.opened or attempt.outcome == "ok"
        if attempt.outcome != "ok":
            return
        if "standing" in answer:
            known.standing = answer["standing"]
        known.limited = known.limited or ask.operation == "limits"
        for grant in answer.get("grants", ()):
            _keep(known.ids["grant_id"], grant["grant_id"])
        if answer.get("payment_status") == "failed":
            _keep(known.failed, (ask.body["provider"], answer["payment_id"]))
        name = _LEARNT.get(ask.operation)
        if name is not None:
            _keep(known.ids[name], str(answer[name]))
            if ask.operation == "deduct":
                known.done.append(ask)
                del known.done[:-REMEMBERED]

    def _operation(self, known: Known, chance: random.Random) -> tuple[str, tuple[dict[str, Any], dict[str, str]]]:
        if known.standing != "active" and chance.random() < 0.3:
            return "unfreeze" if known.standing == "frozen" else "reopen", ({}, {})
        names, weights = list(self._kinds), [weight for weight, _ in self._kinds.values()]
        while True:
            operation = chance.choices(names, weights)[0]
            body = self._kinds[operation][1](known, chance)
            if body is not None:
                return operation, body

    def _keyed(self, ask: Ask, chance: random.Random) -> Ask:
        """Where an operation has a business id for a key, both ways are used."""
        field_name = _OWN_KEYS.get(ask.operation)
        if field_name is None:
            return ask
        always = ask.operation in ("payment", "payment_refund")
        if not always and chance.random() < 0.7:
            return ask
        body, named = {field_name: ask.key, **ask.body}, chance.random() < 0.3
        named = named or body.get("payment_id") in self._borrowed
        key = ask.key
        if ask.operation == "payment" and not named:
            key = f"{body['provider']}:{body['payment_id']}:{body['status']}"
        if ask.operation == "payment_refund" and not named and "provider" in body:
            key = f"{body['provider']}:{ask.key}"
        return Ask(ask.operation, ask.account, key, body, ask.ids, named=named)

    # One method for each operation -----------------------------------------------------------------------------------

    def _deduct(self, known: Known, chance: random.Random) -> Body:
        amount = chance.randint(1, 30) if chance.random() < 0.8 else chance.randint(100, 700)
        body: dict[str, Any] = {"amount": amount}
        if known.limited:
            body["usage"] = limiting.attributed(chance)
        elif chance.random() < 0.2:
            body["usage"] = {"provider": "p", "model": chance.choice("xyz"), "input_tokens": chance.randint(0, 999)}
            if chance.random() < 0.3:
                body["usage"] |= {"key": chance.choice("kl"), "quantity": chance.randint(0, 9), "success": True}
                body["usage"] |= {"duration_ms": chance.randint(0, 60_000), "agent": "robot"}
            if chance.random() < 0.3:
                body["occurred_at"] = (self._now() - timedelta(hours=chance.randint(0, 500))).isoformat()
        if chance.random() < 0.2:
            body["description"] = f"work {chance.randint(1, 9)}"
        if chance.random() < 0.2:
            body["on_shortfall"] = "available"
        return body, {}

    def _grant(self, known: Known, chance: random.Random) -> Body:
        body = self._credits(chance)
        if chance.random() < 0.1:
            body["metadata"] = {"from": "survival", "n": chance.randint(1, 9)}
        return body, {}

    def _credits(self, chance: random.Random) -> dict[str, Any]:
        """Credits to be granted; some of them start soon, and many lapse soon after their start."""
        body: dict[str, Any] = {"kind": chance.choice(("subscription", "permanent")), "amount": chance.randint(20, 400)}
        start = self._now()
        if chance.random() < 0.15:
            start += timedelta(seconds=chance.uniform(0.2, 3))
            body["effective_at"] = start.isoformat()
        if body["kind"] == "subscription" and chance.random() < 0.7:
            body["expires_at"] = (start + self._life(chance)).isoformat()
        return body

    def _life(self, chance: random.Random) -> timedelta:
        """How long credits live."""
        return timedelta(seconds=chance.uniform(0.3, 5))

    def _hold_seconds(self, chance: random.Random) -> int:
        return chance.choice((1, 1, 2, 3, 60))

    def _hold(self, known: Known, chance: random.Random) -> Body:
        body: dict[str, Any] = {"amount": chance.randint(1, 120), "expires_in_seconds": self._hold_seconds(chance)}
        if known.limited:
            body["usage"] = limiting.attributed(chance)
        return body, {}

    def _capture(self, known: Known, chance: random.Random) -> Body:
        hold_id = known.pick("hold_id", chance)
        if hold_id is None:
            return None
        body: dict[str, Any] = {}
        if chance.random() < 0.7:
            body["amount"] = chance.randint(1, 100)
            body["on_excess"] = chance.choice(("reject", "draw", "available"))
            body["final"] = chance.random() < 0.5
        if known.limited and chance.random() < 0.3:
            body["usage"] = limiting.attributed(chance)
        return body, {"hold_id": hold_id}

    def _release(self, known: Known, chance: random.Random) -> Body:
        hold_id = known.pick("hold_id", chance)
        return None if hold_id is None else ({}, {"hold_id": hold_id})

    def _extend(self, known: Known, chance: random.Random) -> Body:
        hold_id = known.pick("hold_id", chance)
        return None if hold_id is None else ({"expires_in_seconds": chance.randint(1, 5)}, {"hold_id": hold_id})

    def _reverse(self, known: Known, chance: random.Random) -> Body:
        deduction_id = known.pick("deduction_id", chance)
        if deduction_id is None:
            return None
        return ({"amount": chance.randint(1, 20)} if chance.random() < 0.6 else {}), {"deduction_id": deduction_id}

    def _void(self, known: Known, chance: random.Random) -> Body:
        grant_id = known.pick("grant_id", chance)
        if grant_id is None:
            return None
        return ({"amount": chance.randint(1, 200)} if chance.random() < 0.7 else {}), {"grant_id": grant_id}

    def _change_expiry(self, known: Known, chance: random.Random) -> Body:
        grant_id = known.pick("grant_id", chance)
        if grant_id is None:
            return None
        end = self._now() + timedelta(seconds=chance.uniform(0.3, 5))
        return {"expires_at": end.isoformat(), "reinstate": chance.random() < 0.5}, {"grant_id": grant_id}

    def _transfer(self, known: Known, chance: random.Random) -> Body:
        return ({"amount": chance.randint(1, 80)} if chance.random() < 0.95 else {}), {}

    def _reverse_transfer(self, known: Known, chance: random.Random) -> Body:
        transfer_id = known.pick("transfer_id", chance)
        return None if transfer_id is None else ({}, {"transfer_id": transfer_id})

    def _payment(self, known: Known, chance: random.Random) -> Body:
        body: dict[str, Any] = {"provider": chance.choice(("stripe", "stripe", "paddle")), "status": "paid"}
        body |= {"amount_minor": chance.randint(100, 5000), "currency": "EUR"}
        if known.failed and chance.random() < 0.3:  # the provider has tried once more
            body["provider"], body["payment_id"] = known.failed.pop()
        elif chance.random() < 0.06:
            self._take_known_payment(body, known, chance)
        if chance.random() < 0.15:
            if "payment_id" in body:
                self._borrowed.add(body["payment_id"])
            return body | {"status": "failed"}, {}
        bought = [self._credits(chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))]
        if len(bought) == 1 or (bought and chance.random() < 0.3):
            body["grant"] = bought.pop()
        return body | ({"grants": bought} if bought else {}), {}

    def _take_known_payment(self, body: dict[str, Any], known: Known, chance: random.Random) -> None:
        """Let a payment have the id of one that another account has recorded, or this one of another provider."""
        other = self._known[chance.choice(self._hot)]
        payment_id = other.pick("payment_id", chance)
        if payment_id is not None:
            self._borrowed.add(payment_id)
            body["payment_id"] = payment_id
            body["provider"] = "adyen" if other is known else body["provider"]

    def _refund(self, known: Known, chance: random.Random) -> Body:
        payment_id = known.pick("payment_id", chance)
        if payment_id is None:
            return None
        body: dict[str, Any] = {"amount_minor": chance.randint(1, 2000)} if chance.random() < 0.6 else {}
        if chance.random() < 0.3:
            body["provider"] = chance.choice(("stripe", "paddle", "adyen"))
        return body, {"payment_id": payment_id}

    def _limits(self, known: Known, chance: random.Random) -> Body:
        if not known.limited and chance.random() < 0.95:
            return None
        return limiting.limits(chance), {}

    def _allowance(self, known: Known, chance: random.Random) -> Body:
        return limiting.allowance(chance) if known.limited else None

    def _meter(self, known: Known, chance: random.Random) -> Body:
        return limiting.metered(chance), {}

    def _dispute(self, known: Known, chance: random.Random) -> Body:
        payment_id = known.pick("payment_id", chance)
        if payment_id is None:
            return None
        state = chance.choice(["open", "open", "won", "lost"])
        body: dict[str, Any] = {"dispute_id": f"dp-{chance.randint(1, 3)}", "state": state}
        return body | ({"amount_minor": chance.randint(1, 2000)} if chance.random() < 0.6 else {}), {
            "payment_id": payment_id
        }

    def _update(self, known: Known, chance: random.Random) -> Body:
        return {"labels": {chance.choice(["plan", "tier"]): chance.choice(["pro", "free", None])}}, {}

    def _word(self, known: Known, chance: random.Random) -> Body:
        """A word about a subscription: of a plan without a price, whose credits come by time alone; or not yet paid."""
        month = {"months": 1}
        terms: dict[str, Any] = {"plan": "free", "plan_version": 1, "credits": chance.randint(0, 100), "every": month}
        if chance.random() < 0.3:
            terms |= {"plan": "pro", "billed": month}
        status = chance.choice(("incomplete", "active", "active", "active", "ended"))
        told = {"provider": "bank", "status": status, "terms": terms, "as_of": self._now().isoformat()}
        return told, {"subscription_id": f"sub_{chance.randint(1, 3)}"}

    def _reason(self, known: Known, chance: random.Random) -> Body:
        return ({"reason": "a try"} if chance.random() < 0.5 else {}), {}


def _misused(done: Ask) -> Ask:
    """A key that was used, with another body: it must be refused, and do nothing."""
    return Ask(
        done.operation, done.account, done.key, {**done.body, "amount": done.body["amount"] + 1}, named=done.named
    )


def _keep(ids: list[Any], new: object) -> None:
    if new not in ids[-5:]:
        ids.append(new)
        del ids[:-REMEMBERED]
