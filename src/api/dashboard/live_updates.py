"""What moves an open page: the same stream of events as the API's, for whoever may see the account."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import account_seen
from api.http.reads import reads_of
from api.streaming.follower import follower_of
from api.streaming.streams import EventStream

LONGEST = timedelta(minutes=5)
"""After which a browser connects again: a session that was ended elsewhere hears nothing for longer than that."""


async def moves(request: Request) -> Response:
    """Server-sent events of one account. The page takes them as a hint, and fetches itself again."""
    visitor, account_id = await account_seen(request)
    clock, follower = reads_of(request).clock, follower_of(request)
    until = min(visitor.expires_at, clock() + LONGEST)
    listener = await follower.listen(account_id, None)
    return EventStream(follower, listener, lambda: clock() < until)
