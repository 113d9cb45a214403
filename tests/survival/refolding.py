"""One account folded again from what is stored, as plainly as can be, with a complaint for whatever is not right.

It shares no code with the ledger: events are dictionaries, credits are counted grant by grant, and whatever an event
says about draws, returns and balances is worked out once more before it is believed.
"""

from dataclasses import dataclass, field
from datetime import datetime

from tests.survival.counters import Counters, Part, quantity_of, reversed_parts
from tests.survival.holdings import (
    Data,
    Dispute,
    Due,
    Grant,
    Hold,
    Parts,
    Payment,
    balance_text,
    burn_order,
    collected,
    moment,
    split,
    without,
)
from tests.survival.log import Row
from tests.survival.shares import shares

EXPIRIES = {"CreditsExpired", "HoldExpired", "GrantStarted"}
SPENDING = {"CreditsDeducted", "CreditsHeld", "HoldExtended", "CreditsSent", "UsageMetered"}
AFTER_CLOSING = EXPIRIES | {"DeductionReversed", "HoldReleased", "GrantVoided", "PaymentRefunded", "AccountReopened"}
AFTER_CLOSING |= {"DisputeRecorded", "TransferReversed", "CreditsSentBack"}
COUNTING = {"CreditsDeducted", "CreditsHeld", "HoldCaptured", "HoldReleased", "HoldExpired", "DeductionReversed"}
COUNTING |= {"UsageMetered", "LimitsSet"}


