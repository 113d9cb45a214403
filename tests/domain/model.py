"""The whole product once more, as plainly as it can be said. Written from the design alone.

It shares no code with the ledger: the commands come in as they are, and everything else is dictionaries, lists and
loops. Nothing is ever thrown away, nothing is derived in advance, nothing is fast. A command is carried out on a
copy, so that one that is refused has done nothing. Wherever the ledger and this page disagree, one of them is wrong.
"""

import pickle
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from ledger.domain import commands as c
from ledger.domain.pricing.price import NoPrice, Priced
from tests.domain.counting_model import Counting, Piece, Refused, quantity_in

LARGEST = 9_007_199_254_740_991
MOST_LOTS = 10_000
MOST_COMING = 366
LATEST_START = timedelta(days=36_500)
MOST_HOLDS = 10_000
MOST_DRAWS = 1_000
MOST_LABELS = 16
MOST_DISPUTES = 100

Answer = dict[str, Any]


@dataclass
class Grant:
    """One grant, for ever: `free` is what is neither spent, held, lapsed nor cancelled."""

    grant_id: str
    number: int
    kind: str
    amount: int
    expires_at: datetime | None
    free: int
    closed: bool = False
    lapsed: int = 0
    effective_at: datetime | None = None
    coming: int = 0
    """What is left of it before it starts; from then on that is free."""


@dataclass
class Part:
    """Credits of one grant."""

    grant_id: str
    amount: int


@dataclass
class Hold:
    """One hold, for ever: the parts that are still held, and how it ended."""

    hold_id: str
    parts: list[Part]
    expires_at: datetime
    placed_at: datetime
    usage: dict[str, Any] | None
    counted: Piece
    ended: str | None = None


@dataclass
class Dispute:
    """One dispute, for ever: its money, and what it holds, also of grants that have not started."""

    state: str
    money: int
    hold_id: str | None = None
    parts: list[Part] = field(default_factory=list)
    later: dict[str, int] = field(default_factory=dict)


@dataclass
class Payment:
    """One payment, for ever."""

    status: str
    amount_minor: int
    grant_ids: list[str]
    refunds: dict[str, int] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)

    @property
    def gone(self) -> int:
        """The money that went back."""
        return sum(self.refunds.values()) + sum(one.money for one in self.disputes.values() if one.state == "lost")

    @property
    def open_disputes(self) -> list[tuple[str, Dispute]]:
        """Those that hold something, the oldest first."""
        found = [pair for pair in self.disputes.items() if pair[1].state == "open" and pair[1].hold_id]
        return sorted(found, key=lambda pair: int((pair[1].hold_id or "")[4:]))


@dataclass
class Given:
    """What became of credits that came back."""

    returned: int = 0
    lapsed: int = 0
    cancelled: int = 0


def _check_price(price: Priced | None) -> None:
    """A price that is none, or nothing, is refused; the amount of any other is what the command asks for."""
    if isinstance(price, NoPrice):
        said: dict[str, object] = {"why": price.why, "price_book": price.book, "fields": list(price.fields)}
        raise Refused("price_not_found", price_of="usage", **said)
    if price is not None and price.credits == 0:
        raise Refused("validation_failed")


