"""A proxy before PostgreSQL that cuts a writer's connection right after it has forwarded a commit."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class CuttingProxy:
    """Forwards bytes. When armed, the next append or COMMIT of a writer still reaches the server, its answer nobody."""

    def __init__(self, server_socket: Path, seed: int) -> None:
        self._server_socket = server_socket
        self._random = random.Random(seed)
        self.armed = False
        self.cuts = 0

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection."""
        server, to_server = await asyncio.open_unix_connection(str(self._server_socket))
        cut = asyncio.Event()
        back = asyncio.create_task(_forward(server, to_client, cut))
        writes = False
        try:
            while chunk := await client.read(1 << 20):
                writes = writes or b"ledger.append" in chunk
                cutting = self.armed and writes and _commits(chunk)
                if cutting:
                    self.armed = False
                    self.cuts += 1
                    cut.set()
                to_server.write(chunk)
                await to_server.drain()
                if cutting:
                    await self._perhaps_wait_for_the_answer(back)
                    break
        except ConnectionError:
            pass
        finally:
            back.cancel()
            to_server.close()
            to_client.close()

    async def _perhaps_wait_for_the_answer(self, answer: "asyncio.Task[None]") -> None:
        """Half of the time the server is known to be done when the client sees the end, half of the time not."""
        if self._random.random() < 0.5:
            await asyncio.wait([answer], timeout=5)


def _commits(chunk: bytes) -> bool:
    """Whether a chunk executes something: an append outside of a transaction commits by itself."""
    return chunk[:1] in {b"B", b"P"} or b"COMMIT" in chunk


async def _forward(server: asyncio.StreamReader, to_client: asyncio.StreamWriter, cut: asyncio.Event) -> None:
    while chunk := await server.read(1 << 20):
        if cut.is_set():
            return
        to_client.write(chunk)
        await to_client.drain()


@asynccontextmanager
async def cutting_proxy(conninfo: str, folder: Path, seed: int) -> AsyncIterator[tuple[CuttingProxy, str]]:
    """A proxy before the server of `conninfo`, and the conninfo that goes through it."""
    parts = conninfo_to_dict(conninfo)
    name = f".s.PGSQL.{parts['port']}"
    proxy = CuttingProxy(Path(str(parts["host"])) / name, seed)
    listening = await asyncio.start_unix_server(proxy.serve, str(folder / name))
    try:
        yield proxy, make_conninfo(conninfo, host=str(folder))
    finally:
        listening.close()
