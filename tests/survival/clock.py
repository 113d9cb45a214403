"""The clock of a machine, set for some processes: libfaketime answers for the machine's clock, and for nothing else.

The counters that nobody can set stay as they are, as on a machine whose clock somebody sets.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.survival.faults.fault import Missing

LIBRARIES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime", "/usr/lib64/faketime")


class FakeClock:
    """A clock that processes started with `environment` go by."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)
        file.chmod(0o644)

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a process go by it."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead: float) -> None:
        """Set it so many seconds ahead of the true time, at once. Written beside and renamed: nobody reads half."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+.0f}\n")
        new.chmod(0o644)
        new.rename(self._file)

    @contextmanager
    def of_children(self) -> Iterator[None]:
        """What this process starts until the block ends goes by it."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name in self.environment:
                os.environ.pop(name)
            os.environ.update(before)


def _library() -> Path:
    """Raises Missing."""
    for pattern in LIBRARIES:
        for found in sorted(Path("/").glob(f"{pattern[1:]}/libfaketime.so.1")):
            return found
    raise Missing("libfaketime is not installed (Debian: apt-get install libfaketime)")