class Model:
    """One account."""

    def __init__(self) -> None:
        self.exists = False
        self.standing = "active"
        self.version = 0
        self.recorded_at: datetime | None = None
        self.grants: dict[str, Grant] = {}
        self.holds: dict[str, Hold] = {}
        self.deductions: dict[str, list[Part]] = {}  # the parts that are not reversed, in the order of the draws
        self.counted: dict[str, list[Piece]] = {}  # of each deduction, in the order in which it would be given back
        self.amounts: dict[str, Piece] = {}  # of each deduction, all that was counted
        self.counting = Counting()
        self.owed: dict[str, int] = {}  # what deductions could not collect and nobody waived
        self.payments: dict[tuple[str, str], Payment] = {}
        self.sent: dict[str, tuple[str, list[Part]]] = {}  # whom to, and the parts in the order of the draws
        self.reversed: set[str] = set()  # the transfers that came back
        self.received: dict[tuple[str, str], list[Part]] = {}  # by sender and transfer: the lots that it brought
        self.successor: str | None = None
        self.labels: dict[str, str] = {}
        self.elsewhere: set[tuple[str, str]] = set()  # the payments that other accounts have
        self.passed: list[tuple[object, ...]] = []  # what time took before the command

    # Asking -------------------------------------------------------------------------------------------------------

    def ask(self, command: c.Command, now: datetime) -> Answer | Refused:
        """What the product answers; when it is no refusal, the command has been carried out."""
        after = self._copy()
        try:
            answer = after._carry_out(command, now)
        except Refused as refused:
            return refused
        self.__dict__ = after.__dict__
        return answer

    def balance(self, at: datetime) -> Answer:
        """The balance at a moment that is not before the last event, when nothing happens until then."""
        after = self._copy()
        after._let_time_pass(at)
        return after._balance()

    def lots(self) -> list[tuple[str, int]]:
        """What is free, grant by grant, in the order in which it would be spent."""
        after, order = self._copy(), []
        while (grant := after._next_to_burn()) is not None:
            order.append((grant.grant_id, grant.free))
            grant.free = 0
        return order

    def _copy(self) -> "Model":
        copied: Model = pickle.loads(pickle.dumps(self))
        return copied

    # The order of the refusals: the account, its standing, the thing named, the amount, the limits. -----------------

    def _carry_out(self, command: c.Command, now: datetime) -> Answer:
        if isinstance(command, c.OpenAccount):
            return self._open(command, now)
        if not self.exists or self.recorded_at is None:
            raise Refused("account_not_found")
        self._check_standing(command)
        at = max(now, self.recorded_at)
        self.passed = []
        self._let_time_pass(at)
        did = self._do(command, at)
        if did or self.passed:
            self.recorded_at = at
        return {"passed": sorted(self.passed, key=repr), **did, **self._after()}

    def _check_standing(self, command: c.Command) -> None:
        giving_back = c.ReverseDeduction | c.ReleaseHold | c.VoidGrant | c.RefundPayment | c.RecordDispute
        aside = c.ReopenAccount | c.EraseTexts | c.RecordExpiries | c.ReverseTransfer | c.SendBack
        bare = isinstance(command, c.RecordPayment) and not command.grants
        again = isinstance(command, c.MergeAccount) and command.successor == self.successor
        if self.standing == "closed" and not (bare or again or isinstance(command, giving_back | aside)):
            raise Refused("account_closed", **({"successor": self.successor} if self.successor else {}))
        spending = (
            c.DeductCredits | c.PlaceHold | c.ExtendHold | c.ReopenAccount | c.Meter | c.SendCredits | c.MergeAccount
        )
        refused = isinstance(command, c.CaptureHold) and command.if_frozen == "refuse"
        if self.standing == "frozen" and (refused or isinstance(command, spending)):
            raise Refused("account_frozen")

    def _do(self, command: c.Command, at: datetime) -> Answer:
        match command:
            case c.GrantCredits():
                return self._grant(command, at)
            case c.DeductCredits():
                return self._deduct(command, at)
            case c.PlaceHold():
                return self._hold(command, at)
            case c.ExtendHold():
                return self._extend(command, at)
            case c.CaptureHold():
                return self._capture(command, at)
            case c.ReleaseHold():
                return self._release(command, at)
            case c.ReverseDeduction():
                return self._reverse(command, at)
            case c.VoidGrant():
                return self._void(command)
            case c.RecordPayment():
                return self._pay(command, at)
            case c.RefundPayment():
                return self._refund(command, at)
            case c.RecordDispute():
                return self._dispute(command, at)
            case c.RecordSubscription():
                return self._word(command)
            case c.SendCredits():
                return self._send(command.to_account_id, command.amount)
            case c.MergeAccount():
                return self._merge(command)
            case c.ReceiveCredits():
                return self._receive(command)
            case c.ReverseTransfer():
                return self._reverse_transfer(command, at)
            case c.SendBack():
                return self._send_back(command)
            case c.UpdateAccount():
                return self._update(command)
            case c.ChangeGrantExpiry():
                return self._change_expiry(command, at)
            case c.FreezeAccount():
                return self._stand("frozen")
            case c.UnfreezeAccount():
                return self._stand("active")
            case c.CloseAccount():
                return self._stand("closed")
            case c.ReopenAccount():
                return self._stand("active")
            case c.EraseTexts():
                self._next_version()
                return {"texts": "erased"}
            case c.SetLimits():
                answer = self.counting.replace(command, at)
                self._next_version()
                return answer
            case c.SetAllowance():
                answer = self.counting.allow(command)
                self._next_version()
                return answer
            case c.Meter():
                return self._meter(command, at)
            case _:
                return {}

    # Time ---------------------------------------------------------------------------------------------------------

    def _let_time_pass(self, to: datetime) -> None:
        while True:
            moments = [hold.expires_at for hold in self.holds.values() if not hold.ended]
            moments += [g.expires_at for g in self.grants.values() if g.free and g.expires_at]
            moments += [g.effective_at for g in self.grants.values() if g.coming and g.effective_at]
            moment = min(moments, default=None)
            if moment is None or moment > to:
                return
            for hold in self.holds.values():
                if not hold.ended and hold.expires_at == moment:
                    self._expire_hold(hold, moment, to)
            for grant in self.grants.values():
                if grant.free and grant.expires_at == moment:
                    self._next_version()
                    self.passed.append(("lot lapsed", grant.grant_id, moment, grant.free))
                    grant.lapsed += grant.free
                    grant.free = 0
            for grant in self.grants.values():
                if grant.coming and grant.effective_at == moment:
                    self._next_version()
                    self.passed.append(("grant started", grant.grant_id, moment, grant.coming))
                    grant.free, grant.coming = grant.coming, 0
                    self._hold_what_started(grant)

    def _expire_hold(self, hold: Hold, moment: datetime, to: datetime) -> None:
        self._next_version()
        given = self._give_back(hold.parts, moment)
        hold.parts, hold.ended = [], "expired"
        counts = self.counting.give_back([hold.counted], to)
        self.passed.append(("hold expired", hold.hold_id, moment, given, counts))

    # Credits in ---------------------------------------------------------------------------------------------------

    def _open(self, command: c.OpenAccount, now: datetime) -> Answer:
        if self.exists:
            raise Refused("account_closed" if self.standing == "closed" else "account_exists_with_different_body")
        self.exists = True
        self.recorded_at = now
        labels = self._relabel(command.labels)
        self._next_version()
        if not command.signup_credits:
            return {"passed": [], "opened": command.account_id, "labels": labels, **self._after()}
        granted = self._new_grant("permanent", command.signup_credits, None, "signup")
        return {"passed": [], "opened": command.account_id, "labels": labels, **granted, **self._after()}

    def _grant(self, command: c.GrantCredits, at: datetime, payment_id: str | None = None) -> Answer:
        expires_at, start = None, command.effective_at
        if start is not None and not at < start <= at + LATEST_START:
            raise Refused("validation_failed")
        if command.kind == "subscription":
            expires_at = command.expires_at
            if expires_at is None and command.lifetime is not None:
                expires_at = (start or at) + command.lifetime
            if expires_at is not None and expires_at <= (start or at):
                raise Refused("validation_failed")
        self._check_room(command.amount)
        if start is not None and len([g for g in self.grants.values() if g.coming]) >= MOST_COMING:
            raise Refused("coming_grants_limit_exceeded", limit=MOST_COMING)
        if len([g for g in self.grants.values() if g.free or g.coming]) >= MOST_LOTS:
            raise Refused("open_lots_limit_exceeded", limit=MOST_LOTS)
        usual = "subscription"
        if command.kind == "permanent":
            usual = "topup" if payment_id else "adjustment"
        return self._new_grant(command.kind, command.amount, expires_at, command.source or usual, start)

    def _new_grant(
        self, kind: str, amount: int, expires_at: datetime | None, source: str, start: datetime | None = None
    ) -> Answer:
        number = self._next_version()
        grant = Grant(f"grt_{number}", number, kind, amount, expires_at, free=0 if start else amount)
        grant.effective_at, grant.coming = start, amount if start else 0
        self.grants[grant.grant_id] = grant
        granted = {
            "grant_id": grant.grant_id,
            "granted": amount,
            "kind": kind,
            "expires_at": expires_at,
            "effective_at": start,
            "source": source,
        }
        return {"grants": [granted]}

    def _check_room(self, amount: int) -> None:
        total, coming = self._balance()["total"], sum(grant.coming for grant in self.grants.values())
        if total + coming + amount > LARGEST:
            facts = {"coming": coming} if coming else {}
            raise Refused("balance_limit_exceeded", total=total, amount=amount, limit=LARGEST, **facts)

    # Credits out --------------------------------------------------------------------------------------------------

    def _next_to_burn(self) -> Grant | None:
        for kind in ("subscription", "permanent"):
            best = None
            for grant in self.grants.values():
                if grant.kind != kind or not grant.free:
                    continue
                if best is None or self._burns_before(grant, best):
                    best = grant
            if best is not None:
                return best
        return None

    def _burns_before(self, one: Grant, other: Grant) -> bool:
        if one.expires_at == other.expires_at:
            return one.number < other.number
        if one.expires_at is None:
            return False
        return other.expires_at is None or one.expires_at < other.expires_at

    def _draw(self, amount: int, *, required: int, covered: int = 0) -> list[Part]:
        available = sum(grant.free for grant in self.grants.values())
        if amount > available:
            missing = amount - available
            raise Refused(
                "insufficient_credits",
                required=required,
                available=available + covered,
                shortfall=missing,
            )
        parts = []
        while amount:
            grant = self._next_to_burn()
            assert grant is not None
            size = min(grant.free, amount)
            grant.free -= size
            amount -= size
            parts.append(Part(grant.grant_id, size))
        return parts

    def _check_draws(self, parts: list[Part]) -> None:
        if len(parts) > MOST_DRAWS:
            raise Refused("draws_limit_exceeded", limit=MOST_DRAWS)

    def _check_occurred(self, command: c.DeductCredits | c.CaptureHold | c.Meter, at: datetime) -> None:
        """Usage may be recorded late, and clocks of callers may be five minutes ahead."""
        if command.occurred_at is None:
            return
        earliest, latest = at - command.back_dating, at + timedelta(minutes=5)
        if command.occurred_at < earliest or command.occurred_at > latest:
            when = {"occurred_at": command.occurred_at, "earliest": earliest, "latest": latest}
            raise Refused("occurred_at_out_of_bounds", **when)

    def _count(self, usage: dict[str, Any], credits: int, quantity: int, at: datetime) -> tuple[list[Any], Piece]:
        """Count a use, unless a limit refuses it. The balance is looked at later, and refuses when it has less room."""
        available = sum(grant.free for grant in self.grants.values())
        counts, places = self.counting.count(usage, credits, quantity, at, available, credits)
        return counts, Piece(places, credits, quantity)

    def _deduct(self, command: c.DeductCredits, at: datetime) -> Answer:
        self._check_occurred(command, at)
        _check_price(command.price)
        usage = dict(command.usage or {})
        missing = 0
        if command.on_shortfall == "available":
            missing = max(command.amount - self._available(), 0)
        counts, piece = self._count(usage, command.amount - missing, quantity_in(usage), at)
        parts = self._draw(command.amount - missing, required=command.amount)
        self._check_draws(parts)
        return {**self._new_deduction(parts, [piece], missing), "counts": counts, "occurred_at": command.occurred_at}

    def _available(self) -> int:
        return sum(grant.free for grant in self.grants.values())

    def _meter(self, command: c.Meter, at: datetime) -> Answer:
        self._check_occurred(command, at)
        counts, _ = self._count(dict(command.usage), 0, command.quantity, at)
        self._next_version()
        return {
            "metric": command.usage["metric"],
            "metered": command.quantity,
            "counts": counts,
            "occurred_at": command.occurred_at,
        }

    def _new_deduction(self, parts: list[Part], counted: list[Piece], missing: int) -> Answer:
        deduction_id = f"ded_{self._next_version()}"
        self.deductions[deduction_id] = parts
        self.owed[deduction_id] = missing
        pieces = [Piece([], missing, 0), *counted]  # no limit counted what was not there
        self.counted[deduction_id] = pieces
        sums = sum(piece.credits for piece in pieces), sum(piece.quantity for piece in pieces)
        self.amounts[deduction_id] = Piece([], *sums)
        by_kind = {"subscription": 0, "permanent": 0}
        for part in parts:
            by_kind[self.grants[part.grant_id].kind] += part.amount
        return {
            "deduction_id": deduction_id,
            "deducted": by_kind["subscription"] + by_kind["permanent"],
            "from_subscription": by_kind["subscription"],
            "from_permanent": by_kind["permanent"],
            "draws": self._said(parts),
            "uncollected": missing,
        }

    def _said(self, parts: list[Part]) -> list[tuple[str, str, int]]:
        return [(part.grant_id, self.grants[part.grant_id].kind, part.amount) for part in parts]

    # Holds --------------------------------------------------------------------------------------------------------

    def _hold(self, command: c.PlaceHold, at: datetime) -> Answer:
        _check_price(command.price)
        usage = dict(command.usage or {})
        counts, piece = self._count(usage, command.amount, quantity_in(usage), at)
        parts = self._draw(command.amount, required=command.amount)
        if len([hold for hold in self.holds.values() if not hold.ended]) >= MOST_HOLDS:
            raise Refused("open_holds_limit_exceeded", limit=MOST_HOLDS)
        self._check_draws(parts)
        said = usage if command.usage is not None else None
        hold = Hold(f"hld_{self._next_version()}", parts, at + command.expires_in, at, said, piece)
        self.holds[hold.hold_id] = hold
        return {
            "hold_id": hold.hold_id,
            "held": command.amount,
            "expires_at": hold.expires_at,
            "draws": self._said(parts),
            "counts": counts,
        }

    def _open_hold(self, hold_id: str) -> Hold:
        for (_, payment_id), payment in self.payments.items():
            for dispute_id, dispute in payment.disputes.items():
                if dispute.hold_id == hold_id:
                    raise Refused("hold_disputed", hold_id=hold_id, payment_id=payment_id, dispute_id=dispute_id)
        hold = self.holds.get(hold_id)
        if hold is None:
            raise Refused("hold_not_found")
        endings = {
            "captured": "hold_already_captured",
            "released": "hold_already_released",
            "expired": "hold_expired",
        }
        if hold.ended:
            raise Refused(endings[hold.ended])
        return hold

    def _extend(self, command: c.ExtendHold, at: datetime) -> Answer:
        hold = self._open_hold(command.hold_id)
        latest = hold.placed_at + command.longest_life
        if at + command.expires_in > hold.expires_at:
            if at + command.expires_in > latest:
                raise Refused("hold_life_exceeded", hold_id=hold.hold_id, expires_at_most=latest)
            hold.expires_at = at + command.expires_in
        self._next_version()
        lapses = sorted(end for part in hold.parts if (end := self.grants[part.grant_id].expires_at) is not None)
        outlived = lapses[0] if lapses and lapses[0] <= hold.expires_at else None
        return {"hold_id": hold.hold_id, "expires_at": hold.expires_at, "lots_expire_at": outlived}

    def _capture(self, command: c.CaptureHold, at: datetime) -> Answer:
        hold = self._open_hold(command.hold_id)
        self._check_occurred(command, at)
        usage, quantity = self._usage_of_capture(hold, dict(command.usage or {}))
        if command.price is not None:
            self._check_said_again(hold, dict(command.usage or {}))
        _check_price(command.price)
        held = sum(part.amount for part in hold.parts)
        wanted = held if command.amount is None else command.amount
        excess, beyond = [], max(quantity - hold.counted.quantity, 0)
        missing = 0
        if wanted > held and command.on_excess == "available":
            there = 0 if self.standing == "frozen" else self._available()
            missing = max(wanted - held - there, 0)
            wanted -= missing
        if wanted > held:
            if command.on_excess == "reject":
                raise Refused("amount_exceeds_hold", amount=wanted, held=held, excess=wanted - held)
            if self.standing == "frozen":
                raise Refused("account_frozen")
        counts, piece = self._count(usage, max(wanted - held, 0), beyond, at)
        if wanted > held:
            excess = self._draw(wanted - held, required=wanted, covered=held)
            self._check_draws(excess)
        spent = self._take_off(hold.parts, min(wanted, held))
        given, of_hold = Given(), hold.counted
        taken = Piece(of_hold.places, min(wanted, held), quantity - beyond)
        of_hold.credits -= taken.credits
        of_hold.quantity -= taken.quantity
        if command.final or not hold.parts:
            given = self._give_back(hold.parts, at)
            hold.parts, hold.ended = [], "captured"
            counts = sorted([*counts, *self.counting.give_back([of_hold], at)], key=lambda one: (one[0], one[1] or ""))
        return {
            "hold_id": hold.hold_id,
            "captured": wanted,
            "given": given,
            "hold_is_over": hold.ended is not None,
            "occurred_at": command.occurred_at,
            **self._new_deduction(spent + excess, [piece, taken], missing),
            "counts": counts,
        }

    def _check_said_again(self, hold: Hold, said: dict[str, Any]) -> None:
        held = hold.usage or {}
        names = [name for name in ("provider", "model", "metric") if name in held]
        missing = [name for name in (*names, *(["quantity"] if "metric" in held else [])) if name not in said]
        if missing:
            raise Refused("validation_failed")

    def _usage_of_capture(self, hold: Hold, said: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """What a capture is for, and how much of its metric."""
        usage = dict(said)
        if hold.usage is not None:
            for name in ("provider", "model", "project", "member", "metric", "key", "agent"):
                if name in hold.usage and usage.setdefault(name, hold.usage[name]) != hold.usage[name]:
                    raise Refused("usage_conflicts_with_hold", field=f"usage.{name}")
            if "metric" in hold.usage and "quantity" not in said:
                return usage, hold.counted.quantity
        return usage, quantity_in(usage)

    def _take_off(self, parts: list[Part], amount: int) -> list[Part]:
        """Take `amount` off the front of `parts`, and return it."""
        taken = []
        while amount:
            size = min(parts[0].amount, amount)
            taken.append(Part(parts[0].grant_id, size))
            parts[0].amount -= size
            amount -= size
            if not parts[0].amount:
                parts.pop(0)
        return taken

    def _release(self, command: c.ReleaseHold, at: datetime) -> Answer:
        hold = self._open_hold(command.hold_id)
        self._next_version()
        given = self._give_back(hold.parts, at)
        hold.parts, hold.ended = [], "released"
        return {"hold_id": hold.hold_id, "given": given, "counts": self.counting.give_back([hold.counted], at)}

    # Credits back -------------------------------------------------------------------------------------------------

    def _give_back(self, parts: list[Part], at: datetime) -> Given:
        given = Given()
        for part in parts:
            grant = self.grants[part.grant_id]
            if grant.closed:
                given.cancelled += part.amount
            elif grant.expires_at is not None and grant.expires_at <= at:
                given.lapsed += part.amount
                grant.lapsed += part.amount
            else:
                given.returned += part.amount
                grant.free += part.amount
        return given

    def _reverse(self, command: c.ReverseDeduction, at: datetime) -> Answer:
        parts = self.deductions.get(command.deduction_id)
        if parts is None:
            raise Refused("deduction_not_found")
        owed = self.owed[command.deduction_id]
        left = sum(part.amount for part in parts) + owed
        wanted = left if command.amount is None else command.amount
        if not left or wanted > left:
            raise Refused("amount_exceeds_deduction", amount=wanted, reversible=left)
        waived = min(owed, wanted)  # what was never paid is waived before what was paid comes back
        self.owed[command.deduction_id] -= waived
        wanted -= waived
        parts.reverse()  # the last draw goes back first
        back = self._take_off(parts, wanted)
        parts.reverse()
        before = self._copy()
        given = self._give_back(back, at)
        before._check_room(given.returned)
        self._next_version()
        return {
            "reversed": wanted,
            "given": given,
            "waived": waived,
            "counts": self._give_counts_back(command.deduction_id, left, waived + wanted, at),
        }

    def _give_counts_back(self, deduction_id: str, left: int, wanted: int, at: datetime) -> list[Any]:
        """Give back what limits counted: credits one by one, and of the quantity the share that is due by then."""
        pieces = self.counted[deduction_id]
        whole = self.amounts[deduction_id]
        units = whole.quantity * (whole.credits - left + wanted) // whole.credits
        units -= whole.quantity * (whole.credits - left) // whole.credits
        back = []
        for piece in pieces:
            part = Piece(piece.places, min(piece.credits, wanted), min(piece.quantity, units))
            wanted, units = wanted - part.credits, units - part.quantity
            piece.credits, piece.quantity = piece.credits - part.credits, piece.quantity - part.quantity
            back.append(part)
        return self.counting.give_back(back, at)

    def _void(self, command: c.VoidGrant) -> Answer:
        grant = self.grants.get(command.grant_id)
        if grant is None:
            raise Refused("grant_not_found")
        if command.amount is None:
            return self._cancel(grant, grant.coming or grant.free, close=True)
        return self._cancel(grant, command.amount, close=False)

    def _cancel(self, grant: Grant, asked: int, *, close: bool) -> Answer:
        coming = grant.coming > 0
        there = grant.coming if coming else grant.free
        cancelled = there if close else min(asked, there)
        if coming:
            grant.coming -= cancelled
        else:
            grant.free -= cancelled
        grant.closed = grant.closed or close
        self._next_version()
        voided = {
            "grant_id": grant.grant_id,
            "voided": cancelled,
            "uncollected": max(asked - cancelled, 0),
            "closed": close,
            "coming": coming,
        }
        return {"voids": [voided]}

    def _change_expiry(self, command: c.ChangeGrantExpiry, at: datetime) -> Answer:
        """Everything else follows: when credits come back, the grant is asked for its expiry."""
        grant = self.grants.get(command.grant_id)
        if grant is None:
            raise Refused("grant_not_found")
        if grant.closed:
            raise Refused("grant_closed", grant_id=grant.grant_id)
        over = grant.expires_at is not None and grant.expires_at <= at
        if over and not command.reinstate:
            raise Refused("grant_expired", grant_id=grant.grant_id, expired_at=grant.expires_at)
        if grant.kind == "permanent" and command.expires_at is not None:
            raise Refused("validation_failed")
        if grant.kind == "subscription" and (command.expires_at is None or command.expires_at <= at):
            raise Refused("validation_failed")
        if grant.coming and grant.effective_at and command.expires_at and command.expires_at <= grant.effective_at:
            raise Refused("validation_failed")
        back = grant.lapsed if command.reinstate else 0
        self._check_room(back)
        before, grant.expires_at = grant.expires_at, command.expires_at
        grant.lapsed -= back
        grant.free += back
        self._next_version()
        return {
            "grant_id": grant.grant_id,
            "kind": grant.kind,
            "expires_at": grant.expires_at,
            "previous_expires_at": before,
            "reinstated": back,
        }

    # Between accounts ---------------------------------------------------------------------------------------------

    def _send(self, to: str, amount: int | None) -> Answer:
        if amount is None:
            amount = sum(grant.free for grant in self.grants.values())
            if not amount:
                raise Refused("insufficient_credits", required=1, available=0, shortfall=1)
        parts = self._draw(amount, required=amount)
        self._check_draws(parts)
        transfer_id = f"trf_{self._next_version()}"
        self.sent[transfer_id] = to, [Part(part.grant_id, part.amount) for part in parts]
        return {"transfer_id": transfer_id, "to": to, "sent": amount, "draws": self._said(parts)}

    def _merge(self, command: c.MergeAccount) -> Answer:
        did: Answer = {}
        if any(grant.free for grant in self.grants.values()):
            did = self._send(command.successor, None)
        self.successor = command.successor
        return {**did, **self._stand("closed"), "successor": command.successor}

    def _receive(self, command: c.ReceiveCredits) -> Answer:
        self._check_room(sum(lot.amount for lot in command.lots))
        if len([g for g in self.grants.values() if g.free]) + len(command.lots) > MOST_LOTS:
            raise Refused("open_lots_limit_exceeded", limit=MOST_LOTS)
        brought, told = [], []
        for lot in command.lots:
            [made] = self._new_grant(lot.kind, lot.amount, lot.expires_at, lot.source)["grants"]
            brought.append(Part(made["grant_id"], lot.amount))
            origin = lot.origin_account_id, lot.origin_grant_id
            said = [made[name] for name in ("grant_id", "granted", "kind", "expires_at", "source")]
            told.append((*said, lot.granted_at, command.from_account_id, lot.grant_id, *origin))
        for lot, part in zip(command.lots, brought, strict=True):
            named = command.from_account_id, lot.transfer_id or command.transfer_id
            self.received.setdefault(named, []).append(part)
        return {"received": told}

    def _reverse_transfer(self, command: c.ReverseTransfer, at: datetime) -> Answer:
        if command.transfer_id not in self.sent:
            raise Refused("transfer_not_found")
        if command.transfer_id in self.reversed:
            raise Refused("transfer_already_reversed")
        self.reversed.add(command.transfer_id)
        to, parts = self.sent[command.transfer_id]
        before = self._copy()
        given = self._give_back(parts[::-1], at)
        before._check_room(given.returned)
        self._next_version()
        return {"transfer_id": command.transfer_id, "to": to, "came_back": given}

    def _send_back(self, command: c.SendBack) -> Answer:
        parts = self.received.get((command.from_account_id, command.transfer_id))
        if parts is None:
            raise Refused("transfer_not_found")
        amount = sum(part.amount for part in parts)
        left = sum(self.grants[part.grant_id].free for part in parts)
        if left < amount:
            raise Refused("transfer_spent", amount=amount, remaining=left, missing=amount - left)
        for part in parts:
            self.grants[part.grant_id].free -= part.amount
        self._next_version()
        return {"transfer_id": command.transfer_id, "sent_back": amount, "draws": self._said(parts)}

    # Money --------------------------------------------------------------------------------------------------------

    def _pay(self, command: c.RecordPayment, at: datetime) -> Answer:
        name = command.provider, command.payment_id
        before = self.payments.get(name)
        if before is not None and not (before.status == "failed" and command.status == "paid"):
            raise Refused("payment_already_recorded")
        if before is None and name in self.elsewhere:
            raise Refused("payment_of_another_account")
        self._next_version()
        payment = self.payments[name] = Payment(command.status, command.amount_minor, [])
        granted: list[Answer] = []
        for grant in command.grants:
            granted += self._grant(grant, at, command.payment_id)["grants"]
        payment.grant_ids = [grant["grant_id"] for grant in granted]
        did = {"payment_id": command.payment_id, "provider": command.provider, "status": command.status}
        return {**did, "grants": granted} if granted else did

    def _meant(self, payment_id: str, provider: str | None) -> tuple[str, Payment]:
        found = [name for name in self.payments if name[1] == payment_id]
        if provider is not None:
            found = [name for name in found if name[0] == provider]
        if not found:
            raise Refused("payment_not_found")
        if len(found) > 1:
            raise Refused("payment_ambiguous", providers=[provider for provider, _ in found])
        return found[0][0], self.payments[found[0]]

    def _refund(self, command: c.RefundPayment, at: datetime) -> Answer:
        provider, payment = self._meant(command.payment_id, command.provider)
        if command.refund_id in payment.refunds:
            raise Refused("refund_already_recorded")
        before, so_far = payment.gone, sum(payment.refunds.values())
        left = payment.amount_minor - before if payment.status == "paid" else 0
        wanted = left if command.amount_minor is None else command.amount_minor
        if not left or wanted > left:
            raise Refused("amount_exceeds_payment", amount_minor=wanted, refundable_minor=left)
        payment.refunds[command.refund_id] = wanted
        self._next_version()
        did = {
            "refund_id": command.refund_id,
            "refunded": wanted,
            "refunded_so_far": so_far + wanted,
            "provider": provider,
        }
        asked = self._share(payment, before, before + wanted)
        return {**did, **self._take_back(payment, asked, at, whole=wanted == left)}

    def _share(self, payment: Payment, start: int, end: int) -> dict[str, int]:
        """What of each grant goes with the money from `start` to `end`."""
        grants = [self.grants[grant_id] for grant_id in payment.grant_ids]
        earlier, now = (self._going_back(grants, Fraction(part, payment.amount_minor)) for part in (start, end))
        return {grant.grant_id: b - a for grant, a, b in zip(grants, earlier, now, strict=True)}

    def _take_back(self, payment: Payment, asked: dict[str, int], at: datetime, *, whole: bool) -> Answer:
        """What is free is cancelled; where that is too little, open disputes first give back what they hold."""
        changes: list[Any] = []
        missing = {name: amount - self.grants[name].free for name, amount in asked.items()}
        for dispute_id, dispute in payment.open_disputes:
            back, kept = [], []
            for part in dispute.parts:
                size = part.amount if whole else max(min(part.amount, missing[part.grant_id]), 0)
                missing[part.grant_id] -= size
                if size:
                    back.append(Part(part.grant_id, size))
                if part.amount > size:
                    kept.append(Part(part.grant_id, part.amount - size))
            dispute.parts = kept
            if back:
                self._next_version()
                later = [*dispute.later.items()]
                changes.append((dispute_id, dispute.hold_id, [], later, self._give_back(back, at)))
        voids: list[Answer] = []
        for name, amount in asked.items():
            if amount or whole:
                voids += self._cancel(self.grants[name], amount, close=whole)["voids"]
        return {**({"changes": changes} if changes else {}), **({"voids": voids} if voids else {})}

    def _dispute(self, command: c.RecordDispute, at: datetime) -> Answer:
        provider, payment = self._meant(command.payment_id, command.provider)
        if payment.status != "paid" or not payment.amount_minor:
            raise Refused("payment_not_paid")
        known = payment.disputes.get(command.dispute_id)
        if known is not None and known.state != "open":
            same = command.state in ("open", known.state)
            raise Refused("dispute_already_recorded" if same else "dispute_already_decided", dispute_state=known.state)
        if known is not None and command.state == "open":
            raise Refused("dispute_already_recorded", dispute_state="open")
        if known is None and len(payment.disputes) == MOST_DISPUTES:
            raise Refused("disputes_limit_exceeded", limit=MOST_DISPUTES)
        before, left = payment.gone, payment.amount_minor - payment.gone
        said = command.amount_minor
        if said is None:
            said = left if known is None else known.money
        if said > payment.amount_minor:
            raise Refused("amount_exceeds_payment", amount_minor=said)
        dispute = payment.disputes.setdefault(command.dispute_id, Dispute("open", 0))
        others = sum(one.money for one in payment.disputes.values() if one.state == "open" and one is not dispute)
        dispute.state, dispute.money = command.state, min(said, left)
        did = {
            "dispute_id": command.dispute_id,
            "state": dispute.state,
            "disputed": dispute.money,
            "provider": provider,
            "draws": [],
            "awaits": [],
            "given": Given(),
        }
        version = self._next_version()
        if command.state == "open":
            start = min(before + others, payment.amount_minor)
            share = self._share(payment, start, min(start + dispute.money, payment.amount_minor))
            if command.effect != "record" and payment.grant_ids:
                dispute.hold_id = f"hld_{version}"
                self._hold_disputed(dispute, share)
            did |= {"hold_id": dispute.hold_id, "draws": self._said(dispute.parts), "awaits": [*dispute.later.items()]}
            return did | (self._stand("frozen") if command.effect == "freeze" and self.standing == "active" else {})
        held, dispute.parts = dispute.parts, []
        did["hold_id"] = dispute.hold_id
        if command.state == "won":
            did["given"] = self._give_back(held, at)
            return did | self._told_changes(self._hold_more(payment))
        asked = self._share(payment, before, before + dispute.money)
        given, whole = self._cancel_held(held, asked, at, whole=before + dispute.money == payment.amount_minor)
        taken = self._take_back(payment, asked, at, whole=whole)
        changes = taken.pop("changes", []) + self._hold_more(payment)
        return {**did, "given": given, **taken, **self._told_changes(changes)}

    def _told_changes(self, changes: list[Any]) -> Answer:
        return {"changes": changes} if changes else {}

    def _hold_more(self, payment: Payment) -> list[Any]:
        """When a dispute has ended, those that are open hold what is theirs now."""
        changes = []
        start = payment.gone
        for dispute_id, dispute in payment.disputes.items():
            if dispute.state != "open":
                continue
            first, last = (min(part, payment.amount_minor) for part in (start, start + dispute.money))
            start += dispute.money
            if dispute.hold_id is None:
                continue
            before, later = {part.grant_id: part.amount for part in dispute.parts}, dict(dispute.later)
            share = self._share(payment, first, last)
            missing = {name: max(share[name] - before.get(name, 0), 0) for name in share}
            more = self._hold_disputed(dispute, missing)
            dispute.later = {name: amount for name, amount in share.items() if amount and self.grants[name].coming}
            if more or dispute.later != later:
                self._next_version()
                held = [*dispute.later.items()]
                changes.append((dispute_id, dispute.hold_id, self._said(more), held, Given()))
        return changes

    def _hold_disputed(self, dispute: Dispute, share: dict[str, int]) -> list[Part]:
        names = [name for name in share if self.grants[name].free and share[name]]
        taken = []
        in_order = []
        while names:
            best = names[0]
            for name in names[1:]:
                best = name if self._goes_first(self.grants[name], self.grants[best]) else best
            names.remove(best)
            in_order.append(best)
        for name in in_order:
            grant = self.grants[name]
            part = Part(name, min(share[name], grant.free))
            grant.free -= part.amount
            taken.append(part)
            self._add_part(dispute, Part(name, part.amount))
        dispute.later = {name: amount for name, amount in share.items() if amount and self.grants[name].coming}
        return taken

    def _add_part(self, dispute: Dispute, part: Part) -> None:
        for known in dispute.parts:
            if known.grant_id == part.grant_id:
                known.amount += part.amount
                return
        dispute.parts.append(part)

    def _goes_first(self, one: Grant, other: Grant) -> bool:
        if one.kind != other.kind:
            return one.kind == "subscription"
        return self._burns_before(one, other)

    def _cancel_held(self, held: list[Part], asked: dict[str, int], at: datetime, *, whole: bool) -> tuple[Given, bool]:
        """What was held is cancelled, as far as it is asked for; the rest comes back. Afterwards less is asked for."""
        cancelled, rest = 0, []
        for part in held:
            size = part.amount if whole else min(part.amount, asked[part.grant_id])
            asked[part.grant_id] = max(asked[part.grant_id] - size, 0)
            cancelled += size
            if part.amount > size:
                rest.append(Part(part.grant_id, part.amount - size))
        given = self._give_back(rest, at)
        given.cancelled += cancelled
        return given, whole

    def _hold_what_started(self, grant: Grant) -> None:
        """An open dispute of what bought a grant holds its share of it from the start on."""
        for payment in self.payments.values():
            for dispute_id, dispute in payment.open_disputes:
                amount = dispute.later.pop(grant.grant_id, None)
                if amount is not None:
                    size = min(amount, grant.free)
                    grant.free -= size
                    if size:
                        dispute.parts.append(Part(grant.grant_id, size))
                    self._next_version()
                    self.passed.append(("disputed", dispute_id, grant.grant_id, dispute.hold_id, size))

    def _going_back(self, grants: list[Grant], part: Fraction) -> list[int]:
        """What of some grants goes back with a part of their payment.

        Of a grant of n credits, the first is due at 1/n of the money, the second at 2/n; of all together, as many go
        back as their sum has before that part, in the order in which they are due.
        """
        due = [int(grant.amount * part) for grant in grants]
        missing = int(sum(grant.amount for grant in grants) * part) - sum(due)
        for _ in range(missing):
            next_ones = [
                (Fraction(sure + 1, grant.amount), n) for n, (sure, grant) in enumerate(zip(due, grants, strict=True))
            ]
            due[min(next_ones)[1]] += 1
        return due

    # Standing, versions, balances ---------------------------------------------------------------------------------

    def _stand(self, standing: str) -> Answer:
        self.standing = standing
        if standing != "closed":
            self.successor = None
        self._next_version()
        return {"standing": standing}

    def _word(self, command: c.RecordSubscription) -> Answer:
        """A word of what is not paid yet changes no credits; test_subscriptions.py has a model of those that do."""
        assert command.status == "incomplete"
        self._next_version()
        return {"subscription_id": command.subscription_id, "told": command.status}

    def _update(self, command: c.UpdateAccount) -> Answer:
        labels = self._relabel(command.labels)
        self._next_version()
        return {"updated": {command.description, *(command.metadata or {})} - {None}, "labels": labels}

    def _relabel(self, changes: Any) -> dict[str, str] | None:
        """All labels afterwards; None when there is nothing to change."""
        if not changes:
            return None
        for name in changes:
            if changes[name] is None:
                self.labels.pop(name, None)
            else:
                self.labels[name] = changes[name]
        if len(self.labels) > MOST_LABELS:
            raise Refused("labels_limit_exceeded", limit=MOST_LABELS, labels=len(self.labels))
        return dict(self.labels)

    def _next_version(self) -> int:
        self.version += 1
        return self.version

    def _after(self) -> Answer:
        return {
            "version": self.version,
            "recorded_at": self.recorded_at,
            "balance": self._balance(),
        }

    def _balance(self) -> Answer:
        credits = {"subscription": 0, "permanent": 0}
        for grant in self.grants.values():
            credits[grant.kind] += grant.free
        held = 0
        for hold in self.holds.values():
            for part in hold.parts:
                credits[self.grants[part.grant_id].kind] += part.amount
                held += part.amount
        for payment in self.payments.values():
            for dispute in payment.disputes.values():
                for part in dispute.parts:
                    credits[self.grants[part.grant_id].kind] += part.amount
                    held += part.amount
        total = credits["subscription"] + credits["permanent"]
        return {
            "total": total,
            "held": held,
            "available": total - held,
            "subscription_credits": credits["subscription"],
            "permanent_credits": credits["permanent"],
            "subscription_expire_at": min(
                (g.expires_at for g in self.grants.values() if g.free and g.kind == "subscription" and g.expires_at),
                default=None,
            ),
        }
