"""Request ids: the name of a request in its answer, in the log, and in the events that it made.

A caller may choose one, in `X-Request-Id`, to find its request again. Nobody can rely on it to be unique, so inside of
the ledger a number of our own follows it.
"""

import itertools
import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.requests.replies import VERSION

HEADER = b"x-request-id"
GIVEN = "credit_ledger.request_id"
"""In the scope of a request: the id that its caller gave it."""
_ALLOWED = re.compile(rb"[A-Za-z0-9._:/=+@-]{1,64}")


class RequestIds:
    """Makes ids that are unique among all processes."""

    def __init__(self) -> None:
        self._origin = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def next(self, scope: Scope | None = None) -> str:
        """The id of a request; it begins with the one that the caller gave it, and a `+`."""
        own = f"{self._origin}-{next(self._numbers):x}"
        return own if scope is None or GIVEN not in scope else f"{scope[GIVEN]}+{own}"

    def naming(self, send: Send) -> Send:
        """A `send` that adds an id to an answer without one, and the version of the program."""

        async def name(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if all(header[0] != HEADER for header in headers):
                    headers.append((HEADER, self.next().encode()))
                if VERSION not in headers:
                    headers.append(VERSION)
                message = {**message, "headers": headers}
            await send(message)

        return name


def usable(value: bytes) -> bool:
    """Whether an id of a caller is taken: it has 1 to 64 letters, digits and `._:/=+@-`. Others are ignored."""
    return _ALLOWED.fullmatch(value) is not None


def answering(send: Send, given: bytes) -> Send:
    """A `send` that answers with the caller's own id."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            others = [header for header in message.get("headers", ()) if header[0] != HEADER]
            message = {**message, "headers": [*others, (HEADER, given)]}
        await send(message)

    return answer


class NamesAnswers:
    """Gives an id to each answer of an application that has none."""

    def __init__(self, app: ASGIApp, ids: RequestIds) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        await self._app(scope, receive, self._ids.naming(send) if scope["type"] == "http" else send)
