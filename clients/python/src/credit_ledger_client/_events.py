"""The lines of server-sent events, as they become notices."""

import json
from typing import Any


class Lines:
    """Reads one connection of a stream."""

    def __init__(self) -> None:
        self.position: int | None = None
        """The position after which a stream resumes; None before the first event."""
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def read(self, line: str) -> Any:
        """Read a line. The event that it completes, or None."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._id = value
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "" if not line:
                return self._complete()
        return None

    def _complete(self) -> Any:
        event, data, self._event, self._data = self._event, self._data, "", []
        if not data:
            return None
        if self._id.isdecimal():
            self.position = int(self._id)
        return None if event == "start" else json.loads("\n".join(data))
