"""Notices of what was done a moment ago: they survive one redirect, and are told from the event that it names."""

from datetime import timedelta

import orjson
from starlette.requests import Request

from api.dashboard.current_user import Operator, Visitor
from api.http.queries import now_of
from api.http.reads import reads_of
from ledger.domain.amounts import MAX_AMOUNT

LATELY = timedelta(minutes=10)
"""An address that is kept, or sent to somebody, says nothing for longer than that."""


async def done_of(request: Request, visitor: Visitor, account_id: str) -> str | None:
    """What this operator has just done to the account, if `done` in the address is the version of such an event."""
    text = request.query_params.get("done", "")
    if not isinstance(visitor, Operator) or not (text.isascii() and text.isdecimal() and len(text) < 16):
        return None
    found = await reads_of(request).ledger.explain_last_events(account_id, min(int(text), MAX_AMOUNT), 1)
    for row, told in zip(found.rows, found.explained, strict=True):
        actor = orjson.loads(row.state)["metadata"]["actor"]
        if actor == visitor.key.actor and now_of(request) - told.explanation.recorded_at < LATELY:
            return told.explanation.sentence
    return None
