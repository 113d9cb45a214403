"""The routes of event streams: server-sent events that a client can resume from any position of the log."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field
from starlette.types import Receive, Scope, Send

from api.contract.answers.events import EventNotice
from api.contract.openapi import schema_of
from api.contract.scopes import READ
from api.http.queries.query import AccountId, Parameters, keys_of, problems, problems_of
from api.http.requests.authentication import ScopedRoute
from api.http.requests.callers import authorization_of
from api.http.requests.request import headers_of
from api.streaming.follower import Follower, follower_of
from api.streaming.listeners import Listener
from api.streaming.places import StreamPlace, StreamPlaces, places_of
from api.streaming.recent_events import server_sent
from ledger.domain.amounts import MAX_AMOUNT
from people.api_keys import key_digest

RETRY = 1_000
"""Milliseconds after which a client that lost its connection connects again."""
HEARTBEAT = b": heartbeat\n\n"
_EVENT_STREAM = "text/event-stream"
_HEADER = "Last-Event-ID"
_HEADERS = {"content-type": _EVENT_STREAM, "cache-control": "no-store", "x-accel-buffering": "no"}
_STREAM = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema_of(EventNotice)}
_BUSY = problems_of("rate_limited", "too_many_streams", "overloaded", "unavailable")

router = APIRouter(route_class=ScopedRoute)

LastEventId = Annotated[
    int | None,
    Header(
        alias=_HEADER,
        ge=0,
        le=MAX_AMOUNT,
        description="send every event after this position of the log; default: events from now on",
    ),
]


class _After(Parameters):
    after: int | None = Field(
        None,
        ge=0,
        le=MAX_AMOUNT,
        description=f"the same, for clients that cannot send headers; {_HEADER} takes precedence",
    )


class EventStream(Response):
    """Sends the events of a listener until the client disconnects, the service stops, or the key or session ends."""

    media_type = _EVENT_STREAM

    def __init__(self, follower: Follower, listener: Listener, places: StreamPlaces, place: StreamPlace) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._follower = follower
        self._listener = listener
        self._places = places
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._until_disconnect(receive, asyncio.create_task(self._send_events(send)))
        finally:
            self._follower.remove(self._listener)
            self._places.give_back(self._place)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_disconnect(self, receive: Receive, sender: "asyncio.Task[None]") -> None:
        disconnected = asyncio.create_task(_disconnected(receive))
        disconnected.add_done_callback(lambda _: sender.cancel())
        self._listener.set_sender(sender)
        try:
            with suppress(asyncio.CancelledError):
                await sender
        finally:
            disconnected.cancel()

    async def _send_events(self, send: Send) -> None:
        text = _opening(self._listener.begin)
        while self._place.allowed():
            await send({"type": "http.response.body", "body": text, "more_body": True})
            text = b"".join([one.text for one in await self._listener.next_messages()]) or HEARTBEAT


async def open_stream(
    request: Request, place: StreamPlace, account_id: str | None, after: int | None = None, field: str = "after"
) -> EventStream:
    """The stream that takes a place. Raises Problem, AccountNotFound and LOST, and then gives the place back."""
    follower, places = follower_of(request), places_of(request)
    try:
        place.listener = await follower.listen(account_id, after, field)
    except BaseException:
        places.give_back(place)
        raise
    return EventStream(follower, place.listener, places, place)


def _opening(position: int) -> bytes:
    """The first bytes, sent at once so that proxies pass on the answer, with the position where the stream begins."""
    return b": credit ledger\nretry: %d\n\n%b" % (RETRY, server_sent(position, "start", {"position": position}))


async def _disconnected(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _documentation(summary: str, *statuses: int) -> dict[str, Any]:
    description = (
        f"Server-sent events: `id` is the position, `event` the type, `data` a JSON object {EventNotice.__name__}"
    )
    events = {"description": description, "content": {_EVENT_STREAM: {"schema": _STREAM}}}
    return {
        "status_code": 200,
        "response_class": EventStream,
        "responses": {200: events, **problems(*statuses), **_BUSY},
        "tags": ["streams"],
        "summary": summary,
    }


@router.get("/v1/events/stream", **_documentation("Stream the events of all accounts", 401, 403, 422, 429, 500, 503))
async def log_stream(
    request: Request, query: Annotated[_After, Query()], last_event_id: LastEventId = None
) -> EventStream:
    """Each event has its position, account, version and type, and the balance after it."""
    return await _stream(request, None, query, last_event_id)


@router.get(
    "/v1/accounts/{account_id}/events/stream",
    **_documentation("Stream the events of one account", 401, 403, 404, 422, 429, 500, 503),
)
async def account_stream(
    request: Request, account_id: AccountId, query: Annotated[_After, Query()], last_event_id: LastEventId = None
) -> EventStream:
    """As the stream of all accounts, for one of them. Positions are those of the whole log."""
    return await _stream(request, account_id, query, last_event_id)


async def _stream(request: Request, account_id: str | None, query: _After, last_event_id: int | None) -> EventStream:
    keys = keys_of(request)
    digest = key_digest(authorization_of(request.scope, headers_of(request.scope)))
    assert digest is not None, "the request is authorized"
    after, field = (query.after, "after") if last_event_id is None else (last_event_id, _HEADER)
    place = places_of(request).take("api", digest.hex(), lambda: keys.still_allows(digest, READ))
    return await open_stream(request, place, account_id, after, field)
