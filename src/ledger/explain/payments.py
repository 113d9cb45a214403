"""Explains the events of payments and disputes: what was bought, what is held of it, and what becomes of that."""

from collections.abc import Iterator

from ledger.domain.account import Account
from ledger.domain.events import CreditsGranted, DisputeRecorded, PaymentRecorded, PaymentRefunded
from ledger.domain.holds import Disputed, Return
from ledger.domain.lots import Draw, Lots, burn_order, total
from ledger.domain.related_events import RelatedEvents
from ledger.explain.explanation import Details, ExplainedDraw, ExplainedHold, ExplainedReturn
from ledger.explain.returns import explain_returns

_OPENED = (
    "A dispute holds what is left of the credits that its payment bought, in proportion to the disputed money. "
    "The hold has no expiry, and only the end of the dispute ends it."
)
_WON = "What a dispute held comes back to its lots when it is won. What of it has expired since lapses at once."
_LOST = "What a lost dispute held is cancelled. What more its money bought is voided, as for a refund."
_CHANGED = "An open dispute holds what its share is of a grant that starts, and gives back what a refund takes."


def explain_dispute(before: Account, event: DisputeRecorded, related: RelatedEvents) -> Details:
    """The details of an event of a dispute."""
    held = before.disputed.get(event.hold_id)
    payment = related.payment(event.provider, event.payment_id)
    why = {"open": _OPENED, "won": _WON, "lost": _LOST}[event.state] if event.changed_by is None else _CHANGED
    first = held.amount if held is not None else 0
    last = first + total(event.draws) - sum(part.amount for part in event.returns)
    return Details(
        why=(why,),
        draws=tuple(_draws(before.lots, event)),
        returns=_returns(before.lots, event, held),
        hold=None if event.hold_id is None else ExplainedHold(event.hold_id, None, first, last),
        violations=(*_wrong_word(event, payment, related), *_wrong_credits(before, event, held, payment)),
    )


def _draws(lots: Lots, event: DisputeRecorded) -> Iterator[ExplainedDraw]:
    remaining = {lot.grant_id: lot.remaining for lot in lots}
    why = f"bought by payment {event.payment_id}"
    for grant_id, kind, amount, expires_at in event.draws:
        left = remaining.get(grant_id, 0)
        yield ExplainedDraw(grant_id, kind, expires_at, None, left, amount, left - amount, "as_disputed", why)


def _returns(lots: Lots, event: DisputeRecorded, held: Disputed | None) -> tuple[ExplainedReturn, ...]:
    closed = held.closed_grants if held is not None else frozenset()
    return tuple(
        [
            part
            if part.fate != "cancelled" or part.grant_id in closed
            else ExplainedReturn(
                part.grant_id,
                part.kind,
                part.expires_at,
                part.amount,
                part.fate,
                part.before,
                part.after,
                "the dispute was lost",
            )
            for part in explain_returns(lots, event.returns)
        ]
    )


def _wrong_word(event: DisputeRecorded, payment: PaymentRecorded | None, related: RelatedEvents) -> Iterator[str]:
    if payment is None:
        yield f"there is no earlier payment {event.payment_id} of {event.provider}"
        return
    if payment.status != "paid":
        yield f"the payment is {payment.status}, so it has no money that can be disputed"
    earlier = related.disputes(payment).get(event.dispute_id)
    if earlier is not None and earlier.state != "open":
        yield f"dispute {event.dispute_id} was {earlier.state} before"
    if event.changed_by is not None and (earlier is None or event.state != "open"):
        yield f"dispute {event.dispute_id} is not open, but the event changes what it holds"
    if event.changed_by is None and event.state == "open" and earlier is not None:
        yield f"dispute {event.dispute_id} was opened before"
    if event.changed_by is None and earlier is not None and event.hold_id != earlier.hold_id:
        yield "the event ends another hold than the dispute has"
    gone = related.refunded_minor(payment) + related.lost_minor(payment)
    if event.amount_minor < 0:
        yield f"{event.amount_minor:,} is not a valid amount"
    if event.changed_by is None and gone + event.amount_minor > payment.amount_minor:
        left = payment.amount_minor - gone
        yield f"the dispute is about {event.amount_minor:,}, but only {left:,} of the payment are left"


