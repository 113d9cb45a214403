"""Explains one event for an auditor: what happened, to which lots, why, and whether the event agrees with the rules.

`explain` decides nothing. It reads what the event carries and compares it with the account before it. Where the two
disagree it adds a violation and continues. It does not check limits: limits may change, and old events stay valid.
"""

from collections.abc import Iterator

from ledger.domain.account import Account, evolve
from ledger.domain.amounts import NO_CREDITS, Balance, Kind
from ledger.domain.events import (
    AccountClosed,
    AccountOpened,
    AccountReopened,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TextsErased,
    TransferReversed,
    UsageMetered,
)
from ledger.domain.lots import first_expiry
from ledger.domain.related_events import (
    NO_RELATED_EVENTS,
    RelatedEvents,
    lapses_subject,
    made_by,
    payment_subject,
    subject_of,
)
from ledger.explain.counting import explain_counts, wrong_counts
from ledger.explain.details import details_of
from ledger.explain.explanation import Details, Explanation
from ledger.explain.prices.explaining import why_price, wrong_price
from ledger.explain.sentences import instant, sentence

_SPENDING = CreditsDeducted | CreditsHeld | HoldExtended | UsageMetered | CreditsSent
_DUE = HoldExpired | CreditsExpired | GrantStarted
"""What time does: such an event takes effect at its own moment, and may be recorded later."""
_ACCEPTED_WHEN_CLOSED = (
    DeductionReversed
    | HoldReleased
    | GrantVoided
    | PaymentRefunded
    | DisputeRecorded
    | HoldExpired
    | CreditsExpired
    | GrantStarted
    | AccountReopened
    | TextsErased
    | TransferReversed
    | CreditsSentBack
)
_ABOUT_EARLIER_EVENTS = (
    DeductionReversed
    | GrantVoided
    | GrantExpiryChanged
    | PaymentRecorded
    | PaymentRefunded
    | DisputeRecorded
    | TransferReversed
    | CreditsSentBack
)

