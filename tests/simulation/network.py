"""Unix sockets between simulated processes: what is sent arrives in order, late, in pieces, or not at all.

It stands where `frames.connect` and `frames.listen` stand. A process that is frozen neither gets nor sends anything,
though others can connect to it; one that was killed has no connections any more.
"""

import asyncio
import os
import random
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ledger.forwarding import frames

THIS_PROCESS: ContextVar[str] = ContextVar("THIS_PROCESS")
"""The name of the process whose task runs."""


class Credentials:
    """The socket of a connection, as far as it is asked who is at the other end."""

    @staticmethod
    def getsockopt(*_: int) -> bytes:
        """This user."""
        return struct.pack("3i", 1, os.geteuid(), 0)


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: "Network", owner: str, protocol: asyncio.BaseProtocol) -> None:
        super().__init__({"socket": Credentials()})
        self.owner = owner
        self.peer: End | None = None
        self._network = network
        self._protocol: Any = protocol
        self._arriving: deque[bytes | None] = deque()
        """What the other end has sent, in order; None is its end."""
        self._paused = False
        self._closing = False
        self.lost = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, if it is not lost on the way."""
        if self._closing or self.lost or not data:
            return
        if self._network.strikes("cut"):
            self._give(bytes(data)[: self._network.rng.randrange(len(data))])
            self.break_off()
            return
        self._give(bytes(data))

    def _give(self, data: bytes | None) -> None:
        assert self.peer is not None
        self.peer._arriving.append(data)
        self._network.later(self.owner, self.peer.arrive)

    def arrive(self) -> None:
        """Take the next of what was sent, or a part of it."""
        if self.lost or self._paused or not self._arriving:
            return
        if self._network.is_frozen(self.owner):
            self._network.later(self.owner, self.arrive)
            return
        data = self._arriving.popleft()
        if data is None:
            self.lose()
            return
        if len(data) > 1 and self._network.strikes("split"):
            half = self._network.rng.randrange(1, len(data))
            self._arriving.appendleft(data[half:])
            data = data[:half]
        self._protocol.data_received(data)
        if self._arriving:
            self._network.later(self.owner, self.arrive)

    def pause_reading(self) -> None:
        """As asyncio's."""
        self._paused = True

    def resume_reading(self) -> None:
        """As asyncio's."""
        self._paused = False
        self._network.later(self.owner, self.arrive)

    def is_closing(self) -> bool:
        """As asyncio's."""
        return self._closing or self.lost

    def close(self) -> None:
        """What was written arrives, and then the end."""
        if not self._closing and not self.lost:
            self._closing = True
            self._give(None)
            asyncio.get_running_loop().call_soon(self.lose)

    def abort(self) -> None:
        """What was written and has not arrived may be lost."""
        if self.peer is not None and self._network.rng.random() < 0.5:
            self.peer._arriving.clear()
        self.close()

    def break_off(self) -> None:
        """The connection breaks: both ends learn it after what has arrived by then."""
        if self.lost:
            return
        assert self.peer is not None
        for end in (self, self.peer):
            end._arriving.append(None)
            self._network.later(end.owner, end.arrive)
            end._paused = False

    def lose(self) -> None:
        """The protocol learns that the connection is lost, once."""
        if not self.lost:
            self.lost = self._closing = True
            self._network.ends.pop(self, None)
            self._protocol.connection_lost(None)

    def vanish(self) -> None:
        """The process is gone, and with it this end; the other one learns it later."""
        self._give(None)
        self.lose()


class Listening:
    """What `frames.listen` returns: it can be closed."""

    def __init__(self, network: "Network", owner: str, make: Callable[[], frames.FrameProtocol]) -> None:
        self.owner = owner
        self.make = make
        self.open = True
        self._network = network

    def close(self) -> None:
        """Nobody can connect any more."""
        self.open = False


class Network:
    """All connections, and what happens to them."""

    def __init__(self, rng: random.Random, tell: Callable[..., None]) -> None:
        self.rng = rng
        self.ends: dict[End, None] = {}
        """Those that are open, in the order in which they were made: a set would have another in every process."""
        self._tell = tell
        self._listening: dict[Path, Listening] = {}
        self._killed: set[str] = set()
        self._frozen_until: dict[str, float] = {}
        rough = rng.random() < 0.5
        self._rates = {"cut": 0.03 if rough else 0.0, "split": 0.2 if rough else 0.0}
        self._pace = rng.choice([0.0001, 0.002])

    def strikes(self, fault: str) -> bool:
        """Whether it happens now."""
        return self.rng.random() < self._rates[fault]

    def clear_up(self) -> None:
        """Nothing goes wrong from here on."""
        self._rates = dict.fromkeys(self._rates, 0.0)

    def later(self, owner: str, call: Callable[[], None]) -> None:
        """Call after a trip, and not while `owner` is frozen."""
        loop = asyncio.get_running_loop()
        frozen = self._frozen_until.get(owner, 0.0) - loop.time()
        loop.call_later(max(frozen, 0.0) + self.rng.random() * self._pace, call)

    def is_frozen(self, owner: str) -> bool:
        """Whether nothing arrives at a process now."""
        return self._frozen_until.get(owner, 0.0) > asyncio.get_running_loop().time()

    def freeze(self, owner: str, seconds: float) -> None:
        """Nothing arrives at a process or leaves it for a while."""
        self._frozen_until[owner] = asyncio.get_running_loop().time() + seconds

    def cut_all(self) -> None:
        """All connections break."""
        for end in sorted(self.ends, key=lambda end: end.owner):
            end.break_off()

    def kill(self, owner: str) -> None:
        """A process is gone."""
        self._killed.add(owner)
        for end in [end for end in self.ends if end.owner == owner]:
            end.vanish()

    async def connect(self, address: Path, protocol: frames.FrameProtocol) -> None:
        """As frames.connect."""
        me = THIS_PROCESS.get()
        await asyncio.sleep(self.rng.random() * self._pace)
        listening = self._listening.get(address)
        if listening is None or not listening.open or self._killed & {me, listening.owner}:
            raise ConnectionRefusedError
        other = listening.make()
        mine, its = End(self, me, protocol), End(self, listening.owner, other)
        mine.peer, its.peer = its, mine
        self.ends |= {mine: None, its: None}
        self._tell(me, "connects to", listening.owner)
        protocol.connection_made(mine)
        other.connection_made(its)

    async def listen(self, address: Path, make: Callable[[], frames.FrameProtocol]) -> Listening:
        """As frames.listen."""
        me = THIS_PROCESS.get()
        self._listening[address] = listening = Listening(self, me, make)
        self._tell(me, "owns the log")
        return listening

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Until the block ends, processes connect here."""
        with patch.object(frames, "connect", self.connect), patch.object(frames, "listen", self.listen):
            yield
