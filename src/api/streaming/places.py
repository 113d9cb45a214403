"""The places of open streams: how many one key or session may hold, and the end of a stream that is no longer allowed.

The API and the pages have places of their own, so that the one cannot take those of the other.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Literal

from starlette.requests import Request

from api.contract.problems import Problem
from api.streaming.follower import MAX_LISTENERS
from api.streaming.listeners import Listener

MAX_FOR_EACH = 20
"""The largest number of open streams of one API key or session in a process."""
MAX_FOR_PAGES = MAX_LISTENERS // 4
"""The largest number of open streams of pages in a process. The other places are for the API."""
CHECK = 0.25
"""Seconds between two checks whether streams are still allowed."""
_SLICE = 100
"""Streams that are checked before other tasks of the loop get a turn."""

Room = Literal["api", "pages"]


class StreamPlace:
    """The place of one stream, until it is given back. `allowed` tells whether the stream may continue."""

    def __init__(self, room: Room, holder: str, allowed: Callable[[], bool]) -> None:
        self.room = room
        self.holder = holder
        self.allowed = allowed
        self.listener: Listener | None = None
        """The listener of the stream, as soon as there is one."""


class StreamPlaces:
    """The places of a process. `holder` names an API key or a session."""

    def __init__(self, *, for_api: int = MAX_LISTENERS - MAX_FOR_PAGES, for_pages: int = MAX_FOR_PAGES) -> None:
        self._limits: dict[Room, int] = {"api": for_api, "pages": for_pages}
        self._taken: set[StreamPlace] = set()
        self._by_room: Counter[Room] = Counter()
        self._by_holder: Counter[str] = Counter()

    def take(self, room: Room, holder: str, allowed: Callable[[], bool]) -> StreamPlace:
        """Take a place. Raises Problem: too_many_streams, overloaded."""
        if self._by_holder[holder] >= MAX_FOR_EACH:
            detail = f"{MAX_FOR_EACH} streams of this key or session are open here. Close one of them first."
            raise Problem("too_many_streams", detail, retry_after=5, limit=MAX_FOR_EACH)
        if self._by_room[room] >= self._limits[room]:
            raise Problem("overloaded", "No more streams can be opened here. Connect again later.", retry_after=5)
        place = StreamPlace(room, holder, allowed)
        self._taken.add(place)
        self._by_room[room] += 1
        self._by_holder[holder] += 1
        return place

    def give_back(self, place: StreamPlace) -> None:
        """Give a place back."""
        self._taken.discard(place)
        self._by_room[place.room] -= 1
        self._by_holder[place.holder] -= 1
        if not self._by_holder[place.holder]:
            del self._by_holder[place.holder]

    async def end_those_not_allowed(self) -> None:
        """Until cancelled, end each stream whose key or session has ended."""
        while True:
            for number, place in enumerate(tuple(self._taken)):
                if place.listener is not None and not place.allowed():
                    place.listener.end()
                if number % _SLICE == _SLICE - 1:
                    await asyncio.sleep(0)
            await asyncio.sleep(CHECK)


def places_of(request: Request) -> StreamPlaces:
    """The places for streams of this process."""
    places: StreamPlaces = request.app.state.places
    return places
