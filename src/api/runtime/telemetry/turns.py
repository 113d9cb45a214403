"""The turns of background work as spans: each that had something to do is a trace of its own."""

from typing import Any, NamedTuple, TypeVar

from api.runtime.telemetry.spans import Spans, like

Part = TypeVar("Part")


class Turn(NamedTuple):
    """The method that does a turn, with a connection, and returns how much it did; and the name of its span."""

    method: str
    span: str


TURNS = {
    "Biller": Turn("turn", "bill"),
    "Mailer": Turn("turn", "mail"),
    "Runner": Turn("step", "project"),
    "Sweeper": Turn("sweep", "sweep"),
}
"""What does background work, by the names of the classes: a process imports only those that it has."""


def with_spans(part: type[Part], spans: Spans) -> type[Part]:
    """A class like `part` that makes a span of each turn; `part` itself if it does no background work."""
    found = TURNS.get(part.__name__)
    if found is None:
        return part
    plain = getattr(part, found.method)

    async def turn(self: Part, connection: Any) -> int:
        return await spans.turn(found.span, plain(self, connection))

    return like(part, **{found.method: turn})
