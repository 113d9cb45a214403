"""The attackers, in a process of their own: idle connections, slow bodies, floods of queries, hoarders of streams.

Each kind has an address of its own on the loopback network. What is closed or refused is tried again, until the end.
Prints one JSON object: what each kind counted.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import uvloop

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
AGAIN = 0.2
"""Seconds until an attacker comes again who was closed or refused."""
PATIENCE = 120
"""Seconds beyond its length that an attack goes on until each kind has met what it is for."""
DRIP = 1.0
"""Seconds between two bytes of a slow body."""
_FORM = (
    b"POST /dashboard/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 9000\r\n\r\nkey=1"
)
_QUERIES = (
    b"/v1/accounts/x/balance?" + b"&".join(b"%d" % n for n in range(50)),
    b"/v1/accounts/x/balance?" + b"&".join(b"%d" % n for n in range(5_000)),
    b"/dashboard/sign-in?tz=" + b"x" * 4_000,
    b"/openapi.json",
)


class Attack:
    """All attackers, and what they have counted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.counts: Counter[str] = Counter()

    async def attacker(self, kind: str, address: str, act: Act) -> None:
        """One attacker: connects from an address and acts, again and again."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))
            except OSError:
                self.counts[f"{kind}: not connected"] += 1
                await asyncio.sleep(AGAIN)
                continue
            self.counts[f"{kind}: connected"] += 1
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await act(reader, writer)
            if kind != "streams":
                writer.close()
            await asyncio.sleep(AGAIN)

    async def idle(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Send nothing."""
        await reader.read()

    async def slow_body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send a form, a byte at a time."""
        writer.write(_FORM)
        end = asyncio.ensure_future(reader.read())
        while not end.done():
            writer.write(b"x")
            await asyncio.wait([end], timeout=DRIP)

    async def flood(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send one query after the other, as fast as they are answered."""
        while True:
            for query in _QUERIES:
                writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n" % query)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
                self.counts["floods: answered"] += 1

    async def has_met(self, names: Sequence[str]) -> None:
        """Wait until each of these was counted, or patience ends: a loaded machine is slow to open many streams."""
        latest = time.monotonic() + PATIENCE
        while not all(self.counts[name] for name in names) and time.monotonic() < latest:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    def hoarder(self, request: bytes) -> Act:
        """Open one stream after the other, and keep them."""
        kept: set[asyncio.Task[None]] = set()

        async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                self.counts["streams: refused"] += 1
                return
            self.counts["streams: opened"] += 1
            kept.add(asyncio.create_task(_read_all(reader, writer)))

        return act


async def _read_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while await reader.read(65_536):
            pass
    writer.close()


async def run(options: argparse.Namespace, hoarders: Sequence[str]) -> dict[str, int]:
    """The whole attack. `hoarders` are requests for streams without their end, one for each."""
    attack = Attack(options.port)
    streams = [attack.hoarder(f"{one}\r\n\r\n".encode()) for one in hoarders]
    kinds: list[tuple[str, str, Sequence[Act]]] = [
        ("idle", "127.0.0.2", [attack.idle] * options.idle),
        ("bodies", "127.0.0.3", [attack.slow_body] * options.bodies),
        ("floods", "127.0.0.4", [attack.flood] * options.floods),
        ("streams", "127.0.0.5", streams),
    ]
    tasks = [asyncio.create_task(attack.attacker(kind, address, act)) for kind, address, acts in kinds for act in acts]
    await asyncio.sleep(options.seconds)
    await attack.has_met(["floods: answered", "streams: opened", "streams: refused"])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return dict(attack.counts)


def main() -> None:
    """Read the options and the requests of the hoarders, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    for name in ("idle", "bodies", "floods"):
        parser.add_argument(f"--{name}", type=int, required=True, help="how many")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    json.dump(uvloop.run(run(options, json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
