"""One account folded again from what is stored, as plainly as can be, with a complaint for whatever is not right.

It shares no code with the ledger: events are dictionaries, credits are counted grant by grant, and whatever an event
says about draws, returns and balances is worked out once more before it is believed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.survival.log import Row

Data = dict[str, Any]
Parts = list[tuple[str, int]]
"""Credits by grant, in an order that matters."""

EXPIRIES = {"CreditsExpired", "HoldExpired", "GrantStarted"}
SPENDING = {"CreditsDeducted", "CreditsHeld", "HoldExtended", "CreditsSent"}
AFTER_CLOSING = EXPIRIES | {"DeductionReversed", "HoldReleased", "GrantVoided", "PaymentRefunded", "AccountReopened"}
AFTER_CLOSING |= {"TransferReversed", "CreditsSentBack"}


@dataclass(slots=True)
class Grant:
    """One grant; `free` is what is neither spent, held, lapsed nor cancelled."""

    number: int
    kind: str
    expires_at: datetime | None
    free: int
    closed: bool = False
    lost: int = 0
    """What lapsed of it and was not reinstated."""
    starts_at: datetime | None = None
    coming: int = 0

    def lapsed(self, at: datetime) -> bool:
        """Whether its time has passed: a lot is spendable while now < expires_at."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(slots=True)
