"""Which of two services gets the new connections of a port that both listen on.

Each worker of a service has a socket of its own, and the kernel spreads the connections over all sockets of a port.
Those that wait in the queue of a socket when it is closed are reset, and their clients get no answer. So a service that
is about to stop has the kernel give all new connections to the other one: a program of four instructions, attached to
the sockets of the port, chooses among the places of the other's sockets.

The kernel keeps the sockets in a row: a new one goes to its end, and when one is closed, the last one takes its place.
So the sockets of the older service come first. When they are closed, one after the other, those of the newer service
move, all but the first of them: before that, new connections go to this one alone.
"""

import asyncio
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from api.runtime.settings import Settings

BEFORE_THE_END = 0.5
"""Seconds before the sockets are closed at which new connections go to a place that stays."""
_ATTACH = 51
"""SO_ATTACH_REUSEPORT_CBPF of Linux, which Python does not name."""
_LOAD, _MODULO, _ADD, _RETURN = 0x20, 0x94, 0x04, 0x16
"""Instructions of the kernel's packet filter: load a number, divide it and keep the rest, add to it, return it."""
_RANDOM = 0xFFFF_F000 + 56
"""The address of a random number."""
_LISTENING = "0A"


class Row(NamedTuple):
    """The sockets of a port, the oldest first."""

    own: Sequence[int]
    """The places of those that this service has."""
    length: int

    @property
    def places_of_others(self) -> range:
        """The places of all others, if they are all older or all newer; else nobody knows in which order they are."""
        count = len(self.own)
        if list(self.own) == list(range(count)):
            return range(count, self.length)
        if list(self.own) == list(range(self.length - count, self.length)):
            return range(self.length - count)
        return range(0)

    @property
    def places_that_stay(self) -> range:
        """Those of the others that have the same places while the sockets of this service are closed."""
        found = self.places_of_others
        return found[:1] if found.start else found


def leave_new_connections(settings: Settings) -> None:
    """Let the kernel give all new connections to the other services on the port that this process listens on.

    It is called in the event loop of each worker when the service begins to drain. Where there is no other service,
    where a worker was started again, and where the kernel cannot do it, nothing changes.
    """
    _give_away(settings, lambda row: row.places_of_others)
    later = max(settings.drain_seconds - BEFORE_THE_END, 0.0)
    asyncio.get_running_loop().call_later(later, _give_away, settings, lambda row: row.places_that_stay)


def _give_away(settings: Settings, choose: Callable[[Row], range]) -> None:
    own = _own_socket(settings.port) if sys.platform == "linux" else None
    if own is None:
        return
    with own:
        row = _row_of(own)
        places = choose(row)
        if places and len(row.own) == settings.workers:
            give_to(own, places)


def give_to(own: socket.socket, places: range) -> None:
    """Let the kernel choose one of some places by chance for each new connection of the port of a socket."""
    steps = (_LOAD, _RANDOM), (_MODULO, len(places)), (_ADD, places.start), (_RETURN, 0)
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", code, 0, 0, number) for code, number in steps))
    with suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", len(steps), ctypes.addressof(program)))


def _own_socket(port: int) -> socket.socket | None:
    """The socket with which this process listens on a port, once more: the server does not hand it out."""
    for file in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # it is no socket, or closed by now
            found = socket.socket(fileno=os.dup(int(file.name)))
            if _listens_on(found, port):
                return found
            found.close()
    return None


def _listens_on(found: socket.socket, port: int) -> bool:
    try:
        return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) and found.getsockname()[1] == port
    except (OSError, IndexError):
        return False


def _row_of(own: socket.socket) -> Row:
    """The row of all sockets that listen on the address of one of them. A later socket has a higher number."""
    number = os.fstat(own.fileno()).st_ino
    listening = [
        (fields[1], int(fields[9]))
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == _LISTENING
    ]
    [address] = [address for address, one in listening if one == number]
    numbers = sorted(one for where, one in listening if where == address)
    ours = _files_of_workers()
    return Row([place for place, one in enumerate(numbers) if f"socket:[{one}]" in ours], len(numbers))


def _files_of_workers() -> set[str]:
    """What the workers of this service have open, as the kernel names it: all are children of one process."""
    found = set()
    with suppress(OSError):  # this kernel does not tell the children, or one has ended meanwhile
        for children in Path(f"/proc/{os.getppid()}/task").glob("*/children"):
            for process in children.read_text().split():
                found |= set(_files_of(process))
    return found


def _files_of(process: str) -> Iterator[str]:
    for file in list(Path(f"/proc/{process}/fd").iterdir()):
        with suppress(OSError):  # it is closed by now
            yield str(file.readlink())
