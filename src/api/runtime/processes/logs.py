"""The log of a process: lines of text for people, or a JSON object on each line for programs that gather logs."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from api.runtime.serving_settings import LogFormat

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line, or moves the cursor of a terminal."""
_AGAIN = 60.0
"""Seconds after which the same text is logged again."""
_KNOWN = 1_000
"""Texts that are remembered."""
_TOLD = ("request_id", "trace_id", "span_id")
"""What a record may have beside its message."""


class JsonLines(logging.Formatter):
    """A record as one JSON object: its time, level, logger, process and message, its ids, and its exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        found: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        found |= {name: getattr(record, name) for name in _TOLD if hasattr(record, name)}
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            found["exception"] = record.exc_text
        return json.dumps(found, default=str)  # any text will do, also one that is no UTF-8


class TextLines(logging.Formatter):
    """A record as a line of text. What a stranger sent, and a message quotes, cannot begin another line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that the library calls
        """The line of a record, before what is told of its exception."""
        record.message = _CONTROL.sub(_escaped, record.message)
        return super().formatMessage(record)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class OnceAMinute(logging.Filter):
    """Leaves out what was said in the last minute: a service that waits for its database says so all the time.

    The next line of the same text has how many were left out. Errors are never left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged."""
        if record.levelno >= logging.ERROR or record.exc_info:
            return True
        text = record.getMessage()
        at, left_out = self._said.get((record.name, text), (float("-inf"), 0))
        if record.created - at < _AGAIN:
            self._said[record.name, text] = at, left_out + 1
            return False
        if len(self._said) >= _KNOWN:
            self._said.clear()
        self._said[record.name, text] = record.created, 0
        if left_out:
            record.msg, record.args = f"{text} ({left_out} more times since then)", None
        return True


def start_logging(level: str, form: LogFormat) -> None:
    """Let this process log on stderr what is at least as severe as a level, unless it logs already."""
    handler = logging.StreamHandler()
    handler.addFilter(OnceAMinute())
    handler.setFormatter(JsonLines() if form == "json" else TextLines(LOG_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def for_the_server(form: LogFormat) -> dict[str, Any]:
    """What the HTTP server's configuration of logging has other than by default."""
    if form == "text":
        return {}
    lines = {"()": "api.runtime.processes.logs.JsonLines"}
    return {"formatters": {"generic": lines, "access": lines}}
