"""Rate limits: how many commands an API key may send in a second, or in a minute, over all workers of a service.

A key has a bucket that holds as many commands. What is stored of it is one number: the moment at which it is full
again, on the clock of the machine. A request is admitted when the bucket is not empty, and takes as many commands out
of it as it brings, so that a batch larger than the bucket is paid for by waiting afterwards.

Workers share the buckets in a file that all of them map into memory. A bucket is changed under a lock of the file that
is tried and never waited for: a worker that was stopped in the middle must not stop the others. See
docs/adr/0044-rate-limits-over-all-workers.md.
"""

import fcntl
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from math import ceil
from pathlib import Path
from struct import Struct
from typing import NamedTuple

_BUCKETS = 131_072
"""Keys that have a bucket of their own; further ones share those of others."""
_BUCKET = Struct("=Qd")  # the tag of the key, and when the bucket is full again, in seconds
_TRIES = 50
_NOBODY = 0


class Allowance(NamedTuple):
    """What a key may do: `limit` commands in a window, `remaining` now, all of them again after `reset` seconds.

    `wait` is the number of seconds after which it may send a command again; 0 if it may now. The last command was
    `admitted` or not.
    """

    limit: int
    remaining: int
    reset: float
    wait: float
    admitted: bool


class RateLimits:
    """The buckets of all keys, of this process alone or of all that share a file."""

    def __init__(
        self, limit: int, shared: Path | None = None, clock: Callable[[], float] = time.monotonic, window: float = 1.0
    ) -> None:
        """`limit` commands in `window` seconds. Those that share a file call their buckets by different names."""
        self._limit = limit
        self._window = window
        self._clock = clock
        self._file = None if shared is None else os.open(shared, os.O_RDWR | os.O_CLOEXEC)
        size = _BUCKETS * _BUCKET.size
        self._memory: bytearray | mmap.mmap = bytearray(size) if self._file is None else mmap.mmap(self._file, size)
        self._places: dict[str, int] = {}

    def take(self, name: str, commands: int = 1, *, more: bool = False, limit: int | None = None) -> Allowance:
        """Take commands from the bucket of a key, unless it is empty. `more` says that the request was admitted with
        its first command: then the bucket may be empty, but must not owe anything. `limit` is that of this key."""
        limit = limit or self._limit
        rate = limit / self._window
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = self._find(name)
        needed = 0.0 if more else 1.0
        with self._locked(place):
            now = self._clock()
            tag, full_at = _BUCKET.unpack_from(self._memory, place)
            taken = max(full_at - now, 0.0) * rate
            admitted = taken + needed <= limit + 1e-6
            if admitted:
                taken += commands
                _BUCKET.pack_into(self._memory, place, tag, now + taken / rate)
        left = limit - taken
        wait = max(1 - left, 0.0) / rate
        return Allowance(limit, max(int(left + 1e-6), 0), taken / rate, wait, admitted)

    def give_back(self, name: str) -> None:
        """Put one command back into the bucket of a key: it was none of those that are limited."""
        self.take(name, -1, more=True)

    def _find(self, name: str) -> int:
        """The place of the bucket of a key. Its first command anywhere makes it."""
        tag = int.from_bytes(sha256(name.encode()).digest()[:8]) or 1
        first = tag % _BUCKETS
        for bucket in (*range(first, _BUCKETS), *range(first)):
            place = bucket * _BUCKET.size
            with self._locked(place):
                found, _ = _BUCKET.unpack_from(self._memory, place)
                if found == _NOBODY:
                    _BUCKET.pack_into(self._memory, place, tag, 0.0)
            if found in (_NOBODY, tag):
                return int(place)
        return first * _BUCKET.size

    @contextmanager
    def _locked(self, place: int) -> Iterator[None]:
        """No other process changes a bucket meanwhile, unless one that has the lock does not go on."""
        if self._file is None:
            yield
            return
        locked = _try_to_lock(self._file, place)
        try:
            yield
        finally:
            if locked:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _BUCKET.size, place)

    def close(self) -> None:
        """Let go of the shared file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _try_to_lock(file: int, place: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _BUCKET.size, place)
        except OSError:
            os.sched_yield()  # whoever has the lock may wait for a processor
            continue
        return True
    return False


def make_shared(path: Path) -> None:
    """Make the file that workers share, with empty places. Only this user can read it."""
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.ftruncate(file, _BUCKETS * _BUCKET.size)
    finally:
        os.close(file)


def seconds(duration: float) -> int:
    """A duration in whole seconds, rounded up."""
    return ceil(duration - 1e-6)
