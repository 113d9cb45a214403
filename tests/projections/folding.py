"""What the projections should hold, said once more and as plainly as it can be: from the meaning of the events alone.

It shares no code with the projections. Every credit of every grant is followed, one event after the other, through the
six places in which it can be; what an event changes is then the difference that it made to those places, and history,
rollups and statistics are added up from the differences. The figures that an event carries are only checked.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.domain import events as e
from ledger.domain.events import Event

Row = dict[str, Any]
Key = tuple[Any, ...]
Tables = dict[str, dict[Key, Row]]
"""Rows by the table's name, such as balances.grants, and their key. Of usage the group is part of the key."""

PLACES = ("coming", "remaining", "held", "spent", "lapsed", "voided", "sent")
WHERE_IT_WENT = {"returned": "remaining", "lapsed": "lapsed", "cancelled": "voided"}
MEASURES = ("credits", "input_tokens", "output_tokens", "cached_tokens", "uncollected")
DIMENSIONS = ("provider", "model", "project", "member", "metric", "key", "agent")
COLUMNS = {
    "grant": "granted",
    "reversal": "reversed",
    "expiry": "expired",
    "reinstatement": "expired",
    "void": "voided",
    "transfer": "transferred",
}
COUNTED = {
    "grant": "grants",
    "reversal": "reversals",
    "expiry": "expiries",
    "reinstatement": "expiries",
    "void": "voids",
    "transfer": "transfers",
}


class Told(NamedTuple):
    """One event of the log."""

    position: int
    account_id: str
    version: int
    event: Event


class Entry(NamedTuple):
    """Credits that came or went in one event, by kind."""

    type: str
    subscription: int
    permanent: int

    @property
    def credits(self) -> int:
        return self.subscription + self.permanent


NO_WORD: Row = dict.fromkeys(
    (
        *("status", "rank", "as_of", "started_at", "plan", "plan_version", "quantity", "credits", "period_start"),
        *("period_end", "ends_at", "next_plan", "trial_ends_at", "billed", "billed_unit", "payment_id", "paid_at"),
        *("paid_minor", "paid_currency", "paid_until", "paying_since", "next_allowance_at"),
    )
)
"""A subscription of which nothing is known yet."""


