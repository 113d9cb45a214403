"""Frames: how messages go over a Unix socket between two workers, many with one write.

What is sent within one turn of the event loop is written at its end: in frames of a length in four bytes and a JSON
array. What arrives is taken in slices, and nothing more is read while much of it waits.
"""

import asyncio
import logging
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson

from ledger.forwarding.messages import Message
from ledger.slices import Slices

LARGEST = 64 * 1024
"""The size of a frame, in bytes, after which another one begins. A single message may be larger."""
_HEAD = 4
_CREDENTIALS = struct.Struct("3i")
_log = logging.getLogger("credit_ledger.forwarding")


class FrameProtocol(asyncio.Protocol, ABC):
    """One side of a connection between two workers of the same user. A subclass says what it does with a message."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        """Set when nothing can be sent any more."""
        self.heard = 0
        """How often something has arrived."""
        self._transport: asyncio.Transport | None = None
        self._to_send: list[bytes] = []
        self._buffer = bytearray()
        self._arrived: deque[Message] = deque()
        self._taking = False
        """Whether the next slice is scheduled. Nothing is read meanwhile."""
        self._stopped = False

    @abstractmethod
    def received(self, message: Message) -> None:
        """Act on one message."""

    def send(self, message: bytes) -> None:
        """Send a message at the end of this turn of the event loop. It is dropped when the connection is lost."""
        if not self._to_send:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_send.append(message)

    def close(self) -> None:
        """Send what is to be sent, and close. Nothing that arrives is acted on any more."""
        self.stop_reading()
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once. Nothing that has arrived is acted on any more."""
        self.stop_reading()
        self.closed.set()
        if self._transport is not None:
            self._transport.abort()

    def stop_reading(self) -> None:
        """Act on nothing that arrives from now on, or has arrived."""
        self._stopped = True
        self._arrived.clear()

    # What asyncio calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the other side is another user."""
        self._transport = cast("asyncio.Transport", transport)
        if not is_own_process(transport.get_extra_info("socket")):
            _log.error("a process of another user has connected to a worker: it is not answered")
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing arrives any more, and nothing can be sent."""
        self.stop_reading()
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        """Take the frames that are complete."""
        self.heard += 1
        if self._stopped:
            return
        try:
            self._split(data)
        except ValueError:
            _log.exception("what a worker has sent cannot be read: the connection is closed")
            self.abort()
            return
        if not self._taking:
            self._take()

    def _split(self, data: bytes) -> None:
        buffer, start = self._buffer, 0
        buffer += data
        while len(buffer) - start >= _HEAD:
            end = start + _HEAD + int.from_bytes(buffer[start : start + _HEAD])
            if end > len(buffer):
                break
            self._arrived.extend(orjson.loads(memoryview(buffer)[start + _HEAD : end]))
            start = end
        del buffer[:start]

    def _take(self) -> None:
        work = Slices()
        while self._arrived:
            try:
                self.received(self._arrived.popleft())
            except Exception:  # a programming error: the other side asks again
                _log.exception("a message of another worker could not be acted on: the connection is closed")
                self.abort()
                return
            if work.over and self._arrived:
                self._taking = True
                self._pause(reading=False)
                asyncio.get_running_loop().call_soon(self._take_on)
                return

    def _take_on(self) -> None:
        self._taking = False
        self._take()
        if not self._taking:
            self._pause(reading=True)

    def _pause(self, *, reading: bool) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if reading:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _flush(self) -> None:
        messages, self._to_send = self._to_send, []
        if not messages or self._transport is None or self.closed.is_set():
            return
        frames: list[bytes] = []
        frame: list[bytes] = []
        size = 0
        for message in messages:
            frame.append(message)
            size += len(message) + 1
            if size >= LARGEST:
                frames += _frame(frame, size)
                frame, size = [], 0
        if frame:
            frames += _frame(frame, size)
        self._transport.write(b"".join(frames))


def _frame(messages: list[bytes], size: int) -> tuple[bytes, ...]:
    """A frame of messages that have `size` bytes with a comma after each."""
    return (size + 1).to_bytes(_HEAD), b"[", b",".join(messages), b"]"


def is_own_process(connection: Any) -> bool:
    """Whether the process at the other end of a Unix socket has the user of this one, as far as the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # only the folder protects it: nobody else can open it
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(found)
    return bool(user == os.geteuid())


async def connect(address: Path, protocol: FrameProtocol) -> None:
    """Connect a protocol to whoever listens at an address. Raises OSError."""
    await asyncio.get_running_loop().create_unix_connection(lambda: protocol, str(address))


async def listen(address: Path, make: Callable[[], FrameProtocol]) -> asyncio.AbstractServer:
    """Listen at an address, in place of whoever did before. Raises OSError, also when its folder is not private."""
    _make_private(address.parent)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mine = address.with_name(f"{address.name}.{os.getpid()}")
        mine.unlink(missing_ok=True)
        listening.bind(str(mine))
        listening.listen(128)
        mine.replace(address)
        return await asyncio.get_running_loop().create_unix_server(make, sock=listening)
    except BaseException:
        listening.close()
        raise


def _make_private(folder: Path) -> None:
    """Make a folder again if something has removed it, such as a cleaner of temporary files."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not private to the user of the service")