class Hold:
    """One open hold."""

    parts: Parts
    expires_at: datetime


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
    payments: dict[tuple[str, str], tuple[int, dict[str, int]]] = field(default_factory=dict)
    """The money of each, and its refunds, by provider and id."""
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
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
        if row.topic not in EXPIRIES:
            self._check_nothing_is_due(row)
        try:
            if (fold := _FOLDS.get(row.topic)) is not None:  # else it moves no credits
                fold(self, row, row.data)
        except (KeyError, ValueError) as error:
            self._complain(row, f"cannot be: {error}")
            return
        self._check_balance(row)

    def _complain(self, row: Row, what: str) -> None:
        self.complaints.append(f"{row.name} {what}")

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
        told = said["subscription_credits"], said["permanent_credits"], said["held"], end and _time(end)
        if told != figures:
            self._complain(row, f"says the balance {_balance(told)}, and the events make {_balance(figures)}")
        if min(figures[:3]) < 0:
            self._complain(row, f"leaves a negative balance: {_balance(figures)}")

    # Moving credits --------------------------------------------------------------------------------------------------

    def _burn(self, row: Row, draws: list[Data], amount: int) -> Parts:
        """Check draws from the lots against the burn order, and make them."""
        lots = sorted(self.free.items(), key=lambda item: _burn_order(item[1]))
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
        expires_at = _time(data["expires_at"]) if "expires_at" in data else None
        if expires_at is not None and (data["kind"] == "permanent" or expires_at <= row.recorded_at):
            self._complain(row, f"expires at {expires_at}")
        if data["amount"] <= 0 or data["grant_id"] != f"grt_{row.version}":
            self._complain(row, f"grants {data['amount']} as {data['grant_id']}")
        grant = self.grants[data["grant_id"]] = Grant(row.version, data["kind"], expires_at, 0)
        if "effective_at" not in data:
            self._change(data["grant_id"], data["amount"])
            return
        grant.starts_at, grant.coming = _time(data["effective_at"]), data["amount"]
        if grant.starts_at <= row.recorded_at or (expires_at is not None and expires_at <= grant.starts_at):
            self._complain(row, f"starts at {grant.starts_at} and expires at {expires_at}")

    def _start(self, row: Row, data: Data) -> None:
        grant, at = self.grants[data["grant_id"]], _time(data["effective_at"])
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
        self.holds[data["hold_id"]] = Hold(parts, _time(data["expires_at"]))

    def _extend(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"])
        if _time(data["expires_at"]) < hold.expires_at:
            self._complain(row, f"makes {data['hold_id']} end earlier")
        hold.expires_at = _time(data["expires_at"])

    def _capture(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"])
        spent = [(part["grant_id"], part["amount"]) for part in data["from_hold"]]
        rest = _without(hold.parts, spent)
        if rest is None:
            raise ValueError(f"it captures {spent} of {hold.parts}")
        excess = data["amount"] - sum(part for _, part in spent)
        if excess and rest:
            self._complain(row, f"takes {excess} from lots while {rest} is held")
        more = self._burn(row, data["from_lots"], excess)
        self._hold_back(spent, -1)
        hold.parts = rest
        if data["final"]:
            self._hold_back(rest, -1)
            self._give_back(row, rest, row.recorded_at)
            self._end(data["hold_id"])
        elif not rest:
            self._complain(row, f"leaves {data['hold_id']} open with nothing held")
        self.deductions[data["deduction_id"]] = (spent + more)[::-1]
        self._owe(row, data)

    def _release(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"])
        self._hold_back(hold.parts, -1)
        self._give_back(row, hold.parts, row.recorded_at)
        self._end(data["hold_id"])

    def _expire_hold(self, row: Row, data: Data) -> None:
        hold = self._open_hold(row, data["hold_id"], expiring=True)
        at = _time(data["effective_at"])
        if at != hold.expires_at or at > row.recorded_at:
            self._complain(row, f"lapses early: {data['hold_id']} ends at {hold.expires_at}")
        self._hold_back(hold.parts, -1)
        self._give_back(row, hold.parts, at)
        self._end(data["hold_id"])

    def _reverse(self, row: Row, data: Data) -> None:
        left = self.deductions[data["deduction_id"]]
        back, rest = _split(left, data["amount"])
        owed, waived = self.owed.get(data["deduction_id"], 0), data.get("waived", 0)
        if waived > owed or (data["amount"] and waived < owed):
            self._complain(row, f"waives {waived} of {owed}")
        self.owed[data["deduction_id"]] = owed - waived
        if data["amount"] + waived <= 0 or sum(part for _, part in back) != data["amount"]:
            raise ValueError(f"it reverses {data['amount']} of {sum(part for _, part in left)}")
        self.deductions[data["deduction_id"]] = rest
        self._give_back(row, back, row.recorded_at)

    def _void(self, row: Row, data: Data) -> None:
        grant, coming = self.grants[data["grant_id"]], data.get("coming", False)
        if coming != (grant.coming > 0):
            self._complain(row, f"voids {grant.coming} that are coming, or does not say so")
        there = grant.coming if coming else grant.free
        if not 0 <= data["amount"] <= there:
            self._complain(row, f"voids {data['amount']} of {there}")
        if (data["closed"] or data["uncollected"]) and data["amount"] != there:
            self._complain(row, f"voids {data['amount']} and leaves {there - data['amount']}")
        if coming:
            grant.coming -= data["amount"]
        else:
            self._change(data["grant_id"], -data["amount"])
        grant.closed = grant.closed or data["closed"]

    def _lapse(self, row: Row, data: Data) -> None:
        grant, at = self.grants[data["grant_id"]], _time(data["effective_at"])
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
        grant.expires_at = _time(end) if end else None
        if (end is None) != (grant.kind == "permanent") or grant.lapsed(row.recorded_at):
            self._complain(row, f"lets {grant.kind} credits expire at {end}")
        grant.lost -= data["reinstated"]
        self._change(data["grant_id"], data["reinstated"])

    def _pay(self, row: Row, data: Data) -> None:
        name = data["provider"], data["payment_id"]
        if name in self.payments and (self.statuses[name] != "failed" or data["status"] != "paid"):
            self._complain(row, f"records {data['payment_id']} once more")
        self.payments[name], self.statuses[name] = (data["amount_minor"], {}), data["status"]

    def _refund(self, row: Row, data: Data) -> None:
        named = [name for name in self.payments if name[1] == data["payment_id"]]
        if "provider" in data:  # an old refund has none: its payment was the only one with that id
            named = [(data["provider"], data["payment_id"])]
        money, refunds = self.payments[named[0]]
        if data["refund_id"] in refunds:
            self._complain(row, f"records {data['refund_id']} once more")
        refunds[data["refund_id"]] = data["amount_minor"]
        if sum(refunds.values()) > money or sum(refunds.values()) != data["refunded_minor"]:
            self._complain(row, f"refunds {sum(refunds.values())} of {money}")


def _burn_order(grant: Grant) -> tuple[bool, bool, float, int]:
    """Subscription before permanent, the earliest end first and no end last, then the oldest."""
    end = grant.expires_at
    return grant.kind == "permanent", end is None, end.timestamp() if end else 0.0, grant.number


def _split(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """The first `amount` credits of `parts`, and the rest."""
    first, rest = [], []
    for grant_id, part in parts:
        taken = min(part, amount)
        amount -= taken
        if taken:
            first.append((grant_id, taken))
        if part > taken:
            rest.append((grant_id, part - taken))
    return first, rest


def _without(parts: Parts, taken: Parts) -> Parts | None:
    """What is left of `parts` when `taken`, their first credits, are gone; None when these are not their first."""
    first, rest = _split(parts, sum(part for _, part in taken))
    return rest if first == taken else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _balance(figures: tuple[Any, ...]) -> str:
    subscription, permanent, held, end = figures
    return f"{subscription} + {permanent}, {held} held, until {end}"


_FOLDS = {
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
    "PaymentRecorded": Book._pay,
    "PaymentRefunded": Book._refund,
}