class Book:
    """One account: its grants with the place of every credit, its holds, its payments."""

    def __init__(self) -> None:
        self.standing = "active"
        self.successor: str | None = None
        self.opened_at: datetime | None = None
        self.grants: dict[str, Row] = {}
        self.holds: dict[str, Row] = {}
        self.payments: dict[tuple[str, str], Row] = {}
        self.uncollected: dict[str, Row] = {}
        self.bought: list[Row] = []
        self.disputes: dict[tuple[str, str, str], Row] = {}
        self.labels: dict[str, str] = {}
        self.subscriptions: dict[str, Row] = {}

    def sums(self) -> dict[tuple[str, str], int]:
        """How many credits of each kind are in each place, and how many there ever were (`amount`)."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        for grant in self.grants.values():
            for place in (*PLACES, "_never", "amount"):
                found[place, grant["kind"]] += grant[place]
        return found

    def total(self, kind: str) -> int:
        """What the account has of a kind, held credits included."""
        return sum(g["remaining"] + g["held"] for g in self.grants.values() if g["kind"] == kind)

    def next_expiry(self) -> datetime | None:
        """The earliest end of what is free to be spent."""
        ends = [g["expires_at"] for g in self.grants.values() if g["remaining"] and g["expires_at"] is not None]
        return min(ends, default=None)

    def move(self, grant_id: str, credits: int, source: str, target: str) -> None:
        """Credits of one grant go from one place to another."""
        grant = self.grants[grant_id]
        grant[source] -= credits
        grant[target] += credits
        assert grant[source] >= 0, f"{grant_id} has no {credits} credits {source}"

    def add(self, version: int, event: Event) -> None:
        """What an event does. Of each type of event there is one line here, or one method below."""
        match event:
            case e.AccountOpened():
                self.opened_at = event.recorded_at
                self.labels = dict(event.labels or {})
            case e.AccountUpdated():
                self.labels = self.labels if event.labels is None else dict(event.labels)
            case e.TextsErased():
                pass
            case e.LimitsSet() | e.AllowanceSet() | e.UsageMetered():
                pass
            case e.AccountFrozen() | e.AccountUnfrozen() | e.AccountClosed() | e.AccountReopened():
                self.standing = {"AccountFrozen": "frozen", "AccountClosed": "closed"}.get(
                    type(event).__name__, "active"
                )
                self.successor = getattr(event, "successor", None)
            case e.CreditsGranted():
                self.grant(event)
            case e.GrantStarted():
                self.move(event.grant_id, event.amount, "coming", "remaining")
            case e.CreditsDeducted():
                self.draw(event.draws, "remaining", "spent")
            case e.CreditsHeld():
                self.draw(event.draws, "remaining", "held")
                self.hold(event)
            case e.HoldExtended():
                self.holds[event.hold_id]["expires_at"] = event.expires_at
            case e.HoldCaptured():
                self.capture(event)
            case e.HoldReleased():
                self.end(event.hold_id, event.returns, "released", event.recorded_at)
            case e.HoldExpired():
                self.end(event.hold_id, event.returns, "expired", event.effective_at)
            case e.DeductionReversed():
                self.give_back(event.returns, "spent")
            case e.GrantVoided():
                self.move(event.grant_id, event.amount, "coming" if event.coming else "remaining", "voided")
                self.grants[event.grant_id]["_never"] += event.amount if event.coming else 0
                self.grants[event.grant_id]["closed"] |= event.closed
            case e.CreditsExpired():
                self.move(event.grant_id, event.amount, "remaining", "lapsed")
            case e.CreditsSent() | e.CreditsSentBack():
                self.draw(event.draws, "remaining", "sent")
            case e.CreditsReceived():
                self.grant(event)
            case e.TransferReversed():
                self.give_back(event.returns, "sent")
            case e.GrantExpiryChanged():
                self.move(event.grant_id, event.reinstated, "lapsed", "remaining")
                self.grants[event.grant_id]["expires_at"] = event.expires_at
            case e.DisputeRecorded():
                self.dispute(version, event)
            case e.SubscriptionRecorded():
                self.word(version, event)
            case e.PaymentRecorded():
                self.pay(version, event)
            case e.PaymentRefunded():
                self.refund(event)

    def owe(self, told: Told) -> None:
        """What a deduction could not collect is owed, until a reversal waives it."""
        event = told.event
        if isinstance(event, e.CreditsDeducted | e.HoldCaptured) and event.uncollected:
            hold = getattr(event, "hold_id", None)
            self.uncollected[event.deduction_id] = {
                **said(event, "recorded_at", "task_id", "uncollected"),
                "number": told.version,
                "position": told.position,
                "hold": hold and number(hold),
                "collected": event.amount,
                "waived": 0,
            }
        if isinstance(event, e.DeductionReversed) and event.waived:
            self.uncollected[event.deduction_id]["waived"] += event.waived

    def grant(self, event: e.CreditsGranted | e.CreditsReceived) -> None:
        self.grants[event.grant_id] = {
            **said(event, "kind", "source", "amount", "expires_at", "transaction_id", "payment_id", "description"),
            **said(event, "from_account_id", "from_grant_id", "effective_at"),
            **dict.fromkeys(PLACES, 0),
            "number": number(event.grant_id),
            "granted_at": getattr(event, "granted_at", event.recorded_at),
            "remaining" if getattr(event, "effective_at", None) is None else "coming": event.amount,
            "closed": False,
            "_never": 0,
        }
        of = getattr(event, "allowance", None)
        if of is not None:
            row = self.subscriptions[of.subscription_id]
            row |= {"version": number(event.grant_id), "next_allowance_at": of.next_at}
        if isinstance(event, e.CreditsGranted) and event.payment_id is not None:
            self.bought.append(said(event, "payment_id", "grant_id", "kind", "amount", "expires_at"))

    def draw(self, draws: Any, source: str, target: str) -> None:
        for part in draws:
            self.move(part.grant_id, part.amount, source, target)

    def give_back(self, returns: Any, source: str) -> None:
        for part in returns:
            self.move(part.grant_id, part.amount, source, WHERE_IT_WENT[part.fate])

    def hold(self, event: e.CreditsHeld) -> None:
        self.holds[event.hold_id] = {
            **said(event, "amount", "expires_at", "task_id", "description"),
            "number": number(event.hold_id),
            "placed_at": event.recorded_at,
            "held": event.amount,
            "captured": 0,
            "status": "open",
            "ended_at": None,
        }

    def capture(self, event: e.HoldCaptured) -> None:
        self.draw(event.from_hold, "held", "spent")
        self.draw(event.from_lots, "remaining", "spent")
        hold = self.holds[event.hold_id]
        hold["held"] -= sum(part.amount for part in event.from_hold)
        hold["captured"] += event.amount
        if event.final:
            self.end(event.hold_id, event.returns, "captured", event.recorded_at)

    def end(self, hold_id: str, returns: Any, status: str, at: datetime) -> None:
        """A hold is over: nothing of it is held any longer."""
        self.give_back(returns, "held")
        hold = self.holds[hold_id]
        hold["held"] -= sum(part.amount for part in returns)
        hold["status"], hold["ended_at"] = status, at
        assert hold["held"] == 0, f"{hold_id} has ended and keeps credits"

    def pay(self, version: int, event: e.PaymentRecorded) -> None:
        self.payments[event.provider, event.payment_id] = {
            **said(event, "payment_id", "recorded_at", "provider", "status", "amount_minor", "currency", "plan"),
            "version": version,
            "refunded_minor": 0,
            "refunded_at": None,
            "first_grant": number(event.bought[0]) if event.bought else None,
            "grants": len(event.bought),
            **dict.fromkeys(("subscription_id", "reason", "period_start", "period_end")),
        }
        what = event.subscription
        if what is None:
            return
        self.payments[event.provider, event.payment_id] |= {
            "subscription_id": what.subscription_id,
            "reason": what.reason,
            "period_start": what.period_start,
            "period_end": what.period_end,
        }
        if event.status == "paid":
            row = self.subscription(version, what.subscription_id, event.provider, event.next_allowance_at)
            if event.amount_minor:
                row["paying_since"] = min(row["paying_since"] or what.paid_at, what.paid_at)
            newest = (what.paid_at, event.payment_id) >= (row["paid_at"] or what.paid_at, row["payment_id"] or "")
            if what.reason != "change" and newest:
                row |= said(event, "payment_id") | {"paid_at": what.paid_at, "paid_until": what.period_end}
                row |= {"paid_minor": event.amount_minor, "paid_currency": event.currency}

    def subscription(self, version: int, name: str, provider: str, next_at: datetime | None) -> Row:
        """The row of a subscription, after one more event about it."""
        row = self.subscriptions.setdefault(name, {"subscription_id": name, "provider": provider, **NO_WORD})
        row |= {"version": version, "next_allowance_at": next_at}
        return row

    def word(self, version: int, event: e.SubscriptionRecorded) -> None:
        row = self.subscription(version, event.subscription_id, event.provider, event.next_allowance_at)
        ranks = ["incomplete", "trialing", "active", "paused", "past_due", "ended"]
        place = event.status == "ended", event.as_of, ranks.index(event.status)
        row["started_at"] = min(row["started_at"] or event.as_of, event.as_of)
        if row["status"] is not None and place < (row["status"] == "ended", row["as_of"], row["rank"]):
            return
        billed = event.terms.billed
        row |= said(event, "status", "as_of", "quantity", "period_start", "period_end", "ends_at", "next_plan")
        row |= {
            "trial_ends_at": event.trial_ends_at,
            "rank": place[2],
            "plan": event.terms.plan,
            "plan_version": event.terms.version,
            "credits": event.terms.credits,
            "billed": billed and billed.length,
            "billed_unit": billed and billed.unit,
        }

    def dispute(self, version: int, event: e.DisputeRecorded) -> None:
        self.draw(event.draws, "remaining", "held")
        self.give_back(event.returns, "held")
        self.disputes[event.provider, event.payment_id, event.dispute_id] = {
            **said(event, "provider", "payment_id", "dispute_id", "state", "amount_minor"),
            "changed_at": event.recorded_at,
            "version": version,
        }

    def payment(self, provider: str | None, payment_id: str) -> Row:
        """A payment. An old refund names no provider: when it was recorded, there was one payment with that id."""
        if provider is not None:
            return self.payments[provider, payment_id]
        named = [payment for payment in self.payments.values() if payment["payment_id"] == payment_id]
        return min(named, key=lambda one: int(one["version"]))

    def refund(self, event: e.PaymentRefunded) -> None:
        payment = self.payment(event.provider, event.payment_id)
        payment["refunded_minor"] += event.amount_minor
        payment["refunded_at"] = event.recorded_at
        if payment["refunded_minor"] == payment["amount_minor"]:
            payment["status"] = "refunded"


def folded(log: Iterable[Told]) -> Tables:
    """What every table should hold after all events of a log."""
    books: defaultdict[str, Book] = defaultdict(Book)
    tables: Tables = defaultdict(dict)
    for told in log:
        book = books[told.account_id]
        before = book.sums()
        book.add(told.version, told.event)
        book.owe(told)
        _add_account(tables, told, book)
        entries = differences(told.event, before, book.sums())
        if isinstance(told.event, e.AccountClosed | e.AccountReopened):
            own = {"account_id": told.account_id, "successor": book.successor}
            tables["history.successors"][told.account_id,] = own
        _add_history(tables, told, book, entries)
        _add_rollups(tables, told, book, entries)
        _add_usage(tables, told)
        _add_statistics(tables, told, entries)
        _add_revenue(tables, told, book)
    for account_id, book in books.items():
        _add_book(tables, account_id, book)
    return tables


def differences(event: Event, before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> list[Entry]:
    """The lines of an event: what came into being, what was spent or came back, what lapsed, what was voided."""

    def more(place: str) -> tuple[int, int]:
        sub, perm = (after[place, kind] - before[place, kind] for kind in ("subscription", "permanent"))
        return sub, perm

    spending = "capture" if isinstance(event, e.HoldCaptured) else "deduction"
    spent, lapsed = more("spent"), more("lapsed")
    # What is coming, or is voided before it starts, never was in the balance.
    never = [one + other for one, other in zip(more("coming"), more("_never"), strict=True)]
    granted = [one - other for one, other in zip(more("amount"), never, strict=True)]
    voided = [one - other for one, other in zip(more("voided"), more("_never"), strict=True)]
    coming = "transfer" if isinstance(event, e.CreditsReceived) else "grant"
    entries = [
        Entry(coming, *granted),
        Entry("transfer", *minus(more("sent"))),
        Entry(spending if sum(spent) > 0 else "reversal", *minus(spent)),
    ]
    lapsing = "expiry" if sum(lapsed) > 0 else "reinstatement"
    entries += [Entry(lapsing, *minus(lapsed)), Entry("void", *minus((voided[0], voided[1])))]
    moved = [entry for entry in entries if entry.credits]
    if isinstance(event, e.DeductionReversed) and not event.amount:
        return [Entry("reversal", 0, 0)]  # all of it was waived
    return moved if moved or not isinstance(event, e.CreditsDeducted) else [Entry("deduction", 0, 0)]


def _add_account(tables: Tables, told: Told, book: Book) -> None:
    account_id, event = told.account_id, told.event
    row = {
        "account_id": account_id,
        "version": told.version,
        "standing": book.standing,
        "successor": book.successor,
        "opened_at": book.opened_at,
        "last_activity_at": event.recorded_at,
        "subscription": book.total("subscription"),
        "permanent": book.total("permanent"),
        "held": sum(grant["held"] for grant in book.grants.values()),
        "total": book.total("subscription") + book.total("permanent"),
        "subscription_expire_at": book.next_expiry(),
    }
    carried = (row["subscription"], row["permanent"], row["held"], row["subscription_expire_at"])
    assert carried == event.balance, f"version {told.version} of {account_id} says another balance than it makes"
    tables["balances.accounts"][account_id,] = row


def _add_history(tables: Tables, told: Told, book: Book, entries: list[Entry]) -> None:
    event = told.event
    balance = book.total("subscription") + book.total("permanent") - sum(entry.credits for entry in entries)
    for part, entry in enumerate(entries):
        balance += entry.credits
        sequence = 4 * told.version + part
        tables["history.entries"][told.account_id, event.recorded_at, sequence] = {
            **said(event, "hold_id", "task_id", "transaction_id", "payment_id", "transfer_id"),
            "source": event.source if isinstance(event, e.CreditsGranted | e.GrantStarted) else None,
            "other_account_id": first_said(event, "to_account_id", "from_account_id"),
            **entry._asdict(),
            "account_id": told.account_id,
            "recorded_at": event.recorded_at,
            "sequence": sequence,
            "balance": balance,
            "about": first_said(event, "deduction_id", "grant_id", "hold_id", "transfer_id"),
            "description": first_said(event, "description", "reason"),
            "usage": dict(found) if (found := first_said(event, "usage")) else None,
            "occurred_at": first_said(event, "occurred_at"),
            "uncollected": 0 if part else owed(event),
        }


def _add_rollups(tables: Tables, told: Told, book: Book, entries: list[Entry]) -> None:
    if not entries:
        return
    event, nothing = told.event, dict.fromkeys((*COLUMNS.values(), *COUNTED.values(), "deducted", "deductions"), 0)
    for width, bucket, sign in moves(event):
        key = told.account_id, width, bucket
        closing = {"closing_subscription": 0, "closing_permanent": 0}
        named = dict(zip(("account_id", "width", "bucket"), key, strict=True))
        row = tables["rollups.rollups"].setdefault(key, named | nothing | closing)
        row["deducted"] += sign * first_said(event, "amount")
        row["deductions"] += sign
    for width in (15, 60):
        key = told.account_id, width, bucket_of(told.event.recorded_at, width)
        named = dict(zip(("account_id", "width", "bucket"), key, strict=True))
        row = tables["rollups.rollups"].setdefault(key, named | nothing)
        for entry in entries:
            row[COLUMNS.get(entry.type, "deducted")] += summed(entry)
            row[COUNTED.get(entry.type, "deductions")] += 1
        row["closing_subscription"], row["closing_permanent"] = book.total("subscription"), book.total("permanent")


def owed(event: Event) -> int:
    """What an event could not collect; negative: what it waived."""
    if isinstance(event, e.DeductionReversed):
        return -(event.waived or 0)
    return (event.uncollected or 0) if isinstance(event, e.CreditsDeducted | e.HoldCaptured) else 0


def summed(entry: Entry) -> int:
    """What an entry adds to its sum: what is reinstated has not expired, and transfers go both ways."""
    signed = {"reinstatement": -entry.credits, "transfer": entry.credits}
    return signed.get(entry.type, abs(entry.credits))


def _add_usage(tables: Tables, told: Told) -> None:
    event = told.event
    if not isinstance(event, e.CreditsDeducted | e.HoldCaptured | e.UsageMetered):
        return
    usage = event.usage or {}
    group = tuple(usage.get(name) for name in DIMENSIONS)
    tables["usage.groups"][group] = dict(zip(DIMENSIONS, group, strict=True))
    _add_measured(tables, told, group)
    if isinstance(event, e.UsageMetered):
        return
    recorded = [(width, bucket_of(event.recorded_at, width), 1) for width in (15, 60)]
    for width, bucket, sign in [*recorded, *moves(event)]:
        nothing = {"width": width, **dict.fromkeys((*MEASURES, "count"), 0)}
        key = told.account_id, width, bucket, *group
        row = tables["usage.usage"].setdefault(key, nothing)
        row["credits"] += sign * event.amount
        row["count"] += sign
        row["uncollected"] += sign * (event.uncollected or 0)
        for tokens in ("input_tokens", "output_tokens", "cached_tokens"):
            row[tokens] += sign * int(usage.get(tokens, 0))


def moves(event: Event) -> list[tuple[int, datetime, int]]:
    """What asking by occurrence changes: one deduction less where it was recorded, and one more where it occurred."""
    then = first_said(event, "occurred_at")
    if then is None or bucket_of(then) == bucket_of(event.recorded_at):
        return []
    times = ((event.recorded_at, -1), (then, 1))
    return [(-width, bucket_of(at, width), sign) for width in (15, 60) for at, sign in times]


def _add_measured(tables: Tables, told: Told, group: Key) -> None:
    """Metered uses, quantities other than 1, failures and durations, each in rows of its own."""
    recorded = [(width, bucket_of(told.event.recorded_at, width), 1) for width in (15, 60)]
    metered = [(-4, told.event.quantity)] if isinstance(told.event, e.UsageMetered) else []
    usage = first_said(told.event, "usage") or {}
    for slot, said_ in metered + measured(usage):
        for width, bucket, _ in recorded:
            whole = {"provider": usage.get("provider", ""), "model": usage.get("model", "")}
            key = width, bucket, *whole.values(), slot
            everybody = tables["statistics.statistics_measured"].setdefault(
                key, {"width": width, "bucket": bucket, **whole, "slot": slot, "count": 0, "total": 0}
            )
            everybody["count"] += 1
            everybody["total"] += said_
        for width, bucket, sign in [*recorded, *moves(told.event)]:
            row = tables["usage.usage_measured"].setdefault(
                (told.account_id, width, bucket, *group, slot), {"count": 0, "total": 0}
            )
            row["count"] += sign
            row["total"] += sign * said_


def measured(usage: Row) -> list[tuple[int, int]]:
    """The places of what some usage says beside credits and tokens, with what it says."""
    found = [(-3, usage["quantity"])] if usage.get("quantity", 1) != 1 else []
    found += [(-2, 0)] if usage.get("success") is False else []
    if (duration := usage.get("duration_ms")) is not None:
        slot = -1
        if duration:
            slot = 0
            while Fraction(21, 19) ** slot < duration:
                slot += 1
        found.append((slot, duration))
    return found


def _add_statistics(tables: Tables, told: Told, entries: list[Entry]) -> None:
    opened = isinstance(told.event, e.AccountOpened)
    if not entries and not opened:
        return
    bucket = bucket_of(told.event.recorded_at)
    columns = (
        *(name for name in COLUMNS.values() if name != "transferred"),
        "deducted",
        "deductions",
        "subscription",
        "permanent",
        "opened",
        "uncollected",
        "waived",
    )
    row = tables["statistics.statistics"].setdefault((bucket,), {"bucket": bucket, **dict.fromkeys(columns, 0)})
    row["opened"] += opened
    row["waived" if owed(told.event) < 0 else "uncollected"] += abs(owed(told.event))
    for entry in entries:
        if entry.type != "transfer":  # all accounts together keep what is moved
            row[COLUMNS.get(entry.type, "deducted")] += summed(entry)
        row["deductions"] += entry.type in ("deduction", "capture")
        row["subscription"] += entry.subscription
        row["permanent"] += entry.permanent


def _add_revenue(tables: Tables, told: Told, book: Book) -> None:
    """What an event says that all accounts together paid, or what went back of it."""
    event, more = told.event, dict.fromkeys(("paid_minor", "payments", "refunded_minor", "lost_minor"), 0)
    match event:
        case e.PaymentRecorded(status="paid"):
            more |= {"paid_minor": event.amount_minor, "payments": 1}
        case e.PaymentRefunded():
            more |= {"refunded_minor": event.amount_minor}
        case e.DisputeRecorded(state="lost"):
            more |= {"lost_minor": event.amount_minor}
        case _:
            return
    currency = book.payment(event.provider, event.payment_id)["currency"]
    key = told.account_id, bucket_of(event.recorded_at), currency
    place = dict(zip(("account_id", "bucket", "currency"), key, strict=True))
    row = tables["payments.revenue"].setdefault(key, {**place, **dict.fromkeys(more, 0)})
    for name, value in more.items():
        row[name] += value


def _add_book(tables: Tables, account_id: str, book: Book) -> None:
    own = {"account_id": account_id}
    for name, value in book.labels.items():
        tables["balances.labels"][account_id, name] = {**own, "name": name, "value": value}
    for grant in book.grants.values():
        row = {**own, **grant, "status": status_of(grant)}
        del row["_never"]
        tables["balances.grants"][account_id, grant["number"]] = row
    for hold in book.holds.values():
        tables["balances.holds"][account_id, hold["number"]] = {**own, **hold}
    for row in book.uncollected.values():
        tables["uncollected.uncollected"][account_id, row["number"]] = {**own, **row}
    for payment in book.payments.values():
        tables["payments.payments"][account_id, payment["provider"], payment["payment_id"]] = {**own, **payment}
    for dispute in book.disputes.values():
        names = dispute["provider"], dispute["payment_id"], dispute["dispute_id"]
        tables["payments.disputes"][account_id, *names] = {**own, **dispute}
    for name, row in book.subscriptions.items():
        tables["subscriptions.subscriptions"][account_id, name] = {**own, **row}
    for bought in book.bought:
        tables["payments.bought"][account_id, bought["payment_id"], bought["grant_id"]] = {**own, **bought}


def status_of(grant: Row) -> str:
    """Coming until it starts; open while credits remain or are held; then what became of it, by the strongest word."""
    if grant["coming"]:
        return "coming"
    if grant["remaining"] or grant["held"]:
        return "open"
    if grant["closed"] or grant["voided"] == grant["amount"]:
        return "voided"
    if grant["sent"] == grant["amount"]:
        return "sent"
    return "expired" if grant["lapsed"] else "spent"


def bucket_of(at: datetime, minutes: int = 15) -> datetime:
    """The start of the stretch of so many minutes (UTC) that a moment lies in."""
    epoch, width = datetime(1970, 1, 1, tzinfo=UTC), timedelta(minutes=minutes)
    return epoch + (at - epoch) // width * width


def number(name: str) -> int:
    """The version in an id such as grt_7."""
    return int(name.split("_")[1])


def said(event: Event, *names: str) -> Row:
    """Some fields of an event; None for those that its type does not have."""
    return {name: getattr(event, name, None) for name in names}


def first_said(event: Event, *names: str) -> Any:
    """The first of some fields that the event has a value for."""
    return next((value for value in said(event, *names).values() if value is not None), None)


def minus(pair: tuple[int, int]) -> tuple[int, int]:
    return -pair[0], -pair[1]
