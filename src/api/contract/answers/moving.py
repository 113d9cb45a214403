"""Makes the answers of moves between two accounts: the half that was asked for, and the other side."""

from collections.abc import Sequence
from typing import Any

from api.contract.answers.commands import (
    AnyAnswer,
    DrawFields,
    Merged,
    OtherSide,
    Place,
    ReceivedIfAny,
    ReceivedLot,
    ReceivedSide,
    SentBackIfAny,
    SentIfAny,
    Transferred,
    TransferReversal,
)
from ledger.commit.submission import Recorded
from ledger.domain.events import AccountClosed, CreditsReceived, CreditsSent, CreditsSentBack, Events, TransferReversed
from ledger.domain.holds import with_fate
from ledger.domain.lots import Draws
from ledger.explain.balance_answer import balance_fields


def draw_fields(draws: Draws) -> list[DrawFields]:
    """The draws of an event, as answered."""
    return [{"grant_id": grant_id, "kind": kind, "amount": amount} for grant_id, kind, amount, _ in draws]


def transferred(place: Place, event: CreditsSent) -> Transferred:
    """The answer to a transfer, from the events of its sender."""
    return {
        **place,
        "transfer_id": event.transfer_id,
        "to_account_id": event.to_account_id,
        "sent": event.amount,
        "draws": draw_fields(event.draws),
        **ReceivedIfAny(),
        "balance": balance_fields(event.balance),
    }


def _all_sent(transfers: Sequence[CreditsSent]) -> SentIfAny:
    """What the transfers of a merge sent together."""
    if not transfers:
        return {}
    first = transfers[0]
    sent: SentIfAny = {
        "transfer_id": first.transfer_id,
        "to_account_id": first.to_account_id,
        "sent": sum(one.amount for one in transfers),
        "draws": [part for one in transfers for part in draw_fields(one.draws)],
    }
    if len(transfers) > 1:
        sent["transfer_ids"] = [one.transfer_id for one in transfers]
    return sent


def merged(place: Place, event: AccountClosed, events: Events) -> Merged:
    """The answer to a merge, from the events of the account that was closed."""
    assert event.successor is not None
    return {
        **place,
        **_all_sent([one for one in events if isinstance(one, CreditsSent)]),
        **ReceivedIfAny(),
        "standing": "closed",
        "successor": event.successor,
        "balance": balance_fields(event.balance),
    }


def transfer_reversal(place: Place, event: TransferReversed) -> TransferReversal:
    """The answer to the reversal of a transfer, from the event of its sender."""
    return {
        **place,
        "transfer_id": event.transfer_id,
        "to_account_id": event.to_account_id,
        "reversed": event.amount,
        "lapsed": with_fate(event.returns, "lapsed"),
        "cancelled": with_fate(event.returns, "cancelled"),
        **SentBackIfAny(),
        "balance": balance_fields(event.balance),
    }


def with_other_side(answer: AnyAnswer, second: Recorded) -> AnyAnswer:
    """What a move answers: the half of the account that was asked, and that of the other account if it had to act."""
    answered: Any = answer
    if not second.events:
        return answer
    side: OtherSide = {
        "account_id": second.account_id,
        "version": second.version,
        "position": second.position or None,
        "recorded_at": second.events[-1].recorded_at,
        "balance": balance_fields(second.events[-1].balance),
    }
    if isinstance(second.events[-1], CreditsSentBack):
        answered["sent_back"] = side
    else:
        lots = [_received_lot(event) for event in second.events if isinstance(event, CreditsReceived)]
        received: ReceivedSide = {**side, "lots": lots}
        answered["received"] = received
    return answer


def _received_lot(event: CreditsReceived) -> ReceivedLot:
    return {
        "grant_id": event.grant_id,
        "kind": event.kind,
        "amount": event.amount,
        "expires_at": event.expires_at,
        "source": event.source,
        "granted_at": event.granted_at,
        "from_grant_id": event.from_grant_id,
        "origin_account_id": event.origin_account_id,
        "origin_grant_id": event.origin_grant_id,
    }
