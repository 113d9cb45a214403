"""The spool: files of deliveries that arrived while the database was away.

Lemon Squeezy gives up after 155 seconds, so 503 alone would lose its deliveries. Each is sealed into a file of its own,
written under another name and made durable before it gets its name. It is answered with 503 all the same: the provider
sends it again as long as it likes, and what arrives twice is one webhook. Every process drains the folder of its own
machine; two that drain the same one do no harm.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock

import orjson

from billing.inbox.sealing import Seal
from billing.inbox.webhook import Arrival
from billing.providers.provider import Delivery

MOST_FILES = 10_000
MOST_BYTES = 256 * 1024 * 1024
_UNFINISHED = ".part"
_UNREADABLE = ".unreadable"
_log = logging.getLogger("credit_ledger.webhooks")


class SpoolFull(Exception):
    """The spool has no room, by its own limits or because the disk has none. The delivery is not kept."""


class Spool:
    """The spool in a folder. Its methods wait for the disk: call them in a thread."""

    def __init__(
        self, folder: Path, seal: Callable[[], Seal], *, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder = folder
        self._seal = seal
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._writing = Lock()

    def keep(self, arrival: Arrival) -> None:
        """Keep a delivery; it is durable when this returns. Raises SpoolFull."""
        name = arrival.digest
        with self._writing:
            try:
                self._make_folder()
                if (self._folder / name).exists():
                    return
                content = self._seal().close(name, _packed(arrival))
                self._check_room(len(content))
                self._write(name, content)
            except OSError as error:
                raise SpoolFull(f"the spool cannot keep a delivery: {error}") from error

    def _make_folder(self) -> None:
        """Make the folder, and its own name durable too."""
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_names_durable(self._folder.parent)

    def _check_room(self, more: int) -> None:
        sizes = list(_sizes(self._folder))
        if len(sizes) >= self._most_files or sum(sizes) + more > self._most_bytes:
            raise SpoolFull(f"the spool has {len(sizes)} deliveries of {sum(sizes)} bytes, which is its limit")

    def _write(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f"{name}.{os.getpid()}{_UNFINISHED}"
        try:
            file = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                _write_all(file, content)
                os.fsync(file)
            finally:
                os.close(file)
            unfinished.rename(self._folder / name)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise
        _make_names_durable(self._folder)

    def names(self) -> list[str]:
        """The names of the deliveries that are kept."""
        with suppress(FileNotFoundError):
            return sorted(entry.name for entry in os.scandir(self._folder) if "." not in entry.name)
        return []

    def read(self, name: str) -> Arrival | None:
        """A delivery; None when another process has drained it, or when it was not sealed by this ledger."""
        path = self._folder / name
        try:
            content = self._seal().open(name, path.read_bytes())
        except FileNotFoundError:
            return None
        if content is None:
            _log.error("%s was not written by this ledger, or is damaged: it is set aside", path)
            with suppress(OSError):
                path.rename(path.with_name(name + _UNREADABLE))
            return None
        return _unpacked(content)

    def drop(self, name: str) -> None:
        """Forget a delivery that is in the inbox."""
        (self._folder / name).unlink(missing_ok=True)


def _make_names_durable(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _write_all(file: int, content: bytes) -> None:
    """A disk that is nearly full takes a part of what it is given."""
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _packed(arrival: Arrival) -> bytes:
    delivery = arrival.delivery
    said = {
        "provider": delivery.provider,
        "delivery_id": delivery.delivery_id,
        "type": delivery.type,
        "live": delivery.live,
        "received_at": arrival.received_at,
        "headers": arrival.headers,
    }
    return orjson.dumps(said) + b"\n" + delivery.body


def _unpacked(content: bytes) -> Arrival:
    first, _, body = content.partition(b"\n")
    said = orjson.loads(first)
    delivery = Delivery(said["provider"], said["delivery_id"], said["type"], body, None, said["live"])
    return Arrival(delivery, said["headers"], datetime.fromisoformat(said["received_at"]))


def _sizes(folder: Path) -> Iterator[int]:
    """The sizes of all files; another process may drain them meanwhile."""
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            yield entry.stat().st_size
