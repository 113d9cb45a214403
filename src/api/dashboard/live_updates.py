"""What moves an open page: the same stream of events as the API's, for whoever may see the account."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import account_seen
from api.http.queries import wiring_of
from api.streaming.streams import EventStream

LONGEST = timedelta(minutes=5)
"""After which a browser connects again: a session that was ended elsewhere hears nothing for longer than that."""


async def moves(request: Request) -> Response:
    """Server-sent events of one account. The page takes them as a hint, and fetches itself again."""
    visitor, account_id = await account_seen(request)
    wiring = wiring_of(request)
    clock = wiring.ledger.clock
    until = min(visitor.expires_at, clock() + LONGEST)
    listener = await wiring.follower.listen(account_id, None)
    return EventStream(wiring.follower, listener, lambda: clock() < until)
