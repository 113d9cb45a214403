"""Live updates of open pages: the event stream of the API, for the users who may read the account."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.current_user import user_of
from api.http.reads import reads_of
from api.streaming.follower import follower_of
from api.streaming.streams import EventStream

MAX_DURATION = timedelta(minutes=5)
"""The stream ends after this time and the browser connects again, so that an ended session receives no more events."""


async def updates(request: Request) -> Response:
    """Send the events of one account as server-sent events. The script of the page fetches the page again on each."""
    user, account_id = user_of(request), request.path_params["account_id"]
    clock, follower = reads_of(request).clock, follower_of(request)
    until = min(user.expires_at, clock() + MAX_DURATION)
    listener = await follower.listen(account_id, None)
    return EventStream(follower, listener, lambda: clock() < until)
