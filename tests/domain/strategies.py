"""Commands that have a good chance to mean something: they name what the journal knows, and amounts near what it has.

Everything is drawn for a journal as it stands. Times and amounts come from few values on purpose: bugs live where an
expiry, a hold and a command meet in the same microsecond. The parts are functions of `draw` and not strategies of
their own, because making a strategy costs Hypothesis more than all that the ledger does with the command.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from hypothesis import strategies as st

from ledger.domain.amounts import MAX_AMOUNT, Kind
from ledger.domain.commands import (
    BACK_DATING,
    CaptureHold,
    ChangeGrantExpiry,
    CloseAccount,
    Command,
    DeductCredits,
    EraseTexts,
    ExtendHold,
    FreezeAccount,
    GrantCredits,
    IfFrozen,
    MergeAccount,
    Meter,
    MovedLot,
    NewLimit,
    OnDispute,
    OnExcess,
    OnShortfall,
    OpenAccount,
    PlaceHold,
    ReceiveCredits,
    RecordDispute,
    RecordExpiries,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReopenAccount,
    ReverseDeduction,
    ReverseTransfer,
    SendBack,
    SendCredits,
    SetAllowance,
    SetLimits,
    UnfreezeAccount,
    UpdateAccount,
    VoidGrant,
)
from ledger.domain.events import (
    CreditsDeducted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    DisputeRecorded,
    DisputeState,
    Granted,
    HoldCaptured,
    PaymentRecorded,
    PaymentStatus,
)
from ledger.domain.holds import LONGEST_HOLD, LONGEST_LIFE, SHORTEST_HOLD
from ledger.domain.periods import CalendarPeriod, Period, TimedPeriod
from ledger.domain.pricing.book import PriceBook
from ledger.domain.pricing.exact import exact
from ledger.domain.pricing.price import NoPrice, Price, Priced
from ledger.domain.pricing.rates import Flat, PerUnit, Rate
from ledger.domain.pricing.rating import price
from ledger.domain.profile import LabelChanges
from ledger.domain.usage import Dimension, Usage
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal

Make = Callable[[st.DrawFn, Journal], Command]

TICK = timedelta(microseconds=1)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)

LENGTHS = [SHORTEST_HOLD, 15 * MINUTE, 60 * MINUTE, DAY, LONGEST_HOLD, LONGEST_HOLD]
JUMPS = [timedelta(0), TICK, SECOND, MINUTE, 15 * MINUTE, DAY, 7 * DAY, 30 * DAY, -TICK, -DAY]
AROUND = [-TICK, timedelta(0), timedelta(0), TICK]
ON_EXCESS: list[OnExcess] = ["reject", "draw", "available"]
ON_SHORTFALL: list[OnShortfall] = ["reject", "reject", "available"]
_BOUNDS = st.sampled_from([BACK_DATING, BACK_DATING, timedelta(0), DAY])
STATUSES: list[PaymentStatus] = ["paid", "paid", "paid", "failed", "failed", "refunded"]
DISPUTE_STATES: list[DisputeState] = ["open", "open", "won", "lost"]
EFFECTS: list[OnDispute] = ["hold", "hold", "hold", "hold", "freeze", "record"]
PROVIDERS = ["stripe", "stripe", "stripe", "paypal"]

PERIODS: list[Period | None] = [
    None,
    TimedPeriod(3_600),
    TimedPeriod(86_400 * 3),
    CalendarPeriod("hour", "Australia/Lord_Howe"),
    CalendarPeriod("day", "America/Havana"),
    CalendarPeriod("week", "Africa/Cairo", 5),
    CalendarPeriod("month", "Europe/Berlin", 31),
    CalendarPeriod("year", "America/Santiago"),
]
DIMENSION_SETS: list[tuple[Dimension, ...]] = [(), ("member",), ("member",), ("model",)]
MEMBERS, METRIC = ["ada", "bob"], "rag_query"
SIXTEEN = {f"l{number}": "v" for number in range(16)}
LABEL_CHANGES: list[LabelChanges] = [
    {"plan": "pro"},
    {"plan": None},
    {"plan": "free", "l3": "w"},
    {"l7": None, "plan": "pro"},
    dict.fromkeys(SIXTEEN),
    SIXTEEN,
]

OTHERS = ["bob", "carl"]
"""Accounts with which credits are exchanged."""

SWEEP = RecordExpiries(ACCOUNT_ID)
SOMETIMES: list[Command] = [*[SWEEP] * 6, EraseTexts(ACCOUNT_ID)]
FREEZE, UNFREEZE, CLOSE, REOPEN = (
    FreezeAccount(ACCOUNT_ID),
    UnfreezeAccount(ACCOUNT_ID),
    CloseAccount(ACCOUNT_ID),
    ReopenAccount(ACCOUNT_ID),
)
ON_ACTIVE: list[Command] = [UNFREEZE, FREEZE, UNFREEZE, FREEZE, REOPEN]
ON_FROZEN: list[Command] = [*[UNFREEZE] * 6, FREEZE, CLOSE, REOPEN]
ON_CLOSED: list[Command] = [*[REOPEN] * 3, UNFREEZE]


@st.composite
def commands(draw: st.DrawFn, journal: Journal) -> Command:
    """Any command; those that the moment has a use for more often."""
    return draw(st.sampled_from(_choice(journal)))(draw, journal)


def _choice(journal: Journal) -> list[Make]:
    account, made = journal.account, {type(event) for event in journal.events}
    if account is None:
        return [_open]
    choice: list[Make] = [_grant, _grant, _pay, _void, _sweep, _open, _stand, _update]
    choice += [_deduct, _hold] * 2
    choice += [_limits] if account.limits is None else [_limits, _allow, _meter, _meter, _deduct, _hold]
    if journal.moves:
        choice += [_send, _receive]
    if CreditsSent in made:
        choice += [_reverse_transfer]
    if CreditsReceived in made:
        choice += [_send_back]
    if CreditsHeld in made:
        choice += [_capture, _extend, _release]
    if any(isinstance(event, Granted) and event.kind == "subscription" for event in journal.events):
        choice += [_change_expiry] * 2
    if account.holds:
        choice += [_capture, _capture, _capture, _capture, _extend, _release]
    if made & {CreditsDeducted, HoldCaptured}:
        choice += [_reverse, _reverse]
    if PaymentRecorded in made:
        choice += [_refund, _refund, _dispute, _dispute, _dispute]
    if account.standing != "active":
        choice += [_stand] * 8
    return choice


@st.composite
def grants(draw: st.DrawFn, journal: Journal) -> GrantCredits:
    """Subscription grants that end by a date, by a length or never, and permanent ones."""
    return _grant(draw, journal)


@st.composite
def limits(draw: st.DrawFn, journal: Journal) -> SetLimits:
    """Limits of a source."""
    return _limits(draw, journal)


@st.composite
def counted(draw: st.DrawFn, journal: Journal) -> Command:
    """What moves counters of limits, and rarely the limits themselves."""
    choice: list[Make] = [_deduct, _deduct, _hold, _hold, _meter, _limits, _allow, _sweep]
    if journal.opened.holds:
        choice += [_capture] * 4 + [_release]
    if any(isinstance(event, CreditsDeducted | HoldCaptured) for event in journal.events):
        choice += [_reverse] * 3
    return draw(st.sampled_from(choice))(draw, journal)


@st.composite
def moments(draw: st.DrawFn, journal: Journal) -> datetime:
    """Now, soon, much later, a little earlier, and the moments at, before and after which something ends."""
    ends, at_an_end = sorted(_known_ends(journal)), draw(st.booleans())
    if ends and at_an_end:
        return draw(st.sampled_from(ends)) + draw(st.sampled_from(AROUND))
    return journal.now + draw(st.sampled_from(JUMPS))


@st.composite
def journals(draw: st.DrawFn, longest: int = 30, *, moves: bool = True) -> Journal:
    """A journal after some history, in which every command had a chance to be refused.

    Without `moves` nothing is exchanged with accounts that have no journal.
    """
    journal = Journal()
    journal.moves = moves
    journal.attempt(draw(commands(journal)))
    for _ in range(draw(st.integers(1, longest))):
        if draw(st.integers(0, 2)) == 0:
            journal.now = draw(moments(journal))
        journal.attempt(draw(commands(journal)))
    return journal


def _open(draw: st.DrawFn, _: Journal) -> OpenAccount:
    credits = draw(st.sampled_from([100, 100, 100, 0, 0, 1] * 4 + [MAX_AMOUNT]))
    return OpenAccount(ACCOUNT_ID, credits, labels=draw(st.sampled_from([None, None, {}, {"plan": "free"}, SIXTEEN])))


def _update(draw: st.DrawFn, _: Journal) -> UpdateAccount:
    """Without texts: those are sealed before a command is decided, and differently each time."""
    return UpdateAccount(ACCOUNT_ID, labels=draw(st.sampled_from(LABEL_CHANGES)))


def _grant(draw: st.DrawFn, journal: Journal) -> GrantCredits:
    room = MAX_AMOUNT - journal.opened.balance.total
    amount = _near(draw, room) if draw(st.integers(0, 9)) == 9 else draw(st.integers(1, 60))
    start = draw(st.sampled_from([None, None, None, *_ends(journal)]))
    if draw(st.integers(0, 2)) == 2:
        return GrantCredits(ACCOUNT_ID, "permanent", amount, effective_at=start)
    lifetime = draw(st.sampled_from([None, TICK, 15 * MINUTE, DAY, 30 * DAY]))
    expires_at = draw(st.sampled_from([None, *_ends(journal)]))
    return GrantCredits(
        ACCOUNT_ID, "subscription", amount, expires_at=expires_at, lifetime=lifetime, effective_at=start
    )


def _deduct(draw: st.DrawFn, journal: Journal) -> DeductCredits:
    amount = _amount_to_spend(draw, journal)
    usage, occurred_at = _usage(draw, journal), _occurred(draw, journal)
    on_shortfall, bound = draw(st.sampled_from(ON_SHORTFALL)), draw(_BOUNDS)
    return DeductCredits(
        ACCOUNT_ID,
        amount,
        usage=usage,
        occurred_at=occurred_at,
        back_dating=bound,
        on_shortfall=on_shortfall,
        price=_price(draw, amount),
    )


def _price(draw: st.DrawFn, amount: int) -> Priced | None:
    """Mostly nothing; else a price of that amount, or none. It has several lines, if the tokens that it is for are not
    more than usage can say."""
    if draw(st.integers(0, 3)):
        return None
    if not draw(st.integers(0, 3)) or not 0 < amount <= MAX_AMOUNT:
        return NoPrice("no_rate", 3)
    thirds = 3 * amount - draw(st.integers(0, 2))
    by_token = Rate("*", "*", "*", (PerUnit("input_tokens", exact("1/3")), Flat(exact("1/3"))))
    flat = Rate("*", "*", "*", (Flat(exact(str(amount))),))
    rate, usage = (by_token, {"input_tokens": thirds - 1}) if thirds <= MAX_AMOUNT else (flat, {})
    found = price(PriceBook.of(3, "ab" * 32, [rate]), usage)
    assert isinstance(found, Price)
    assert found.credits == amount
    return found


def _occurred(draw: st.DrawFn, journal: Journal) -> datetime | None:
    """Mostly nothing; else a moment at, just within and just beyond the bounds, or anywhere between."""
    if draw(st.integers(0, 5)):
        return None
    offsets = [-35 * DAY, -DAY, timedelta(0), 5 * MINUTE, *JUMPS]
    return journal.now + draw(st.sampled_from(offsets)) + draw(st.sampled_from(AROUND))


def _hold(draw: st.DrawFn, journal: Journal) -> PlaceHold:
    ends = {lot.expires_at - journal.now for lot in journal.opened.lots if lot.expires_at is not None}
    meeting = [length for length in sorted(ends) if SHORTEST_HOLD <= length <= LONGEST_HOLD]
    length = draw(st.sampled_from([*LENGTHS, *meeting * 2]))
    amount = _amount_to_spend(draw, journal)
    return PlaceHold(ACCOUNT_ID, amount, length, usage=_usage(draw, journal), price=_price(draw, amount))


def _extend(draw: st.DrawFn, journal: Journal) -> ExtendHold:
    life = draw(st.sampled_from([LONGEST_LIFE, LONGEST_LIFE, SHORTEST_HOLD, timedelta(hours=1)]))
    return ExtendHold(ACCOUNT_ID, _hold_id(draw, journal), draw(st.sampled_from(LENGTHS)), life)


def _capture(draw: st.DrawFn, journal: Journal) -> CaptureHold:
    hold_id = _hold_id(draw, journal)
    hold = journal.opened.holds.get(hold_id)
    held = hold.amount if hold is not None else 1
    available = journal.opened.balance.available
    excess = draw(st.integers(0, 4)) == 4
    amount = _near(draw, held + 5, held + available, held + available // 2) if excess else None
    if amount is None:
        amount = _amount_or_all(draw, held, held // 2)
    if_frozen: IfFrozen = draw(st.sampled_from(["accept", "refuse"]))
    on_excess = draw(st.sampled_from(ON_EXCESS))
    occurred_at, bound = _occurred(draw, journal), draw(_BOUNDS)
    final, usage = draw(st.booleans()), _usage(draw, journal)
    price_ = None if amount is None else _price(draw, amount)
    return CaptureHold(ACCOUNT_ID, hold_id, amount, final, on_excess, usage, if_frozen, occurred_at, bound, price_)


def _usage(draw: st.DrawFn, journal: Journal) -> Usage | None:
    """What limits look at; nearly always all of it, so that they have something to count."""
    if journal.opened.limits is None or draw(st.integers(0, 9)) == 9:
        return None
    usage: dict[str, str | int] = {"member": draw(st.sampled_from(MEMBERS)), "model": "m1"}
    if draw(st.booleans()):
        usage["metric"] = METRIC
        if draw(st.booleans()):
            usage["quantity"] = draw(st.integers(0, 7))
    if draw(st.integers(0, 9)) == 9:
        del usage["member"]
    return usage


def _meter(draw: st.DrawFn, journal: Journal) -> Meter:
    usage = {name: value for name, value in (_usage(draw, journal) or {}).items() if name != "quantity"}
    quantity, occurred_at = draw(st.integers(1, 9)), _occurred(draw, journal)
    return Meter(ACCOUNT_ID, quantity, {**usage, "metric": METRIC}, None, occurred_at, draw(_BOUNDS))


def _limits(draw: st.DrawFn, journal: Journal) -> SetLimits:
    """Few ids and few shapes, so that limits often count as those with their ids did before."""
    source = draw(st.sampled_from(["plan", "team"]))
    names = draw(st.sets(st.sampled_from(["a", "b", "c"]), max_size=2))
    return SetLimits(ACCOUNT_ID, source, tuple(_limit(draw, f"{source[0]}{name}") for name in sorted(names)))


def _limit(draw: st.DrawFn, limit_id: str) -> NewLimit:
    each = draw(st.sampled_from(DIMENSION_SETS))
    used: int | dict[str, int] | None = None
    if draw(st.integers(0, 3)) == 3:
        used = {"ada": draw(st.integers(0, 9))} if each else draw(st.integers(0, 30))
    return NewLimit(
        limit_id,
        draw(st.sampled_from([0, 5, 20, 60, 100, 300, MAX_AMOUNT])),
        each,
        (("member", "ada"),) if "member" not in each and draw(st.integers(0, 3)) == 3 else (),
        draw(st.sampled_from(["credits", "credits", METRIC])),
        draw(st.sampled_from(PERIODS)),
        draw(st.integers(0, 3)) < 3,
        used=used,
        allowances={"ada": draw(st.integers(0, 60))} if each != () and draw(st.booleans()) else None,
    )


def _allow(draw: st.DrawFn, journal: Journal) -> SetAllowance:
    limits = journal.opened.limits
    ids = [one.limit.limit_id for one in limits.all] if limits is not None else []
    amount = draw(st.sampled_from([None, 0, 10, 50]))
    return SetAllowance(ACCOUNT_ID, _one_of(draw, ids, "none"), draw(st.sampled_from(MEMBERS)), amount)


def _release(draw: st.DrawFn, journal: Journal) -> ReleaseHold:
    return ReleaseHold(ACCOUNT_ID, _hold_id(draw, journal))


def _reverse(draw: st.DrawFn, journal: Journal) -> ReverseDeduction:
    deductions = [e for e in journal.events if isinstance(e, CreditsDeducted | HoldCaptured)]
    made = {e.deduction_id: e.amount + (e.uncollected or 0) for e in deductions}
    deduction_id = _one_of(draw, made, "ded_999999")
    amount = made.get(deduction_id, 1)
    return ReverseDeduction(ACCOUNT_ID, deduction_id, _amount_or_all(draw, amount, amount // 3))


def _void(draw: st.DrawFn, journal: Journal) -> VoidGrant:
    ids = [e.grant_id for e in journal.events if isinstance(e, Granted)]
    return VoidGrant(ACCOUNT_ID, _one_of(draw, ids, "grt_999999"), _amount_or_all(draw, 60))


def _send(draw: st.DrawFn, journal: Journal) -> SendCredits:
    amount = None if draw(st.integers(0, 4)) == 4 else _amount_to_spend(draw, journal)
    return SendCredits(ACCOUNT_ID, draw(st.sampled_from(OTHERS)), amount)


def _receive(draw: st.DrawFn, journal: Journal) -> ReceiveCredits:
    """Some lots of another account. Only the ledger itself makes this command, so what it says is always true."""
    sender, at = draw(st.sampled_from(OTHERS)), max(journal.now, journal.opened.recorded_at)
    ends = [None, *(end for end in _ends(journal) if end > at)]
    lots = []
    for number in range(draw(st.integers(1, 3))):
        end = draw(st.sampled_from(ends)) if draw(st.booleans()) else None
        kind: Kind = "permanent" if end is None else "subscription"
        origin = draw(st.sampled_from([(sender, f"grt_{number + 2}"), ("eve", "grt_9")]))
        amount = draw(st.integers(1, 60))
        lots.append(MovedLot(f"grt_{number + 2}", kind, amount, end, "promotion", DAY_ZERO, *origin))
    return ReceiveCredits(ACCOUNT_ID, sender, None, f"trf_{len(journal.events)}", tuple(lots))


def _reverse_transfer(draw: st.DrawFn, journal: Journal) -> ReverseTransfer:
    ids = [event.transfer_id for event in journal.events if isinstance(event, CreditsSent)]
    return ReverseTransfer(ACCOUNT_ID, _one_of(draw, ids, "trf_999999"))


def _send_back(draw: st.DrawFn, journal: Journal) -> SendBack:
    known = [(e.from_account_id, e.transfer_id) for e in journal.events if isinstance(e, CreditsReceived)]
    return SendBack(ACCOUNT_ID, *draw(st.sampled_from([*known * 3, ("bob", "trf_999999")])))


def _pay(draw: st.DrawFn, journal: Journal) -> RecordPayment:
    payment_id, status = f"pi_{draw(st.integers(1, 6))}", draw(st.sampled_from(STATUSES))
    cents = draw(st.sampled_from([0, 1, 3, 7, 10, 1999, MAX_AMOUNT]))
    count = draw(st.sampled_from([0, 1, 1, 1, 2, 3])) if status == "paid" else 0
    bought = tuple(_grant(draw, journal) for _ in range(count))
    return RecordPayment(ACCOUNT_ID, payment_id, draw(st.sampled_from(PROVIDERS)), status, cents, "eur", None, bought)


def _refund(draw: st.DrawFn, journal: Journal) -> RefundPayment:
    paid = {e.payment_id: e.amount_minor for e in journal.events if isinstance(e, PaymentRecorded)}
    payment_id = _one_of(draw, paid, "pi_999")
    cents = paid.get(payment_id, 1)
    refund_id = f"re_{draw(st.integers(1, 4))}"
    provider = draw(st.sampled_from([None, None, *PROVIDERS]))
    return RefundPayment(ACCOUNT_ID, payment_id, refund_id, _amount_or_all(draw, cents, cents // 3), provider)


def _dispute(draw: st.DrawFn, journal: Journal) -> RecordDispute:
    """A word about a dispute; often the next one about a dispute that is open."""
    paid = {e.payment_id: e.amount_minor for e in journal.events if isinstance(e, PaymentRecorded)}
    payment_id = _one_of(draw, paid, "pi_999")
    cents = paid.get(payment_id, 1)
    dispute_id, state = f"dp_{draw(st.integers(1, 3))}", draw(st.sampled_from(DISPUTE_STATES))
    provider = draw(st.sampled_from([None, None, *PROVIDERS]))
    amount = _amount_or_all(draw, cents, cents // 3)
    effect = draw(st.sampled_from(EFFECTS))
    return RecordDispute(ACCOUNT_ID, payment_id, dispute_id, state, amount, provider, effect=effect)


def _change_expiry(draw: st.DrawFn, journal: Journal) -> Command:
    """Sooner, later, at a moment when something else ends; also of what has lapsed, and of what never does."""
    granted = [event for event in journal.events if isinstance(event, Granted)]
    lapsing = [event.grant_id for event in granted if event.kind == "subscription"]
    grant_id = draw(st.sampled_from([*lapsing * 3, *(event.grant_id for event in granted), "grt_999999"]))
    end = draw(st.sampled_from([*_ends(journal), None]))
    return ChangeGrantExpiry(ACCOUNT_ID, grant_id, end, draw(st.booleans()))


def _stand(draw: st.DrawFn, journal: Journal) -> Command:
    """Freezing is rare, and closing rarer: they end what the others need."""
    if journal.moves and journal.opened.standing != "frozen" and not draw(st.integers(0, 9)):
        return MergeAccount(ACCOUNT_ID, draw(st.sampled_from(OTHERS)))
    if journal.opened.standing == "active":
        return draw(st.sampled_from(ON_ACTIVE))
    return draw(st.sampled_from(ON_FROZEN if journal.opened.standing == "frozen" else ON_CLOSED))


def _sweep(draw: st.DrawFn, _: Journal) -> Command:
    return draw(st.sampled_from(SOMETIMES))


def _one_of(draw: st.DrawFn, known: Iterable[str], unknown: str) -> str:
    return draw(st.sampled_from([*list(known) * 3, unknown]))


def _hold_id(draw: st.DrawFn, journal: Journal) -> str:
    placed = [e.hold_id for e in journal.events if isinstance(e, CreditsHeld | DisputeRecorded) and e.hold_id]
    return draw(st.sampled_from([*[hold.hold_id for hold in journal.opened.holds] * 4, *placed, "hld_999999"]))


def _amount_to_spend(draw: st.DrawFn, journal: Journal) -> int:
    if draw(st.booleans()):
        return draw(st.integers(1, 60))
    available = journal.opened.balance.available
    subscription = sum(lot.remaining for lot in journal.opened.lots if lot.kind == "subscription")
    return _near(draw, available, subscription, available // 2)


def _amount_or_all(draw: st.DrawFn, *likely: int) -> int | None:
    match draw(st.integers(0, 3)):
        case 0:
            return None
        case 1:
            return _near(draw, *likely)
        case _:
            return draw(st.integers(1, 12))


def _near(draw: st.DrawFn, *likely: int) -> int:
    """One of the amounts, one less or one more, as far as these are amounts."""
    candidates = [amount + offset for amount in likely for offset in (0, -1, 1)]
    return draw(st.sampled_from([near for near in candidates if 1 <= near <= MAX_AMOUNT] or [1]))


def _ends(journal: Journal) -> list[datetime]:
    """Ends of lots: on a coarse grid, together with something else that ends, or already past."""
    grid = [DAY_ZERO + days * DAY for days in (1, 2, 5, 30, 60)]
    nearby = [journal.now + TICK, journal.now + 15 * MINUTE, journal.now, journal.now - DAY]
    return [*grid, *nearby, *sorted(_known_ends(journal)) * 2]


def _known_ends(journal: Journal) -> set[datetime]:
    ends = {event.expires_at for event in journal.events if isinstance(event, Granted)}
    ends |= {hold.expires_at for hold in journal.opened.holds}
    ends |= {grant.effective_at for grant in journal.opened.coming}
    return {end for end in ends if end is not None and end > journal.now - DAY}
