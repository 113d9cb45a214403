"""The connections of a worker: how many one address may hold, and which ones are closed when places run out.

The server accepts connections in threads of its own and tells the application nothing of those that send no request. So
the watch looks at the open files of the process a few times a second: a socket of the service's port is a connection,
and the kernel knows for how long it has been silent. The longest silent ones are closed first, so clients that are busy
keep their connections. The watch works on Linux only; elsewhere the server's own deadlines are all there is.
"""

import asyncio
import logging
import os
import resource
import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

MAX_CONNECTIONS = 16_384
"""The largest number of connections of a worker. Further ones wait at the socket."""
OTHER_FILES = 512
"""The open files of a worker that are not connections of clients."""
SILENCE = 120.0
"""Seconds after which a connection is closed on which no data moves in either direction: its client does not read."""
_FULL = 0.75
"""The share of places above which silent connections are closed, whatever their address."""
_SILENT = 5.0
"""Seconds of silence after which a connection is closed when places run out: commands are answered sooner."""
_NEVER_SPOKE = 1.0
"""The same for a connection on which nothing has been received."""
_PAUSE = 0.5
_SHARE = 50
"""A look at all connections is followed by a pause at least this many times as long."""
_SLICE = 100
"""Connections that are looked at before other tasks of the loop get a turn."""
_LOG_EVERY = 60.0
"""Seconds between two lines in the log."""
_FILES = "/proc/self/fd"
_INFO = 136
"""Bytes of the kernel's tcp_info that are read: `last_data_sent` at 44, `last_data_recv` at 52, in milliseconds;
`bytes_received` at 128."""
_V4_MAPPED = "::ffff:"
_log = logging.getLogger("credit_ledger.connections")


class Connection(NamedTuple):
    """One connection of a client."""

    file: int
    """The number of its open file."""
    peer: tuple[str, int]
    silent: float
    """Seconds since data moved in either direction."""
    spoke: bool
    """Whether anything has been received."""

    @property
    def address(self) -> str:
        """What its client is counted by: an IPv4 address, or an IPv6 network of 64 bits, which one client has."""
        host = self.peer[0].removeprefix(_V4_MAPPED)
        return host if ":" not in host else socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8].hex()


def places() -> int:
    """The connections that a worker can hold. Raises the limit on open files of this process as far as is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(min(MAX_CONNECTIONS, soft - OTHER_FILES), OTHER_FILES)


def to_close(found: Sequence[Connection], per_address: int, total: int) -> set[Connection]:
    """The connections to close: `per_address` limits each address (0: no limit), `total` is the number of places."""
    closed = {one for one in found if one.silent > SILENCE}
    by_address: defaultdict[str, list[Connection]] = defaultdict(list)
    for one in found:
        if one not in closed:
            by_address[one.address].append(one)
    if per_address:
        for ours in by_address.values():
            closed.update(_longest_silent(ours, len(ours) - per_address))
    left = [one for one in found if one not in closed]
    silent = [one for one in left if one.silent > (_SILENT if one.spoke else _NEVER_SPOKE)]
    return closed.union(_longest_silent(silent, len(left) - int(total * _FULL)))


def _longest_silent(found: list[Connection], count: int) -> list[Connection]:
    return sorted(found, key=lambda one: (one.spoke, -one.silent))[:count] if count > 0 else []


class ConnectionWatch:
    """Keeps the connections of a port within their limits."""

    def __init__(self, port: int, per_address: int) -> None:
        self._port = port
        self._per_address = per_address
        self._closed: list[Connection] = []
        """Those that were closed since the last line in the log."""
        self._logged_at = -_LOG_EVERY

    async def run(self) -> None:
        """Look at the connections until cancelled."""
        if not _can_look():
            return
        loop, total = asyncio.get_running_loop(), places()
        while True:
            spent = 0.0
            found: list[Connection] = []
            files = [int(name) for name in os.listdir(_FILES)]  # noqa: PTH208  # a Path for each file would be slow
            for start in range(0, len(files), _SLICE):
                began = loop.time()
                found += _connections(files[start : start + _SLICE], self._port)
                spent += loop.time() - began
                await asyncio.sleep(0)
            await self._close(to_close(found, self._per_address, total))
            await asyncio.sleep(max(_PAUSE, spent * _SHARE))

    async def _close(self, connections: set[Connection]) -> None:
        for number, one in enumerate(connections):
            _close(one)
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        self._closed += connections
        now = asyncio.get_running_loop().time()
        if self._closed and now - self._logged_at >= _LOG_EVERY:
            addresses = len({one.address for one in self._closed})
            _log.warning("closed %d connections of %d addresses: too many, or silent", len(self._closed), addresses)
            self._closed.clear()
            self._logged_at = now


def _can_look() -> bool:
    return hasattr(socket, "TCP_INFO") and Path(_FILES).is_dir()


def _connections(files: Iterable[int], port: int) -> Iterator[Connection]:
    for file in files:
        found = _connection(file, port)
        if found is not None:
            yield found


def _connection(file: int, port: int) -> Connection | None:
    """The connection of an open file; None if the file is anything else, or has been closed meanwhile."""
    try:
        # Large enough for the addresses of both families; and a file that is no socket raises an error below.
        looked_at = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, file)
    except OSError:
        return None
    try:
        ours = looked_at.getsockname()
        if not isinstance(ours, tuple) or ours[1] != port:
            return None
        host, peer_port = looked_at.getpeername()[:2]
        info = looked_at.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)
    except OSError:
        return None
    finally:
        looked_at.detach()  # the file is the server's
    sent, received = struct.unpack_from("=I4xI", info, 44)
    spoke = len(info) < _INFO or struct.unpack_from("=Q", info, 128)[0] > 0
    return Connection(file, (host, peer_port), min(sent, received) / 1_000, spoke)


def _close(connection: Connection) -> None:
    """End a connection, unless its file has become another one since. The server then closes the file itself."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, os.dup(connection.file)) as same:
            if same.getpeername()[:2] == connection.peer:
                same.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already
