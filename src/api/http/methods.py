"""HEAD and OPTIONS for every address (RFC 9110, 9.3.2 and 9.3.7), so that no route handles them itself."""

import asyncio
from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_IS_DROPPED = "credit_ledger.head"
_EVERYWHERE = ("GET", "HEAD", "OPTIONS", "POST", "PUT")


class HeadAndOptions:
    """Middleware that answers HEAD like GET without the body, and OPTIONS with the methods of the address."""

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        method = scope.get("method")
        if method == "HEAD":
            answer = _WithoutBody(receive, send)
            await self._app({**scope, "method": "GET", _BODY_IS_DROPPED: True}, answer.receive, answer.send)
        elif method == "OPTIONS" and (methods := _methods_of(self._routes, scope)):
            allowed = [(b"allow", ", ".join(methods).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": allowed})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)


def is_head(scope: Scope) -> bool:
    """Whether a request is a HEAD. A route that uses something up must not do so, because its answer is not shown."""
    return _BODY_IS_DROPPED in scope


def methods_at(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """The methods that an address accepts; none if the address does not exist. A word in a path goes before an id."""
    matching = list(_matching(routes, scope))
    ids = min((count for count, _ in matching), default=0)
    found = {method for count, method in matching if count == ids}
    if "GET" in found:
        found.add("HEAD")
    return sorted(found | {"OPTIONS"}) if found else []


def _methods_of(routes: Iterable[BaseRoute], scope: Scope) -> Iterable[str]:
    return _EVERYWHERE if scope["path"] == "*" else methods_at(routes, scope)


def _matching(routes: Iterable[BaseRoute], scope: Scope) -> Iterator[tuple[int, str]]:
    """The methods of all matching routes, which may be in several routers and in mounted applications; and before each
    the number of ids in the path of its route."""
    for route in routes:
        router = getattr(route, "original_router", None)
        match, below = (Match.FULL, {}) if router is not None else route.matches(scope)
        if match is Match.NONE:
            continue
        inner = getattr(router or route, "routes", None)
        if inner:
            yield from _matching(inner, {**scope, **below})
        else:
            methods = getattr(route, "methods", None) or ("GET",)  # without methods: a folder of files
            ids = getattr(route, "path", "").count("{")
            yield from ((ids, method) for method in methods)


class _WithoutBody:
    """Sends only the head of an answer, and then tells the application that the client has disconnected."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._over = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Send the head and an empty body, and drop the rest."""
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self._over.is_set():
            self._over.set()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive(self) -> Message:
        """Receive from the client until the answer is sent; then report a disconnect, because a stream never ends."""
        message = asyncio.ensure_future(self._receive())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((message, over), return_when=asyncio.FIRST_COMPLETED)
            return {"type": "http.disconnect"} if over.done() else message.result()
        finally:
            message.cancel()
            over.cancel()
