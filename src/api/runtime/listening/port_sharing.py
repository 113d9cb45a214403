"""Which of two services gets the new connections of a port that both listen on.

The kernel spreads the connections over all sockets of a port. Those that wait in the queue of a socket when it is
closed are reset, and their clients get no answer. So a service that is about to stop has the kernel give all new
connections to the other one: a program of one instruction, attached to the sockets of the port, names the socket by its
place. The places are known if there are two sockets: the older one has the first.
"""

import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

_ATTACH = 51
"""SO_ATTACH_REUSEPORT_CBPF of Linux, which Python does not name."""
_RETURN = 0x06
"""The instruction `return this number` of the kernel's packet filter."""
_LISTENING = "0A"


def leave_new_connections(port: int) -> None:
    """Let the kernel give all new connections to the other socket of a port that this process listens on.

    Where there is none or more than one, and where the kernel cannot do it, nothing changes.
    """
    own = _own_socket(port) if sys.platform == "linux" else None
    if own is None:
        return
    with own:
        number = os.fstat(own.fileno()).st_ino
        numbers = _beside(number)
        if len(numbers) == 2:
            _give_to(own, place=1 if number == min(numbers) else 0)


def _give_to(own: socket.socket, place: int) -> None:
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, place))
    with suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", 1, ctypes.addressof(instruction)))


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


def _beside(number: int) -> list[int]:
    """The numbers of all sockets that listen on the address of one of them. A later socket has a higher number."""
    listening = [
        (fields[1], int(fields[9]))
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == _LISTENING
    ]
    [address] = [address for address, one in listening if one == number]
    return [one for where, one in listening if where == address]