@dataclass(slots=True)
class Book:
    """One account."""

    name: str
    version: int = 0
    recorded_at: datetime | None = None
    standing: str = "active"
    successor: str | None = None
    grants: dict[str, Grant] = field(default_factory=dict)
    free: dict[str, Grant] = field(default_factory=dict)
    """Those with something free."""
    held: dict[str, int] = field(default_factory=lambda: {"subscription": 0, "permanent": 0})
    holds: dict[str, Hold] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    deductions: dict[str, Parts] = field(default_factory=dict)
    """What is not reversed of each, in the order in which it would come back."""
    owed: dict[str, int] = field(default_factory=dict)
    """What each could not collect, and was not waived."""
    counted: dict[str, list[Part]] = field(default_factory=dict)
    """What limits have counted of each deduction, in the order in which it would come back."""
    gone: dict[str, int] = field(default_factory=dict)
    """What of each deduction was reversed or waived."""
    counters: Counters = field(default_factory=Counters)
    payments: dict[tuple[str, str], Payment] = field(default_factory=dict)
    """By provider and id."""
    due: list[Due] = field(default_factory=list)
    sent: dict[str, tuple[str, Parts]] = field(default_factory=dict)
    """Whom each transfer went to, and what would come back, the last draw first."""
    received: dict[tuple[str, str], Parts] = field(default_factory=dict)
    """What transfers brought, by sender and transfer."""
    exchanged: dict[str, int] = field(default_factory=dict)
    """What was received from each other account less what was sent to it."""
    complaints: list[str] = field(default_factory=list)

    def fold(self, row: Row) -> None:
        """One more event."""
        if row.version != self.version + 1:
            self._complain(row, f"follows version {self.version}")
        self.version = row.version
        if self.recorded_at is not None and row.recorded_at < self.recorded_at:
            self._complain(row, f"is recorded at {row.recorded_at}, before the event before it")
        self.recorded_at = row.recorded_at
        self._check_standing(row)
        if row.topic not in EXPIRIES and not row.data.get("changed_by", "").startswith("grt_"):
            self._check_nothing_is_due(row)
        if self.due and "changed_by" not in row.data and (row.topic, row.data.get("grant_id")) != self.due[0][:2]:
            self._complain(row, f"comes before the {self.due[0].topic} of {self.due[0].grant_id}")
            self.due.clear()
        try:
            if (fold := FOLDS.get(row.topic)) is not None:  # else it moves no credits
                fold(self, row, row.data)
        except (KeyError, ValueError) as error:
            self._complain(row, f"cannot be: {error}")
            return
        self._check_balance(row)
        self._check_counts(row)

    def _complain(self, row: Row, what: str) -> None:
        self.complaints.append(f"{row.name} {what}")

    @property
    def unfinished(self) -> list[str]:
        """What had to follow the last event, and did not."""
        return [f"{self.name} ends before the {due.topic} of {due.grant_id}" for due in self.due]

    # What holds for every event --------------------------------------------------------------------------------------

    def _check_standing(self, row: Row) -> None:
        if (row.version == 1) != (row.topic == "AccountOpened"):
            self._complain(row, "is an opening that is not the first event, or the first event is none")
        bare = row.topic == "PaymentRecorded" and "grant_id" not in row.data
        again = self.successor is not None and self.successor in (
            row.data.get("successor"),
            row.data.get("to_account_id"),
        )
        if self.standing == "closed" and row.topic not in AFTER_CLOSING and not bare and not again:
            self._complain(row, "happened to a closed account")
        if self.standing == "frozen" and row.topic in SPENDING:
            self._complain(row, "spends from a frozen account")
        if self.standing == "frozen" and row.topic == "HoldCaptured" and row.data["from_lots"]:
            self._complain(row, "spends more of a frozen account than was held")

    def _check_nothing_is_due(self, row: Row) -> None:
        for grant_id, grant in self.free.items():
            if grant.lapsed(row.recorded_at):
                self._complain(row, f"comes after the expiry of {grant_id}, which is not recorded")
        for grant_id, grant in self.grants.items():
            if grant.coming and grant.starts_at is not None and grant.starts_at <= row.recorded_at:
                self._complain(row, f"comes after the start of {grant_id}, which is not recorded")
        for hold_id, hold in self.holds.items():
            if hold.expires_at <= row.recorded_at:
                self._complain(row, f"comes after the expiry of {hold_id}, which is not recorded")

    def _check_balance(self, row: Row) -> None:
        said = row.data["balance"]
        made = dict(self.held)
        for grant in self.free.values():
            made[grant.kind] += grant.free
        ends = [grant.expires_at for grant in self.free.values() if grant.expires_at is not None]
        figures = made["subscription"], made["permanent"], sum(self.held.values()), min(ends, default=None)
        end = said.get("subscription_expire_at")
        told = said["subscription_credits"], said["permanent_credits"], said["held"], end and moment(end)
        if told != figures:
            self._complain(row, f"says the balance {balance_text(told)}, and the events make {balance_text(figures)}")
        if min(figures[:3]) < 0:
            self._complain(row, f"leaves a negative balance: {balance_text(figures)}")

    def _check_counts(self, row: Row) -> None:
        if row.topic not in COUNTING and "counts" in row.data:
            self._complain(row, "has counts")
        for complaint in self.counters.complaints:
            self._complain(row, complaint)
        self.counters.complaints.clear()

    # Moving credits --------------------------------------------------------------------------------------------------

    def _burn(self, row: Row, draws: list[Data], amount: int) -> Parts:
        """Check draws from the lots against the burn order, and make them."""
        lots = sorted(self.free.items(), key=lambda item: burn_order(item[1]))
        wanted: Parts = []
        for grant_id, grant in lots:
            missing = amount - sum(part for _, part in wanted)
            if missing and not grant.lapsed(row.recorded_at):
                wanted.append((grant_id, min(missing, grant.free)))
        made = [(draw["grant_id"], draw["amount"]) for draw in draws]
        if made != wanted:
            self._complain(row, f"draws {made}, and the burn order is {wanted}")
        for grant_id, part in made:
            if self.grants[grant_id].lapsed(row.recorded_at):
                self._complain(row, f"spends {part} of {grant_id} after its expiry")
            if part > self.grants[grant_id].free:
                self._complain(row, f"overspends {grant_id}: {part} of {self.grants[grant_id].free}")
            self._change(grant_id, -part)
        if sum(part for _, part in made) != amount:
            self._complain(row, f"draws {sum(part for _, part in made)} for {amount}")
        return made

    def _change(self, grant_id: str, by: int) -> None:
        grant = self.grants[grant_id]
        grant.free += by
        if grant.free:
            self.free[grant_id] = grant
        else:
            self.free.pop(grant_id, None)

    def _hold_back(self, parts: Parts, sign: int) -> None:
        for grant_id, part in parts:
            self.held[self.grants[grant_id].kind] += sign * part

    def _give_back(self, row: Row, parts: Parts, at: datetime) -> None:
        """Check what comes back, and what becomes of it, and let it."""
        wanted = []
        for grant_id, part in parts:
            grant = self.grants[grant_id]
            fate = "cancelled" if grant.closed else "lapsed" if grant.lapsed(at) else "returned"
            wanted.append((grant_id, part, fate))
        told = [(part["grant_id"], part["amount"], part["fate"]) for part in row.data["returns"]]
        if told != wanted:
            self._complain(row, f"gives back {told}, and it had to be {wanted}")
        for grant_id, part, fate in told:
            if fate == "returned":
                self._change(grant_id, part)
            if fate == "lapsed":
                self.grants[grant_id].lost += part

    def _open_hold(self, row: Row, hold_id: str, *, expiring: bool = False) -> Hold:
        hold = self.holds.get(hold_id)
        if hold is None:
            raise ValueError(f"{hold_id} has {'ended' if hold_id in self.ended else 'never been'}")
        if not expiring and hold.expires_at <= row.recorded_at:
            self._complain(row, f"uses {hold_id} after its expiry")
        return hold

    def _end(self, hold_id: str) -> None:
        del self.holds[hold_id]
        self.ended.add(hold_id)

    # One method for each type that moves credits ---------------------------------------------------------------------

    def _freeze(self, row: Row, data: Data) -> None:
        self.standing = "frozen"

    def _unfreeze(self, row: Row, data: Data) -> None:
        self.standing = "active"

    def _close(self, row: Row, data: Data) -> None:
        self.standing, self.successor = "closed", data.get("successor")

    def _reopen(self, row: Row, data: Data) -> None:
        if self.standing == "frozen":
            self._complain(row, "reopens an account that is frozen")
        self.standing, self.successor = "active", None

    def _grant(self, row: Row, data: Data) -> None:
        expires_at = moment(data["expires_at"]) if "expires_at" in data else None
        if expires_at is not None and (data["kind"] == "permanent" or expires_at <= row.recorded_at):
            self._complain(row, f"expires at {expires_at}")
        if data["amount"] <= 0 or data["grant_id"] != f"grt_{row.version}":
            self._complain(row, f"grants {data['amount']} as {data['grant_id']}")
        grant = self.grants[data["grant_id"]] = Grant(row.version, data["kind"], expires_at, 0, granted=data["amount"])
        if (self._next_due() is None) != ("payment_id" not in data):
            self._complain(row, f"is a grant of the payment {data.get('payment_id')}")
        if "effective_at" not in data:
            self._change(data["grant_id"], data["amount"])
            return
        grant.starts_at, grant.coming = moment(data["effective_at"]), data["amount"]
        if grant.starts_at <= row.recorded_at or (expires_at is not None and expires_at <= grant.starts_at):
            self._complain(row, f"starts at {grant.starts_at} and expires at {expires_at}")

    def _start(self, row: Row, data: Data) -> None:
        grant, at = self.grants[data["grant_id"]], moment(data["effective_at"])
        if at != grant.starts_at or at > row.recorded_at:
            self._complain(row, f"starts early: {data['grant_id']} starts at {grant.starts_at}")
        if not data["amount"] or data["amount"] != grant.coming:
            self._complain(row, f"starts {data['amount']} of {grant.coming}")
        grant.coming = 0
        self._change(data["grant_id"], data["amount"])

    def _send(self, row: Row, data: Data) -> None:
        if data["to_account_id"] == row.account or data["transfer_id"] != f"trf_{row.version}":
            self._complain(row, f"sends {data['transfer_id']} to {data['to_account_id']}")
        parts = self._burn(row, data["draws"], data["amount"])
        self.sent[data["transfer_id"]] = data["to_account_id"], parts[::-1]
        self._exchange(data["to_account_id"], -data["amount"])

    def _receive(self, row: Row, data: Data) -> None:
        self._grant(row, data)
        brought = self.received.setdefault((data["from_account_id"], data["transfer_id"]), [])
        brought.append((data["grant_id"], data["amount"]))
        self._exchange(data["from_account_id"], data["amount"])

    def _reverse_transfer(self, row: Row, data: Data) -> None:
        to, parts = self.sent.pop(data["transfer_id"])
        amount = sum(part for _, part in parts)
        if (data["to_account_id"], data["amount"]) != (to, amount):
            self._complain(row, f"reverses {data['amount']} to {data['to_account_id']} of {amount} to {to}")
        self._give_back(row, parts, row.recorded_at)
        self._exchange(to, amount)

    def _send_back(self, row: Row, data: Data) -> None:
        parts = self.received[data["from_account_id"], data["transfer_id"]]
        if [(part["grant_id"], part["amount"]) for part in data["draws"]] != parts:
            self._complain(row, f"sends back {data['draws']} of {parts}")
        for grant_id, part in parts:
            if part > self.grants[grant_id].free:
                self._complain(row, f"sends back {part} of {grant_id}, which has {self.grants[grant_id].free}")
            self._change(grant_id, -part)
        self._exchange(data["from_account_id"], -data["amount"])

    def _exchange(self, other: str, credits: int) -> None:
        self.exchanged[other] = self.exchanged.get(other, 0) + credits

    def _deduct(self, row: Row, data: Data) -> None:
        self.deductions[data["deduction_id"]] = self._burn(row, data["draws"], data["amount"])[::-1]
        self._owe(row, data)
        usage, counts = data.get("usage", {}), data.get("counts", [])
        own = Part(row.version, counts, data["amount"], quantity_of(usage))
        self._count(row, usage, own.credits, own.quantity)
        self.counted[data["deduction_id"]] = [self._uncounted(row), own]

    def _meter(self, row: Row, data: Data) -> None:
        if data["quantity"] <= 0 or data["metric"] != data["usage"]["metric"]:
            self._complain(row, f"meters {data['quantity']} of {data['metric']}")
        self._count(row, data["usage"], 0, data["quantity"])

    def _set_limits(self, row: Row, data: Data) -> None:
        self.counters.replace(data, row.version, row.recorded_at)

    def _allow(self, row: Row, data: Data) -> None:
        self.counters.allow(data)

    def _count(self, row: Row, usage: Data, credits: int, quantity: int, back: list[Part] | None = None) -> None:
        """Check the counters that a use moves, and those that get something back, and move them."""
        stated = row.data.get("counts", [])
        wanted = self.counters.use(usage, credits, quantity, row.recorded_at, stated)
        self.counters.take(wanted + self.counters.give_back(back or [], row.recorded_at), stated)

    def _uncounted(self, row: Row) -> Part:
        """What was uncollected, which comes back first: no limit has counted it."""
        return Part(row.version, [], row.data.get("uncollected", 0), 0)

    def _owe(self, row: Row, data: Data) -> None:
        """What is uncollected was not there. Of a frozen account nothing is but what was held."""
        self.owed[data["deduction_id"]] = owed = data.get("uncollected", 0)
        if owed and self.free and self.standing != "frozen":
            self._complain(row, f"leaves {owed} uncollected, and there are credits")
        if not owed and not data["amount"]:
            self._complain(row, "takes nothing")

    def _place(self, row: Row, data: Data) -> None:
        parts = self._burn(row, data["draws"], data["amount"])
        self._hold_back(parts, 1)
        usage, counts = data.get("usage", {}), data.get("counts", [])
        self._count(row, usage, data["amount"], quantity_of(usage))
        expires_at = moment(data["expires_at"])
        self.holds[data["hold_id"]] = Hold(parts, expires_at, row.version, counts, quantity_of(usage))

    def _extend(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"])
        if moment(data["expires_at"]) < hold.expires_at:
            self._complain(row, f"makes {data['hold_id']} end earlier")
        hold.expires_at = moment(data["expires_at"])

    def _capture(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"])
        spent = [(part["grant_id"], part["amount"]) for part in data["from_hold"]]
        rest = without(hold.parts, spent)
        if rest is None:
            raise ValueError(f"it captures {spent} of {hold.parts}")
        excess = data["amount"] - sum(part for _, part in spent)
        if excess and rest:
            self._complain(row, f"takes {excess} from lots while {rest} is held")
        more = self._burn(row, data["from_lots"], excess)
        self._hold_back(spent, -1)
        hold.parts = rest
        self._count_capture(row, data, hold, excess)
        if data["final"]:
            self._hold_back(rest, -1)
            self._give_back(row, rest, row.recorded_at)
            self._end(data["hold_id"])
        elif not rest:
            self._complain(row, f"leaves {data['hold_id']} open with nothing held")
        self.deductions[data["deduction_id"]] = (spent + more)[::-1]
        self._owe(row, data)

    def _count_capture(self, row: Row, data: Data, hold: Hold, excess: int) -> None:
        """What was held was counted when it was placed. What is over it counts now; what is left of it goes back."""
        usage = data.get("usage", {})
        quantity = quantity_of(usage)
        of_hold = min(quantity, hold.quantity)
        hold.quantity -= of_hold
        own = Part(row.version, data.get("counts", []), excess, quantity - of_hold)
        captured = Part(hold.version, hold.counts, data["amount"] - excess, of_hold)
        self._count(row, usage, own.credits, own.quantity, [hold.left] if data["final"] else None)
        self.counted[data["deduction_id"]] = [self._uncounted(row), own, captured]

    def _release(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"])
        self._hold_back(hold.parts, -1)
        self._give_back(row, hold.parts, row.recorded_at)
        self._count(row, {}, 0, 0, [hold.left])
        self._end(data["hold_id"])

    def _expire_hold(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"], expiring=True)
        at = moment(data["effective_at"])
        if at != hold.expires_at or at > row.recorded_at:
            self._complain(row, f"lapses early: {data['hold_id']} ends at {hold.expires_at}")
        self._hold_back(hold.parts, -1)
        self._give_back(row, hold.parts, at)
        self._count(row, {}, 0, 0, [hold.left])
        self._end(data["hold_id"])

    def _reverse(self, row: Row, data: Data) -> None:
        left = self.deductions[data["deduction_id"]]
        back, rest = split(left, data["amount"])
        owed, waived = self.owed.get(data["deduction_id"], 0), data.get("waived", 0)
        if waived > owed or (data["amount"] and waived < owed):
            self._complain(row, f"waives {waived} of {owed}")
        self.owed[data["deduction_id"]] = owed - waived
        if data["amount"] + waived <= 0 or sum(part for _, part in back) != data["amount"]:
            raise ValueError(f"it reverses {data['amount']} of {sum(part for _, part in left)}")
        self.deductions[data["deduction_id"]] = rest
        self._give_back(row, back, row.recorded_at)
        before = self.gone.get(data["deduction_id"], 0)
        self.gone[data["deduction_id"]] = before + data["amount"] + waived
        parts = reversed_parts(self.counted[data["deduction_id"]], before, data["amount"] + waived)
        self._count(row, {}, 0, 0, parts)

    def _void(self, row: Row, data: Data) -> None:
        grant, coming = self.grants[data["grant_id"]], data.get("coming", False)
        if coming != (grant.coming > 0):
            self._complain(row, f"voids {grant.coming} that are coming, or does not say so")
        there = grant.coming if coming else grant.free
        if not 0 <= data["amount"] <= there:
            self._complain(row, f"voids {data['amount']} of {there}")
        due = self._next_due()
        if due is not None and (data["amount"], data["uncollected"], data["closed"]) != collected(due, there):
            voids = data["amount"] + data["uncollected"]
            self._complain(row, f"voids {voids} of {data['grant_id']}, and {due.amount} had to go")
        if (data["closed"] or data["uncollected"]) and data["amount"] != there:
            self._complain(row, f"voids {data['amount']} and leaves {there - data['amount']}")
        if coming:
            grant.coming -= data["amount"]
        else:
            self._change(data["grant_id"], -data["amount"])
        grant.closed = grant.closed or data["closed"]

    def _lapse(self, row: Row, data: Data) -> None:
        grant, at = self.grants[data["grant_id"]], moment(data["effective_at"])
        if at != grant.expires_at or at > row.recorded_at:
            self._complain(row, f"lapses early: {data['grant_id']} ends at {grant.expires_at}")
        if not data["amount"] or data["amount"] != grant.free:
            self._complain(row, f"lets {data['amount']} lapse of {grant.free}")
        self._change(data["grant_id"], -data["amount"])
        grant.lost += data["amount"]

    def _change_expiry(self, row: Row, data: Data) -> None:
        grant, end = self.grants[data["grant_id"]], data.get("expires_at")
        if grant.closed or ((grant.lapsed(row.recorded_at) or data["reinstated"]) and data["reinstated"] != grant.lost):
            self._complain(row, f"reinstates {data['reinstated']} of {grant.lost}")
        grant.expires_at = moment(end) if end else None
        if grant.coming and grant.starts_at and grant.expires_at and grant.expires_at <= grant.starts_at:
            self._complain(row, f"lets credits expire at {end}, before they start")
        if (end is None) != (grant.kind == "permanent") or grant.lapsed(row.recorded_at):
            self._complain(row, f"lets {grant.kind} credits expire at {end}")
        grant.lost -= data["reinstated"]
        self._change(data["grant_id"], data["reinstated"])

    def _pay(self, row: Row, data: Data) -> None:
        name, before = (data["provider"], data["payment_id"]), None
        if (before := self.payments.get(name)) and (before.status, data["status"]) != ("failed", "paid"):
            self._complain(row, f"records {data['payment_id']} once more")
        bought = data.get("grant_ids", [data["grant_id"]] if "grant_id" in data else [])
        if bought and (data["status"] != "paid" or ("grant_ids" in data and len(bought) < 2)):
            self._complain(row, f"buys {bought} and is {data['status']}")
        self.payments[name] = Payment(data["status"], data["amount_minor"], bought)
        self.due = [Due("CreditsGranted", grant_id) for grant_id in bought]

    def _refund(self, row: Row, data: Data) -> None:
        named = [name for name in self.payments if name[1] == data["payment_id"]]
        if "provider" in data:  # an old refund has none: its payment was the only one with that id
            named = [(data["provider"], data["payment_id"])]
        payment = self.payments[named[0]]
        if data["refund_id"] in payment.refunds:
            self._complain(row, f"records {data['refund_id']} once more")
        before = sum(payment.refunds.values()) + payment.lost
        payment.refunds[data["refund_id"]] = data["amount_minor"]
        total = before + data["amount_minor"]
        refunded = sum(payment.refunds.values())
        if payment.status != "paid" or total > payment.money or refunded != data["refunded_minor"]:
            self._complain(row, f"refunds {refunded} of {payment.money}")
            return
        self._take_back(payment, before, total, {})

    def _take_back(self, payment: Payment, before: int, total: int, cancelled: dict[str, int]) -> None:
        """The voids that are due when `total` of the money is gone, and `before` was; some credits are cancelled."""
        amounts = [self.grants[name].granted for name in payment.bought]
        if not amounts:
            return
        pairs = zip(shares(amounts, before, payment.money), shares(amounts, total, payment.money), strict=True)
        closes = total == payment.money
        dues = [
            Due("GrantVoided", name, max(now - already - cancelled.get(name, 0), 0), closes)
            for name, (already, now) in zip(payment.bought, pairs, strict=True)
        ]
        self.due = [due for due in dues if due.amount or closes]

    def _next_due(self) -> Due | None:
        """What had to come just now, if anything."""
        return self.due.pop(0) if self.due else None

    def _dispute(self, row: Row, data: Data) -> None:
        payment, state = self.payments[data["provider"], data["payment_id"]], data["state"]
        known, changed = payment.disputes.get(data["dispute_id"]), "changed_by" in data
        again = known is not None and (known.state != "open" or (state == "open") != changed)
        if again or (known is None and changed):
            self._complain(row, f"makes a dispute {state} that was {known.state if known else 'not there'}")
        before = sum(payment.refunds.values()) + payment.lost
        dispute = payment.disputes.setdefault(data["dispute_id"], Dispute(state, 0))
        dispute.state, dispute.money = state, data["amount_minor"]
        gone = sum(payment.refunds.values()) + payment.lost
        if payment.status != "paid" or gone > payment.money:
            self._complain(row, f"loses {payment.lost} of {payment.money}")
        for part in data["draws"]:
            grant_id, amount = part["grant_id"], part["amount"]
            if grant_id not in payment.bought or amount > self.grants[grant_id].free:
                self._complain(row, f"holds {amount} of {grant_id}, which has {self.grants[grant_id].free}")
            self._change(grant_id, -amount)
            self._hold_back([(grant_id, amount)], 1)
            dispute.held[grant_id] = dispute.held.get(grant_id, 0) + amount
        for part in data["returns"]:
            self._come_back(row, dispute, part)
        if state != "open" and any(dispute.held.values()):
            self._complain(row, f"ends and still holds {dispute.held}")
        if state == "lost":
            parts = [part for part in data["returns"] if part["fate"] == "cancelled"]
            cancelled = {part["grant_id"]: part["amount"] for part in parts}
            self._take_back(payment, before, gone, cancelled)

    def _come_back(self, row: Row, dispute: Dispute, part: Data) -> None:
        grant_id, amount, fate = part["grant_id"], part["amount"], part["fate"]
        grant = self.grants[grant_id]
        wanted = "cancelled" if grant.closed else "lapsed" if grant.lapsed(row.recorded_at) else "returned"
        if fate != wanted and not (fate == "cancelled" and dispute.state == "lost"):
            self._complain(row, f"gives back {amount} of {grant_id} as {fate}, and it had to be {wanted}")
        dispute.held[grant_id] -= amount
        if dispute.held[grant_id] < 0:
            self._complain(row, f"gives back more of {grant_id} than it held")
        self._hold_back([(grant_id, amount)], -1)
        if fate == "returned":
            self._change(grant_id, amount)
        elif fate == "lapsed":
            grant.lost += amount


FOLDS = {
    "AccountFrozen": Book._freeze,
    "AccountUnfrozen": Book._unfreeze,
    "AccountClosed": Book._close,
    "AccountReopened": Book._reopen,
    "CreditsGranted": Book._grant,
    "GrantStarted": Book._start,
    "CreditsDeducted": Book._deduct,
    "CreditsHeld": Book._place,
    "HoldExtended": Book._extend,
    "HoldCaptured": Book._capture,
    "HoldReleased": Book._release,
    "HoldExpired": Book._expire_hold,
    "DeductionReversed": Book._reverse,
    "GrantVoided": Book._void,
    "CreditsSent": Book._send,
    "CreditsReceived": Book._receive,
    "TransferReversed": Book._reverse_transfer,
    "CreditsSentBack": Book._send_back,
    "CreditsExpired": Book._lapse,
    "GrantExpiryChanged": Book._change_expiry,
    "LimitsSet": Book._set_limits,
    "AllowanceSet": Book._allow,
    "UsageMetered": Book._meter,
    "PaymentRecorded": Book._pay,
    "PaymentRefunded": Book._refund,
    "DisputeRecorded": Book._dispute,
}