def _wrong_credits(
    before: Account, event: DisputeRecorded, held: Disputed | None, payment: PaymentRecorded | None
) -> Iterator[str]:
    opens = event.state == "open" and event.changed_by is None
    if event.hold_id is None:
        if event.draws or event.returns or event.awaits:
            yield "the event moves credits, but names no hold"
        return
    if (held is None) != opens:
        yield f"there is {'already a' if opens else 'no'} disputed hold {event.hold_id}"
        return
    lots = {lot.grant_id: lot for lot in before.lots}
    allowances = before.subscriptions.granted_by(event.provider, event.payment_id)
    bought = (payment.bought or allowances) if payment is not None else ()
    for part in event.draws:
        lot = lots.get(part.grant_id)
        if part.grant_id not in bought:
            yield f"the payment did not buy {part.grant_id}"
        if lot is None or (lot.kind, lot.expires_at) != (part.kind, part.expires_at) or part.amount > lot.remaining:
            yield f"the lot {part.grant_id} has no such {part.amount:,} credits"
    in_order = sorted(event.draws, key=burn_order)
    if list(event.draws) != in_order:
        yield f"the burn order puts {in_order[0].grant_id} first, or another lot before its neighbour"
    if held is not None:
        yield from _wrong_returns(event, held)


def _wrong_returns(event: DisputeRecorded, held: Disputed) -> Iterator[str]:
    for draw in held.draws:
        back = sum(part.amount for part in event.returns if part.grant_id == draw.grant_id)
        if back > draw.amount or (event.state != "open" and back < draw.amount):
            yield f"{draw.amount:,} of {draw.grant_id} were held, but {back:,} come back"
        for part in event.returns:
            if part.grant_id == draw.grant_id:
                yield from _wrong_fate(event, held, draw, part)
    names = [draw.grant_id for draw in held.draws]
    places = [names.index(part.grant_id) for part in event.returns if part.grant_id in names]
    if places != sorted(places):
        yield f"the order of the hold's draws puts {names[min(places)]} first, or another lot before its neighbour"
    for part in event.returns:
        if part.grant_id not in names:
            yield f"nothing of {part.grant_id} was held"


def _wrong_fate(event: DisputeRecorded, held: Disputed, draw: Draw, part: Return) -> Iterator[str]:
    if (part.kind, part.expires_at) != (draw.kind, draw.expires_at):
        yield f"the credits of {part.grant_id} come back with another kind or expiry"
    closed = part.grant_id in held.closed_grants
    over = draw.expires_at is not None and draw.expires_at <= event.recorded_at
    fate = "cancelled" if closed else "lapsed" if over else "returned"
    if part.fate != fate and not (part.fate == "cancelled" and event.state == "lost"):
        yield f"the credits of {part.grant_id} should be {fate}, but the event records {part.fate}"


# Payments -------------------------------------------------------------------------------------------------------------


def buys(payment: PaymentRecorded, event: CreditsGranted) -> bool:
    """Whether a payment buys a grant: by its name, or as an allowance of the subscription that it is for."""
    if event.allowance is None or payment.subscription is None:
        return event.grant_id in payment.bought
    return payment.subscription.subscription_id == event.allowance.subscription_id


def wrong_payment(before: Account, event: PaymentRecorded | PaymentRefunded, related: RelatedEvents) -> Iterator[str]:
    """What is wrong with a payment or a refund."""
    if isinstance(event, PaymentRecorded):
        yield from _wrong_record(before, event, related)
        return
    payment = related.refunded_payment(event)
    if payment is None:
        yield f"there is no earlier payment {event.payment_id}"
        return
    refunded = related.refunded_minor(payment) + event.amount_minor
    if refunded != event.refunded_minor:
        yield f"the event records {event.refunded_minor:,} as refunded in total, but the sum is {refunded:,}"
    if refunded + related.lost_minor(payment) > payment.amount_minor:
        yield f"{refunded:,} were refunded, but only {payment.amount_minor:,} were paid"


def _wrong_record(before: Account, event: PaymentRecorded, related: RelatedEvents) -> Iterator[str]:
    earlier = related.payment(event.provider, event.payment_id)
    if earlier is not None and (earlier.status != "failed" or event.status != "paid"):
        yield f"payment {event.payment_id} was recorded before"
    if event.bought and event.status != "paid":
        yield f"the payment is {event.status}, but it buys {event.bought[0]}"
    if event.grant_ids is not None and len(event.grant_ids) < 2:
        yield "the event lists a single grant, which it should name alone"
    for ahead, grant_id in enumerate(event.bought, 2):
        if grant_id != before.next_id("grt", ahead=ahead):
            place = "the next event" if ahead == 2 else f"the event {ahead - 1} after it"
            yield f"the payment buys {grant_id}, which is not {place}"
