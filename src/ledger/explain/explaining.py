"""Explains one event to whoever trusts nobody: what happened, to which lots, why so, and whether the rules agree.

`explain` decides nothing. It tells what the event carries, and holds it against the account before it; where the two
disagree it says so, and goes on. Limits are not looked at: they may change, and old events stay what they were.
"""

from collections.abc import Iterator

from ledger.domain.account import Account, evolve
from ledger.domain.amounts import NO_CREDITS, Balance, Kind
from ledger.domain.events import (
    AccountOpened,
    CreditsDeducted,
    CreditsExpired,
    CreditsHeld,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TextsErased,
)
from ledger.domain.lots import first_expiry
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, made_by, subject_of
from ledger.explain.details import particulars
from ledger.explain.explanation import Details, Explanation
from ledger.explain.sentences import instant, sentence

_SPENDING = CreditsDeducted | CreditsHeld | HoldExtended | HoldCaptured
_TAKEN_WHEN_CLOSED = DeductionReversed | HoldReleased | HoldExpired | CreditsExpired | TextsErased
_PAST_RULES = DeductionReversed | GrantVoided | PaymentRecorded | PaymentRefunded

CANNOT_GO_ON = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What folding an event can raise that is not what the rules would have made."""


def subjects_of(event: Event, known: RelatedEvents) -> frozenset[str]:
    """The things whose earlier events `explain` needs, as far as `known` tells: ask again until it stops growing."""
    if not isinstance(event, _PAST_RULES):
        return frozenset()
    subject = subject_of(event)
    assert subject is not None, "each of these is about something"
    deduction = known.deduction(subject)
    return frozenset({subject, *(part.grant_id for part in deduction.draws)} if deduction else {subject})


def explain(before: Account | None, event: Event, related: RelatedEvents = NO_RELATED_EVENTS) -> Explanation:
    """Explain `event` on the account before it (None: there was none).

    `past` has the earlier events about what `subjects_of` names. Raises nothing, whatever the event carries.
    """
    details = particulars(before, event, related) if before is not None else Details()
    after, faults = _after(before, event)
    return Explanation(
        before.version + 1 if before else 1,
        type(event).__name__,
        event.recorded_at,
        event.effective_at if isinstance(event, HoldExpired | CreditsExpired) else None,
        sentence(before, event),
        details,
        before.balance if before else NO_CREDITS,
        event.balance,
        (*_general(before, event), *details.violations, *faults),
        after,
    )


# What holds for all events --------------------------------------------------------------------------------------------


def _general(before: Account | None, event: Event) -> Iterator[str]:
    if before is None:
        if not isinstance(event, AccountOpened):
            yield "a stream begins with AccountOpened"
        return
    if event.recorded_at < before.recorded_at:
        yield f"the event before it was recorded at {instant(before.recorded_at)}: time runs backwards"
    if not isinstance(event, HoldExpired | CreditsExpired) and before.is_due(event.recorded_at):
        yield f"what time had taken since {_since(before)} is not recorded before it"
    if before.standing == "closed" and not isinstance(event, _TAKEN_WHEN_CLOSED):
        yield "the account was closed, and takes nothing but reversals and releases"
    if before.standing == "frozen" and isinstance(event, _SPENDING):
        yield "the account was frozen, and takes no deductions, captures or holds"
    made = made_by(event)
    if made is not None and made[4:] != str(before.version + 1):
        yield f"it makes {made}, and its version is {before.version + 1}"


def _since(before: Account) -> str:
    return instant(before.due_at) if before.due_at else "before"


def _after(before: Account | None, event: Event) -> tuple[Account | None, list[str]]:
    """The account after the event, and whether the balance is what lots and holds add up to."""
    try:
        after = evolve(before, event)
    except CANNOT_GO_ON as problem:
        return None, [f"nobody can go on from it: {type(problem).__name__}: {problem}"]
    found = _sums(after)
    if _gap(event.balance, found) == (_gap(before.balance, _sums(before)) if before else _NO_GAP):
        return after, []
    return after, [f"its balance is {_said(event.balance)}, and lots and holds add up to {_said(found)}"]


def _sums(account: Account) -> Balance:
    credits: dict[Kind, int] = {"subscription": 0, "permanent": 0}
    for lot in account.lots:
        credits[lot.kind] += lot.remaining
    held = 0
    for hold in account.holds.values():
        for part in hold.draws:
            credits[part.kind] += part.amount
            held += part.amount
    return Balance(credits["subscription"], credits["permanent"], held, first_expiry(account.lots))


def _gap(said: Balance, found: Balance) -> tuple[int, int, int, bool]:
    """By how much a balance misses what it should be. An event answers for its own part of it alone."""
    same_end = said.subscription_expire_at == found.subscription_expire_at
    return said.subscription - found.subscription, said.permanent - found.permanent, said.held - found.held, same_end


_NO_GAP = (0, 0, 0, True)


def _said(balance: Balance) -> str:
    end = f", first expiry {instant(balance.subscription_expire_at)}" if balance.subscription_expire_at else ""
    return f"{balance.subscription:,} subscription, {balance.permanent:,} permanent, {balance.held:,} held{end}"
