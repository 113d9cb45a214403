"""The notice after an action: what an operator has just recorded."""

from datetime import timedelta

import orjson
from starlette.requests import Request

from api.dashboard.current_user import Operator, user_of
from api.http.queries.query import now_of
from api.http.queries.reads import reads_of
from ledger.domain.amounts import MAX_AMOUNT

_NOTICE_FOR = timedelta(minutes=10)
"""An address with `done` shows no notice of an event that is older than this."""


async def done_by(request: Request, account_id: str) -> str | None:
    """The sentence of the event that this operator has just recorded, or None. `done` in the address is its version,
    after the redirect of an action."""
    user, text = user_of(request), request.query_params.get("done", "")
    if not isinstance(user, Operator) or not (text.isascii() and text.isdecimal() and len(text) < 16):
        return None
    found = await reads_of(request).ledger.explain_last_events(account_id, min(int(text), MAX_AMOUNT), 1)
    for row, explained in zip(found.rows, found.explained, strict=True):
        actor = orjson.loads(row.state)["metadata"]["actor"]
        if actor == user.key.actor and now_of(request) - explained.explanation.recorded_at < _NOTICE_FOR:
            return explained.explanation.sentence
    return None
