"""A proxy before PostgreSQL that cuts a writer's connection while it commits."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Cut = Literal["before", "forwarded", "late", "done", "half"]
"""Where: before the commit reaches the server, right after it was forwarded, while it is on its way and not there yet,
when the server has answered (and nobody hears it), when half of the answer has come through."""

AFTER: tuple[Cut, ...] = ("forwarded", "done")
LATE = 0.05
"""Seconds that a late commit is on its way at most: the writer has long connected again by then."""
ANYWHERE: tuple[Cut, ...] = ("forwarded", "forwarded", "forwarded", "late", "done", "half", "before")


class CuttingProxy:
    """Forwards bytes. When armed, the next commit of a writer is the last that its connection sees."""

    def __init__(self, server_socket: Path, seed: int, places: Sequence[Cut] = AFTER) -> None:
        self._server_socket = server_socket
        self._random = random.Random(seed)
        self._places = places
        self.armed = False
        self.closed = False
        """Whether it turns new connections away."""
        self.turned_away = 0
        self.made: Counter[Cut] = Counter()
        self.struck = asyncio.Event()
        """Set with every cut."""
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def cuts(self) -> int:
        """How many there were."""
        return self.made.total()

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = to_client
        try:
            if self.closed:
                self.turned_away += 1
            else:
                await self._serve(client, to_client)
        except OSError:
            pass
        finally:
            del self._open[task]
            to_client.close()

    async def end(self) -> None:
        """Hang up on everybody."""
        for to_client in self._open.values():
            to_client.close()
        if self._open:
            await asyncio.wait(list(self._open))

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(str(self._server_socket))
        back = _Back(server, to_client)
        answering = asyncio.create_task(back.forward())
        writer = _Writer()
        try:
            while chunk := await client.read(1 << 20):
                if writer.commits(chunk) and self.armed:
                    await self._strike(chunk, to_client, to_server, back, answering)
                    break
                to_server.write(chunk)
                await to_server.drain()
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            to_server.close()

    async def _strike(
        self,
        chunk: bytes,
        to_client: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
        back: "_Back",
        answering: "asyncio.Task[None]",
    ) -> None:
        self.armed = False
        place = self._random.choice(self._places)
        self.made[place] += 1
        self.struck.set()
        if place == "before":
            return
        if place == "late":
            to_client.close()
            await asyncio.sleep(self._random.uniform(0, LATE))
        back.share = 0.5 if place == "half" else 0.0
        to_server.write(chunk)
        await to_server.drain()
        if place in ("done", "half"):
            await asyncio.wait([answering], timeout=5)


class _Writer:
    """What a connection is used for, as far as the bytes tell."""

    def __init__(self) -> None:
        self._appends = False
        self._in_transaction = False

    def commits(self, chunk: bytes) -> bool:
        """Whether these bytes commit an append: a COMMIT does, and an append outside of a transaction by itself."""
        self._appends = self._appends or b"ledger.append" in chunk
        if b"BEGIN" in chunk:
            self._in_transaction = True
        if not self._appends:
            return False
        if self._in_transaction:
            ends = b"COMMIT" in chunk
            self._in_transaction = not ends and b"ROLLBACK" not in chunk
            return ends
        return chunk[:1] in {b"B", b"P"}


class _Back:
    """The way from the server to the client."""

    def __init__(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._server = server
        self._to_client = to_client
        self.share: float | None = None
        """How much of the next answer comes through, as the last thing; None: everything does."""

    async def forward(self) -> None:
        while chunk := await self._server.read(1 << 20):
            if self.share is not None:
                self._to_client.write(chunk[: int(len(chunk) * self.share)])
                return
            self._to_client.write(chunk)
            await self._to_client.drain()


@asynccontextmanager
async def cutting_proxy(
    conninfo: str, folder: Path, seed: int, places: Sequence[Cut] = AFTER
) -> AsyncIterator[tuple[CuttingProxy, str]]:
    """A proxy before the server of `conninfo`, and the conninfo that goes through it."""
    parts = conninfo_to_dict(conninfo)
    name = f".s.PGSQL.{parts['port']}"
    proxy = CuttingProxy(Path(str(parts["host"])) / name, seed, places)
    listening = await asyncio.start_unix_server(proxy.serve, str(folder / name))
    try:
        yield proxy, make_conninfo(conninfo, host=str(folder))
    finally:
        listening.close()
        await proxy.end()
