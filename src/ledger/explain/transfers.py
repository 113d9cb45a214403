"""Explains transfers: what each side of a move did, and where its other side is.

An account knows only its own stream, so each side is checked against that alone. That both sides belong together is
checked over the whole log (projections/checks).
"""

from ledger.domain.account import Account
from ledger.domain.events import CreditsReceived, CreditsSent, CreditsSentBack, TransferReversed
from ledger.domain.lots import Draw, total
from ledger.domain.related_events import RelatedEvents
from ledger.explain.draws import explain_draws, out_of_order, wrong_sum
from ledger.explain.explanation import Details, ExplainedDraw, ExplainedLot, ExplainedTransfer
from ledger.explain.lots import wrong_lot
from ledger.explain.returns import explain_returns, wrong_returns
from ledger.explain.sentences import counted

_BROUGHT = "the transfer brought it"
_MOST_DIGITS = 19
"""A version has fewer digits."""
_REVERSED_ORDER = "the opposite order of the draws"
_NEITHER = "A transfer is no usage: its credits were neither used nor lost, and are lots of the other account."


def explain_sent(before: Account, event: CreditsSent) -> Details:
    """What was sent, lot by lot, and to whom."""
    details = explain_draws(before, event.draws, event.recorded_at)
    wrong = [*details.violations, *wrong_sum(event.draws, event.amount)]
    if event.to_account_id == before.account_id:
        wrong.append("the account sends credits to itself")
    other = ExplainedTransfer(event.transfer_id, event.to_account_id, None, None)
    return details._replace(why=(_NEITHER,), violations=tuple(wrong), transfer=other)


def explain_received(event: CreditsReceived) -> Details:
    """The lot that was received, and where it comes from."""
    wrong = list(wrong_lot(event))
    if event.granted_at > event.recorded_at:
        wrong.append("the grant date is later than the moment at which the event was recorded")
    lot = ExplainedLot(event.grant_id, event.kind, event.expires_at, 0, event.amount)
    why = "The lot keeps the kind, the expiry, the source and the grant date that it had there."
    other = ExplainedTransfer(
        event.transfer_id, event.from_account_id, _version_of(event.transfer_id), event.from_grant_id
    )
    return Details(why=(why,), lot=lot, violations=tuple(wrong), transfer=other)


def _version_of(transfer_id: str) -> int | None:
    """The version of the sender's event, which the id names."""
    number = transfer_id.removeprefix("trf_")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < _MOST_DIGITS else None


def explain_reversed_transfer(before: Account, event: TransferReversed, related: RelatedEvents) -> Details:
    """What came back to the lots of the sender. `related` has the transfer and the grants that it drew from."""
    returns = explain_returns(before.lots, event.returns)
    other = ExplainedTransfer(event.transfer_id, event.to_account_id, None, None)
    why = ("A transfer is reversed as a whole: its credits return to the lots that they came from.",)
    sent = related.sent(event.transfer_id)
    if sent is None:
        missing = f"there is no earlier transfer {event.transfer_id}"
        return Details(why=why, returns=returns, violations=(missing,), transfer=other)
    wrong = [
        *wrong_returns(sent.draws[::-1], event.returns, _REVERSED_ORDER, event.recorded_at, related.closed_grants())
    ]
    back = sum(part.amount for part in event.returns)
    if back != event.amount or event.amount != sent.amount:
        wrong.append(f"{counted(sent.amount)} were sent, but the event records {event.amount:,} and {back:,} come back")
    if related.is_reversed(event.transfer_id):
        wrong.append(f"transfer {event.transfer_id} was reversed before")
    if event.to_account_id != sent.to_account_id:
        wrong.append(f"the transfer went to account {sent.to_account_id}, not to {event.to_account_id}")
    return Details(why=why, returns=returns, violations=tuple(wrong), transfer=other)


def explain_sent_back(before: Account, event: CreditsSentBack, related: RelatedEvents) -> Details:
    """What the receiver sent back. `related` has what the transfer brought."""
    received = related.received(event.from_account_id, event.transfer_id)
    brought = tuple(Draw(lot.grant_id, lot.kind, lot.amount, lot.expires_at) for lot in received)
    wrong = [*wrong_sum(event.draws, event.amount)]
    if not received:
        wrong.append(f"there is no earlier transfer {event.transfer_id} from account {event.from_account_id}")
    elif total(event.draws) != total(brought):
        wrong.append(f"the transfer brought {total(brought):,}, but the event sends back {total(event.draws):,}")
    wrong += out_of_order(brought, event.draws, "the order in which the lots came")
    remaining = {lot.grant_id: lot.remaining for lot in before.lots}
    for part in event.draws:
        if remaining.get(part.grant_id, 0) < part.amount:
            left = remaining.get(part.grant_id, 0)
            wrong.append(f"the event takes {part.amount:,} of {part.grant_id}, but {left:,} remained")
    other = ExplainedTransfer(event.transfer_id, event.from_account_id, _version_of(event.transfer_id), None)
    why = "A transfer is reversed as a whole: every lot that it brought goes back."
    draws = tuple(
        ExplainedDraw(grant_id, kind, expires_at, None, before_, amount, before_ - amount, "as_received", _BROUGHT)
        for grant_id, kind, amount, expires_at in event.draws
        for before_ in [remaining.get(grant_id, 0)]
    )
    return Details(why=(why,), draws=draws, violations=tuple(wrong), transfer=other)
