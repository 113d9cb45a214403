"""Equal tracebacks in the log: the first one in a minute is written, the others become one line each.

Whoever finds a request that fails could otherwise fill the disk with it.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType

INTERVAL = 60.0
"""Seconds until an equal traceback is written again."""
MAX_LENGTH = 8_000
"""Characters of a traceback. Its end, which has the error, is kept."""
_REMEMBERED = 100
"""Different tracebacks that are remembered."""

_Place = tuple[str, int]
_Key = tuple[type[BaseException], tuple[_Place, ...]]


class TracebackLimit(logging.Filter):
    """Shortens records whose traceback was written a short time ago, and tracebacks that are too long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._written: OrderedDict[_Key, float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is always written."""
        if not record.exc_info or record.exc_info[0] is None:
            return True
        kind, _, traceback = record.exc_info
        if self._is_new((kind, tuple(_places(traceback)))):
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text = text if len(text) <= MAX_LENGTH else f"...{text[-MAX_LENGTH:]}"
        else:
            record.msg = f"{record.getMessage()}: {kind.__name__}, with the same traceback as before"
            record.args = None
            record.exc_text = None
        record.exc_info = None
        return True

    def _is_new(self, key: _Key) -> bool:
        now = self._clock()
        at = self._written.get(key)
        if at is not None and now - at < INTERVAL:
            return False
        self._written[key] = now
        self._written.move_to_end(key)
        if len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)
        return True


def _places(traceback: TracebackType | None) -> list[_Place]:
    """Where the error was raised and passed on: files and lines."""
    found = []
    while traceback is not None:
        found.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def limit_tracebacks() -> None:
    """Limit the tracebacks of this process's log, and of the server's."""
    limit = TracebackLimit()
    for name in (None, "_granian"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(limit)
