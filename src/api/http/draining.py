"""Draining: a process that is about to stop answers as before, and tells everybody to go elsewhere.

`/readyz` is 503, so that load balancers send nothing new. Each answer says `Connection: close`, so that proxies end the
connection themselves, and never send a request on one that the service ends at that moment.
"""

from dataclasses import dataclass

from starlette.types import Message, Send

CLOSE = (b"connection", b"close")
"""Tells a client that the server ends the connection after this answer (RFC 9112, section 9.6)."""


@dataclass(slots=True)
class Draining:
    """Whether this process is about to stop."""

    begun: bool = False

    def begin(self) -> None:
        """From now on, tell everybody."""
        self.begun = True


def saying_close(send: Send) -> Send:
    """A `send` that says that this answer is the last one of its connection."""

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            message = {**message, "headers": headers if CLOSE in headers else [*headers, CLOSE]}
        await send(message)

    return close
