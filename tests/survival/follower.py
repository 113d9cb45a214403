"""A follower of the log, as another service would be: it asks for what comes after what it has seen."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from typing import Any

import orjson

from tests.survival.wire import NoAnswer, Wire

PAGE = 1_000
RESTS = 0.02
PATIENCE = 60.0
FREE = {"description", "metadata", "reason"}
"""What callers wrote freely: it may be shown in another form than it is stored."""


class Follower:
    """What one follower was told, in order: positions, and a digest of each event."""

    def __init__(self, wire: Wire) -> None:
        self.seen: list[tuple[int, bytes]] = []
        self._wire = wire

    @property
    def position(self) -> int:
        """The last position that it has seen."""
        return self.seen[-1][0] if self.seen else 0

    async def follow(self) -> None:
        """Follow until cancelled, whatever becomes of the service meanwhile."""
        while True:
            if not await self._look():
                await asyncio.sleep(RESTS)

    async def come_to(self, position: int) -> None:
        """Wait until it has seen a position; when it never does, the verdict will say so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.position < position:  # noqa: ASYNC110  # another task moves it
                    await asyncio.sleep(RESTS)

    async def _look(self) -> bool:
        try:
            reply = await self._wire.get(f"/v1/events?after={self.position}&limit={PAGE}")
        except NoAnswer:
            return False
        if reply.status != 200:
            return False
        events = orjson.loads(reply.body)["events"]
        self.seen += [(event["position"], digest(event)) for event in events]
        return bool(events)


def digest(event: dict[str, Any]) -> bytes:
    """A short form of an event, without what was written freely."""
    data = {name: value for name, value in event["data"].items() if name not in FREE}
    told = orjson.dumps({**event, "data": data}, option=orjson.OPT_SORT_KEYS)
    return blake2b(told, digest_size=16).digest()


@asynccontextmanager
async def following(connect: Callable[[], Wire]) -> AsyncIterator[Follower]:
    """A follower while the block runs."""
    wire = connect()
    follower = Follower(wire)
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        wire.close()
