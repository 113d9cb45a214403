"""Restarts: which parts of the service ended and were started again within the last minute.

A part that ends again and again does no work, although something runs whenever one looks. Workers and the parent tell
each other in a folder that lasts as long as the service; a process alone remembers for itself.
"""

import os
import time
from contextlib import suppress
from fcntl import LOCK_EX, flock
from pathlib import Path

from api.contract.readiness import AGAIN_AND_AGAIN
from ledger.proof.files import open_lock

FOLDER = "CREDIT_LEDGER_RESTARTS"
"""The variable that tells workers the folder. It is not a setting."""
WITHIN = 60.0
"""Seconds."""


class Restarts:
    """The newest restarts of each part, by its name."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._here: dict[str, list[float]] = {}

    def note(self, part: str) -> None:
        """A part ended and is started again. A lost note is no fault: OSError is ignored."""
        now = time.monotonic()
        if self._folder is None:
            self._here[part] = [*self._here.get(part, []), now][-AGAIN_AND_AGAIN:]
            return
        with suppress(OSError), open_lock(self._folder / part) as file:
            flock(file, LOCK_EX)
            newest = [*_times(file.read()), now][-AGAIN_AND_AGAIN:]
            # One write of the same length each time, so that a reader needs no lock.
            os.pwrite(file.fileno(), "".join(f"{moment:020.3f}\n" for moment in newest).encode(), 0)

    def note_start(self, part: str, first: int) -> None:
        """A process of a part starts. All but the `first` ones replace one that ended."""
        if self._folder is None:
            return
        with suppress(OSError), open_lock(self._folder / f"{part}.starts") as file:
            flock(file, LOCK_EX)
            started = file.seek(0, os.SEEK_END)
            if started >= first:
                self.note(part)
            else:
                file.write(b".")

    def recent(self) -> dict[str, int]:
        """How often each part was started again within the last minute; parts that were not are left out.

        It counts to AGAIN_AND_AGAIN.
        """
        after = time.monotonic() - WITHIN
        counts = {part: sum(moment > after for moment in times) for part, times in self._all().items()}
        return {part: count for part, count in sorted(counts.items()) if count}

    def _all(self) -> dict[str, list[float]]:
        if self._folder is None:
            return self._here
        found = {}
        with suppress(OSError):
            found = {path.name: _times(path.read_bytes()) for path in self._folder.iterdir() if not path.suffix}
        return found


def _times(text: bytes) -> list[float]:
    return [float(line) for line in text.split()]