FOLD_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What `evolve` can raise for an event that the rules would not have made."""


def subjects_of(event: Event, known: RelatedEvents) -> frozenset[str]:
    """The grants, deductions, payments and transfers whose earlier events `explain` needs, as far as `known` shows.

    The caller looks their events up and calls again with them, until the answer no longer grows.
    """
    if isinstance(event, CreditsGranted) and event.payment_id is not None:
        return frozenset({payment_subject(event.payment_id)})
    if not isinstance(event, _ABOUT_EARLIER_EVENTS):
        return frozenset()
    subject = subject_of(event)
    assert subject is not None, "each of these is about something"
    sent = known.sent(subject)
    if sent is not None:
        return frozenset({subject, *(part.grant_id for part in sent.draws)})
    if isinstance(event, GrantExpiryChanged):
        return frozenset({subject, lapses_subject(event.grant_id)})
    if isinstance(event, CreditsSentBack):
        lots = known.received(event.from_account_id, event.transfer_id)
        return frozenset({subject, *(lot.grant_id for lot in lots)})
    deduction = known.deduction(subject)
    if deduction is None:
        return frozenset({subject})
    held = {deduction.hold_id} if deduction.hold_id is not None else set()
    return frozenset({subject, *held, *(part.grant_id for part in deduction.draws)})


def explain(before: Account | None, event: Event, related: RelatedEvents = NO_RELATED_EVENTS) -> Explanation:
    """Explain `event`, applied to the account `before` it (None: the account did not exist).

    `related` holds the earlier events about the things that `subjects_of` names. It never raises, whatever the event
    carries.
    """
    details = _details(before, event, related) if before is not None else Details()
    after, faults = _after(before, event)
    return Explanation(
        before.version + 1 if before else 1,
        type(event).__name__,
        event.recorded_at,
        event.effective_at if isinstance(event, _DUE) else None,
        sentence(before, event),
        details,
        before.balance if before else NO_CREDITS,
        event.balance,
        (*_general(before, event), *details.violations, *faults),
        after,
    )


def _details(before: Account, event: Event, related: RelatedEvents) -> Details:
    details = details_of(before, event, related)
    why, counts = (*details.why, *why_price(event)), explain_counts(before, event)
    wrong = *wrong_counts(before, event, related), *wrong_price(event)
    return details._replace(why=why, counts=counts, violations=(*details.violations, *wrong))


# Checks for every event -----------------------------------------------------------------------------------------------


def _general(before: Account | None, event: Event) -> Iterator[str]:
    if before is None:
        if not isinstance(event, AccountOpened):
            yield "the first event of a stream must be AccountOpened"
        return
    if event.recorded_at < before.recorded_at:
        yield f"the previous event was recorded later, at {instant(before.recorded_at)}"
    if not _is_of_time(event) and before.is_due(event.recorded_at):
        yield f"{_due(before)} is not recorded before this event"
    if before.standing == "closed" and not _accepted_when_closed(before, event):
        yield (
            "the account was closed, and a closed account accepts only what returns or cancels credits, "
            "and payments that grant nothing"
        )
    if before.standing == "frozen" and isinstance(event, _SPENDING):
        yield "the account was frozen, and a frozen account refuses deductions, holds, extensions and transfers"
    if before.standing == "frozen" and isinstance(event, HoldCaptured) and event.from_lots:
        yield "the account was frozen, and a frozen account accepts no capture of more than was held"
    if before.standing == "frozen" and isinstance(event, AccountReopened):
        yield "the account was frozen, and a frozen account is unfrozen, not reopened"
    made = made_by(event)
    if made is not None and made[4:] != str(before.version + 1):
        yield f"the event makes {made}, but its version is {before.version + 1}"


def _is_of_time(event: Event) -> bool:
    """Whether time may have made the event: what is due, or what follows from a grant that has just started."""
    if isinstance(event, DisputeRecorded):
        return event.changed_by is not None and event.changed_by.startswith("grt_")
    if isinstance(event, GrantVoided):
        return event.cause == "roll_over"
    if isinstance(event, CreditsGranted):
        return event.allowance is not None
    return isinstance(event, _DUE)


def _accepted_when_closed(before: Account, event: Event) -> bool:
    if isinstance(event, PaymentRecorded):
        return not event.bought and (event.subscription is None or event.status != "paid")
    return isinstance(event, _ACCEPTED_WHEN_CLOSED) or _follows(before, event)


def _follows(before: Account, event: Event) -> bool:
    """Whether an event sends to the successor of a closed account what came back to it since."""
    if isinstance(event, CreditsSent):
        return event.to_account_id == before.successor
    return isinstance(event, AccountClosed) and event.successor is not None and event.successor == before.successor


def _due(before: Account) -> str:
    starts = before.coming and before.coming[0].effective_at == before.due_at
    what = "a start" if starts or before.due_at == before.next_allowance_at else "an expiry"
    return f"{what} that was due at {instant(before.due_at) if before.due_at else 'an unknown time'}"


def _after(before: Account | None, event: Event) -> tuple[Account | None, list[str]]:
    """The account after the event, and a violation when its balance differs from the sum of its lots and holds."""
    try:
        after = evolve(before, event)
    except FOLD_ERRORS as problem:
        return None, [f"the event cannot be applied: {type(problem).__name__}: {problem}"]
    found = _sums(after)
    if _gap(event.balance, found) == (_gap(before.balance, _sums(before)) if before else _NO_GAP):
        return after, []
    return after, [f"the balance is {_in_words(event.balance)}, but lots and holds add up to {_in_words(found)}"]


def _sums(account: Account) -> Balance:
    credits: dict[Kind, int] = {"subscription": 0, "permanent": 0}
    for lot in account.lots:
        credits[lot.kind] += lot.remaining
    held = 0
    for hold in (*account.holds, *account.disputed):
        for part in hold.draws:
            credits[part.kind] += part.amount
            held += part.amount
    return Balance(credits["subscription"], credits["permanent"], held, first_expiry(account.lots))


def _gap(stated: Balance, found: Balance) -> tuple[int, int, int, bool]:
    """By how much a stated balance differs from the sum. An event answers only for the difference that it adds."""
    same_end = stated.subscription_expire_at == found.subscription_expire_at
    return (
        stated.subscription - found.subscription,
        stated.permanent - found.permanent,
        stated.held - found.held,
        same_end,
    )


_NO_GAP = (0, 0, 0, True)


def _in_words(balance: Balance) -> str:
    end = f", first expiry {instant(balance.subscription_expire_at)}" if balance.subscription_expire_at else ""
    return f"{balance.subscription:,} subscription, {balance.permanent:,} permanent, {balance.held:,} held{end}"
