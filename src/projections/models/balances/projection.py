"""Balances: the current state of each account, with its labels, of each of its grants and of each of its holds.

An account's figures are those of its last event. At every moment, each credit of a grant is in one of six places:
coming, remaining, held, spent, lapsed, voided or sent to another account. They add up to the amount of the grant.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.domain.account import Standing
from ledger.domain.changes import Fact
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountReopened,
    AccountUnfrozen,
    AccountUpdated,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    Granted,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    TransferReversed,
)
from ledger.domain.holds import Returns
from ledger.domain.lots import Draws, total
from ledger.domain.profile import Labels
from ledger.postgres.arrays import bigints, moments, numerics, texts
from projections.models.projection import Projection, Table, Write

PLACES = ("remaining", "held", "spent", "lapsed", "voided", "sent")
_REMAINING, _HELD, _SPENT, _LAPSED, _VOIDED, _SENT, _CLOSED = range(7)
MAX_TOTAL = 2**63 - 1
_ALWAYS = datetime.max.replace(tzinfo=UTC)
_FATES = {"returned": _REMAINING, "lapsed": _LAPSED, "cancelled": _VOIDED}
_STANDINGS: dict[type[Event], Standing] = {
    AccountOpened: "active",
    AccountFrozen: "frozen",
    AccountUnfrozen: "active",
    AccountClosed: "closed",
    AccountReopened: "active",
}


class _Hold:
    """The changes that a batch makes to one hold."""

    __slots__ = ("captured", "ended_at", "expires_at", "held", "status")

    def __init__(self) -> None:
        self.held = self.captured = 0
        self.expires_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.status: str | None = None


class _Coming:
    """The changes that a batch makes to one coming grant: credits that started, and credits that were voided."""

    __slots__ = ("closed", "started", "voided")

    def __init__(self) -> None:
        self.started = self.voided = 0
        self.closed = False


class _Accounts(NamedTuple):
    """The changes of a batch: the last event of each account, standings, labels, new and changed grants and holds, and
    the changed expiries of grants."""

    last: dict[str, tuple[int, Event]]
    opened: dict[str, datetime]
    labels: dict[str, Labels]
    standings: dict[str, Standing]
    successors: dict[str, str | None]
    granted: list[tuple[str, Granted]]
    coming: dict[tuple[str, str], _Coming]
    grants: defaultdict[tuple[str, str], list[int]]
    expiries: dict[tuple[str, str], datetime | None]
    placed: list[tuple[str, CreditsHeld]]
    holds: defaultdict[tuple[str, str], _Hold]


def gather(facts: Sequence[Fact]) -> list[Write]:
    """Accounts, then new grants and holds, then what became of coming grants, then changes of grants and holds."""
    batch = _Accounts({}, {}, {}, {}, {}, [], {}, defaultdict(lambda: [0] * 7), {}, [], defaultdict(_Hold))
    last, grants = batch.last, batch.grants
    for _, account_id, version, event, _, _ in facts:
        last[account_id] = version, event
        if isinstance(event, CreditsDeducted):  # nearly every event is one
            for grant_id, _, amount, _ in event.draws:
                places = grants[account_id, grant_id]
                places[_REMAINING] -= amount
                places[_SPENT] += amount
        else:
            _add(batch, account_id, event)
    return [write for write in _writes(batch) if write.rows]


def _add(batch: _Accounts, account_id: str, event: Event) -> None:
    match event:
        case CreditsGranted() | CreditsReceived():
            batch.granted.append((account_id, event))
        case CreditsHeld():
            batch.placed.append((account_id, event))
            _move(batch, account_id, event.draws, _REMAINING, _HELD)
        case HoldExtended():
            batch.holds[account_id, event.hold_id].expires_at = event.expires_at
        case HoldCaptured():
            _move(batch, account_id, event.from_hold, _HELD, _SPENT)
            _move(batch, account_id, event.from_lots, _REMAINING, _SPENT)
            hold = _give_back(batch, account_id, event.hold_id, event.returns)
            hold.held -= total(event.from_hold)
            hold.captured += event.amount
            if event.final:
                hold.status, hold.ended_at = "captured", event.recorded_at
        case HoldReleased():
            hold = _give_back(batch, account_id, event.hold_id, event.returns)
            hold.status, hold.ended_at = "released", event.recorded_at
        case HoldExpired():
            hold = _give_back(batch, account_id, event.hold_id, event.returns)
            hold.status, hold.ended_at = "expired", event.effective_at
        case DeductionReversed():
            _come_back(batch, account_id, event.returns, _SPENT)
        case DisputeRecorded():
            _move(batch, account_id, event.draws, _REMAINING, _HELD)
            _come_back(batch, account_id, event.returns, _HELD)
        case CreditsSent() | CreditsSentBack():
            _move(batch, account_id, event.draws, _REMAINING, _SENT)
        case TransferReversed():
            _come_back(batch, account_id, event.returns, _SENT)
        case GrantStarted():
            batch.coming.setdefault((account_id, event.grant_id), _Coming()).started += event.amount
        case GrantVoided():
            _void(batch, account_id, event)
        case GrantExpiryChanged():
            places = batch.grants[account_id, event.grant_id]
            places[_REMAINING] += event.reinstated
            places[_LAPSED] -= event.reinstated
            batch.expiries[account_id, event.grant_id] = event.expires_at
        case CreditsExpired():
            places = batch.grants[account_id, event.grant_id]
            places[_REMAINING] -= event.amount
            places[_LAPSED] += event.amount
        case AccountOpened() | AccountFrozen() | AccountUnfrozen() | AccountClosed() | AccountReopened():
            batch.standings[account_id] = _STANDINGS[type(event)]
            if isinstance(event, AccountClosed):
                batch.successors[account_id] = event.successor
            if isinstance(event, AccountOpened):
                batch.opened[account_id] = event.recorded_at
                _label(batch, account_id, event)
        case AccountUpdated():
            _label(batch, account_id, event)
        case _:
            pass  # payments change no grant; the grants and voids that come with them are separate events


def _void(batch: _Accounts, account_id: str, event: GrantVoided) -> None:
    if event.coming:
        coming = batch.coming.setdefault((account_id, event.grant_id), _Coming())
        coming.voided += event.amount
        coming.closed |= event.closed
        return
    places = batch.grants[account_id, event.grant_id]
    places[_REMAINING] -= event.amount
    places[_VOIDED] += event.amount
    places[_CLOSED] |= event.closed


def _label(batch: _Accounts, account_id: str, event: AccountOpened | AccountUpdated) -> None:
    if event.labels is not None:
        batch.labels[account_id] = event.labels


def _move(batch: _Accounts, account_id: str, draws: Draws, source: int, target: int) -> None:
    for grant_id, _, amount, _ in draws:
        places = batch.grants[account_id, grant_id]
        places[source] -= amount
        places[target] += amount


def _come_back(batch: _Accounts, account_id: str, returns: Returns, source: int) -> None:
    for grant_id, _, amount, _, fate in returns:
        places = batch.grants[account_id, grant_id]
        places[source] -= amount
        places[_FATES[fate]] += amount


def _give_back(batch: _Accounts, account_id: str, hold_id: str, returns: Returns) -> _Hold:
    _come_back(batch, account_id, returns, _HELD)
    hold = batch.holds[account_id, hold_id]
    hold.held -= sum(part.amount for part in returns)
    return hold


# Rows ----------------------------------------------------------------------------------------------------------


def _writes(batch: _Accounts) -> list[Write]:
    return [
        _accounts(batch),
        _no_labels(batch.labels),
        _labels(batch.labels),
        _new_grants(batch.granted),
        _new_holds(batch.placed),
        _changed_coming(batch.coming),
        _changed_grants(batch.grants, batch.expiries),
        _changed_holds(batch.holds),
    ]


def _accounts(batch: _Accounts) -> Write:
    events = [event for _, event in batch.last.values()]
    return Write(
        "put_accounts",
        len(events),
        {
            "accounts": texts(list(batch.last)),
            "versions": bigints([version for version, _ in batch.last.values()]),
            "subscription": bigints([event.balance.subscription for event in events]),
            "permanent": bigints([event.balance.permanent for event in events]),
            "held": bigints([event.balance.held for event in events]),
            "expiries": moments([event.balance.subscription_expire_at for event in events]),
            "times": moments([event.recorded_at for event in events]),
            "standings": texts([batch.standings.get(account_id) for account_id in batch.last]),
            "opened": moments([batch.opened.get(account_id) for account_id in batch.last]),
            "successors": texts([batch.successors.get(account_id) for account_id in batch.last]),
        },
    )


def _no_labels(labels: Mapping[str, Labels]) -> Write:
    """What removes the labels of accounts that get others."""
    return Write("remove_labels", len(labels), {"accounts": texts(list(labels))}, exact=False)


def _labels(labels: Mapping[str, Labels]) -> Write:
    rows = [(account_id, *pair) for account_id, pairs in labels.items() for pair in pairs.items()]
    return Write(
        "add_labels",
        len(rows),
        {
            "accounts": texts([account_id for account_id, _, _ in rows]),
            "names": texts([name for _, name, _ in rows]),
            "values": texts([value for _, _, value in rows]),
        },
    )


def _new_grants(granted: Sequence[tuple[str, Granted]]) -> Write:
    return Write(
        "add_grants",
        len(granted),
        {
            "accounts": texts([account_id for account_id, _ in granted]),
            "numbers": _numbers(event.grant_id for _, event in granted),
            "kinds": texts([event.kind for _, event in granted]),
            "sources": texts([event.source for _, event in granted]),
            "amounts": bigints([event.amount for _, event in granted]),
            "times": moments([_granted_at(event) for _, event in granted]),
            "expiries": moments([event.expires_at for _, event in granted]),
            "transactions": texts([_bought_by(event)[0] for _, event in granted]),
            "payments": texts([_bought_by(event)[1] for _, event in granted]),
            "senders": texts([_received_from(event)[0] for _, event in granted]),
            "sent_grants": texts([_received_from(event)[1] for _, event in granted]),
            "descriptions": texts([event.description for _, event in granted]),
            "starts": moments(
                [event.effective_at if isinstance(event, CreditsGranted) else None for _, event in granted]
            ),
        },
    )


def _start_of(event: Granted) -> datetime | None:
    return event.effective_at if isinstance(event, CreditsGranted) else None


def _changed_coming(coming: dict[tuple[str, str], _Coming]) -> Write:
    return Write(
        "change_coming",
        len(coming),
        {
            "accounts": texts([account_id for account_id, _ in coming]),
            "numbers": _numbers(grant_id for _, grant_id in coming),
            "started": bigints([grant.started for grant in coming.values()]),
            "voided": bigints([grant.voided for grant in coming.values()]),
            "closed": bigints([grant.closed for grant in coming.values()]),
        },
    )


def _granted_at(event: Granted) -> datetime:
    """The grant date, which a lot keeps when it is moved."""
    return event.recorded_at if isinstance(event, CreditsGranted) else event.granted_at


def _bought_by(event: Granted) -> tuple[str | None, str | None]:
    return (event.transaction_id, event.payment_id) if isinstance(event, CreditsGranted) else (None, None)


def _received_from(event: Granted) -> tuple[str | None, str | None]:
    return (None, None) if isinstance(event, CreditsGranted) else (event.from_account_id, event.from_grant_id)


def _new_holds(placed: Sequence[tuple[str, CreditsHeld]]) -> Write:
    return Write(
        "add_holds",
        len(placed),
        {
            "accounts": texts([account_id for account_id, _ in placed]),
            "numbers": _numbers(event.hold_id for _, event in placed),
            "amounts": bigints([event.amount for _, event in placed]),
            "times": moments([event.recorded_at for _, event in placed]),
            "expiries": moments([event.expires_at for _, event in placed]),
            "tasks": texts([event.task_id for _, event in placed]),
            "descriptions": texts([event.description for _, event in placed]),
        },
    )


def _changed_grants(
    grants: dict[tuple[str, str], list[int]], expiries: dict[tuple[str, str], datetime | None]
) -> Write:
    columns = {name: bigints([places[place] for places in grants.values()]) for place, name in enumerate(PLACES)}
    columns["closed"] = bigints([places[_CLOSED] for places in grants.values()])
    named = {
        "expiries": moments([expiries.get(grant) for grant in grants]),
        "accounts": texts([account_id for account_id, _ in grants]),
        "numbers": _numbers(grant_id for _, grant_id in grants),
    }
    return Write("change_grants", len(grants), named | columns)


def _changed_holds(holds: dict[tuple[str, str], _Hold]) -> Write:
    changed = holds.values()
    return Write(
        "change_holds",
        len(holds),
        {
            "accounts": texts([account_id for account_id, _ in holds]),
            "numbers": _numbers(hold_id for _, hold_id in holds),
            "held": bigints([hold.held for hold in changed]),
            "captured": numerics([hold.captured for hold in changed]),
            "expiries": moments([hold.expires_at for hold in changed]),
            "statuses": texts([hold.status for hold in changed]),
            "ends": moments([hold.ended_at for hold in changed]),
        },
    )


def _numbers(ids: Iterable[str]) -> bytes:
    """The versions in ids such as grt_7."""
    return bigints([int(name[4:]) for name in ids])


BALANCES = Projection(
    "balances",
    version=2,
    tables=(
        Table("accounts", ("account_id",)),
        Table("labels", ("account_id", "name")),
        Table("grants", ("account_id", "number")),
        Table("holds", ("account_id", "number")),
    ),
    gather=gather,
)
