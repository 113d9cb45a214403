"""Answers to requests whose body was not read say that the connection ends.

The server ends it, because what follows on it would be the rest of that body. A client that is not told may send its
next request on a connection that ends at that moment, and get no answer (RFC 9112, section 9.6).
"""

from starlette.types import Message, Scope, Send

from api.http.requests.request import BODY_READ

CLOSE = (b"connection", b"close")
FIRST_REFUSAL = 400
"""The smallest status of answers for which a body may not be read."""


def closing(scope: Scope, send: Send) -> Send:
    """A `send` that adds the header to a refusal of a request whose body was not read."""

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= FIRST_REFUSAL and not scope[BODY_READ]:
            message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
        await send(message)

    return close
