"""The answers about events: as stored, as listeners are told of them, and one of them explained."""

from datetime import datetime

from api.contract.answers.answer import Answer
from ledger.explain.balance_answer import BalanceFields
from ledger.explain.explanation_answer import ExplanationFields
from ledger.readable_texts import ReadableState


class StoredEvent(Answer, ReadableState):
    """One event as stored."""

    position: int
    account_id: str
    version: int
    type: str


class Feed(Answer):
    """One page of events; ask again with `after=next_after` (or `after_version`)."""

    events: list[StoredEvent]
    next_after: int


class EventNotice(Answer):
    """The data of a server-sent event: what changed, and the balance after it."""

    position: int
    account_id: str
    version: int
    type: str
    recorded_at: datetime
    balance: BalanceFields


class Explained(Answer, ExplanationFields):
    """One event, explained. `sound` says whether it is what the rules make of the account before it."""

    account_id: str
    position: int
