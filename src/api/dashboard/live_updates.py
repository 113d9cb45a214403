"""Live updates of open pages: the event stream of the API, for the users who may read the account."""

from collections.abc import Callable
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from api.contract.scopes import READ
from api.dashboard.current_user import CurrentUser, Operator, session_watch_of, user_of
from api.http.queries.query import keys_of
from api.http.queries.reads import reads_of
from api.streaming.places import places_of
from api.streaming.streams import open_stream


async def updates(request: Request) -> Response:
    """Send the events of one account as server-sent events. The script of the page fetches the page again on each."""
    user, account_id = user_of(request), request.path_params["account_id"]
    holder = sha256(user.secret.encode()).hexdigest()
    place = places_of(request).take("pages", holder, _still_allowed(request, user))
    return await open_stream(request, place, account_id)


def _still_allowed(request: Request, user: CurrentUser) -> Callable[[], bool]:
    """Tells whether the session, and the key of an operator, have not ended yet."""
    clock, keys = reads_of(request).clock, keys_of(request)
    session = session_watch_of(request).watch(user.secret)
    key = user.key_sha256 if isinstance(user, Operator) else None

    def allowed() -> bool:
        may_read = key is None or keys.still_allows(key, READ)
        return session.open and may_read and clock() < user.expires_at

    return allowed
