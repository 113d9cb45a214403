"""The log says the same thing once a minute, and every error."""

import logging

import pytest

from api.runtime.processes.logs import OnceAMinute

WAITS = "the sweeper waits for the database: 100% gone"


class Log:
    """A log whose clock a test sets."""

    def __init__(self) -> None:
        self._filter = OnceAMinute()
        self.lines: list[str] = []

    def say(self, at: float, text: str, *values: object, level: int = logging.WARNING, name: str = "sweeper") -> None:
        """Log a text at a moment."""
        record = logging.LogRecord(name, level, __file__, 1, text, values, None)
        record.created = at
        if self._filter.filter(record):
            self.lines.append(record.getMessage())


@pytest.fixture
def log() -> Log:
    return Log()


def test_the_same_text_comes_once_a_minute_with_how_often_it_was_left_out(log: Log) -> None:
    for second in range(130):
        log.say(1_000.0 + second, "the %s waits for the database: %d%% gone", "sweeper", 100)
    assert log.lines == [WAITS, f"{WAITS} (59 more times since then)", f"{WAITS} (59 more times since then)"]


def test_other_texts_other_loggers_and_errors_are_not_left_out(log: Log) -> None:
    log.say(1.0, "gone")
    log.say(1.0, "gone", name="mailer")
    log.say(1.0, "back")
    for _ in range(2):
        log.say(1.0, "failed", level=logging.ERROR)
    assert log.lines == ["gone", "gone", "back", "failed", "failed"]
    for number in range(2_000):
        log.say(2.0, "number %d", number)
    assert len(log.lines) == 2_005
