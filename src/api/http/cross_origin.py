"""Cross-origin requests (CORS): which pages of other sites may ask /api. None do unless an operator named their origin.

There are no credentials to protect: /api takes no cookies, and a page sends the token that it was given.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.requests.request import headers_of

_BELOW = "/api/"
_TOLD = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, x-request-id"),
    (b"access-control-max-age", b"600"),
)
_SHOWN = (
    b"access-control-expose-headers",
    b"content-disposition, credit-ledger-version, ratelimit, ratelimit-policy, retry-after, x-request-id",
)
_VARY = (b"vary", b"origin")


class CrossOrigin:
    """Tells browsers that the pages of some origins may ask /api, and read the answers."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http" or not scope["path"].startswith(_BELOW):
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        origin = headers.get(b"origin", b"")
        granted = [(b"access-control-allow-origin", origin)] if origin in self._origins else []
        if granted and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            told = [*granted, *_TOLD, _VARY]
            await send({"type": "http.response.start", "status": 204, "headers": told})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_granted(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [*granted, *([_SHOWN] if granted else []), _VARY]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        await self._app(scope, receive, send_granted)
