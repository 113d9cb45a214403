"""Equal tracebacks are written once in a minute, and none without an end."""

import io
import logging
from datetime import UTC, datetime
from typing import NoReturn

import pytest

from api.runtime.processes.traceback_limit import INTERVAL, MAX_LENGTH, TracebackLimit
from tests.conftest import Clock

START = datetime(2026, 1, 1, tzinfo=UTC)


class Log:
    """A logger whose handler has the filter, and what it has written."""

    def __init__(self, clock: Clock) -> None:
        self.written = io.StringIO()
        self.logger = logging.Logger("a test")
        handler = logging.StreamHandler(self.written)

        def seconds() -> float:
            return (clock() - START).total_seconds()

        handler.addFilter(TracebackLimit(seconds))
        self.logger.addHandler(handler)

    def after(self, fails: "type[BaseException]", text: str = "why") -> str:
        """What is written of one more error, which is raised here."""
        begin = self.written.tell()
        try:
            raise fails(text)
        except fails:
            self.logger.exception("request %s failed", "1f")
        return self.written.getvalue()[begin:]


@pytest.fixture
def log(clock: Clock) -> Log:
    return Log(clock)


def test_the_second_of_two_equal_tracebacks_is_a_line(log: Log, clock: Clock) -> None:
    assert log.after(ValueError).startswith("request 1f failed\nTraceback")
    for n in range(3):
        assert log.after(ValueError, f"{n}") == "request 1f failed: ValueError, with the same traceback as before\n"
    assert "Traceback" in log.after(KeyError)
    clock.forward(seconds=INTERVAL)
    assert "Traceback" in log.after(ValueError)


def test_a_traceback_is_told_from_another_by_its_lines(log: Log) -> None:
    def fail() -> NoReturn:
        raise ValueError

    def fail_deeper() -> None:
        fail()

    for call in (fail, fail_deeper):
        begin = log.written.tell()
        try:
            call()
        except ValueError:
            log.logger.exception("failed")
        assert "Traceback" in log.written.getvalue()[begin:]


def test_the_end_of_a_long_traceback_is_kept(log: Log) -> None:
    told = log.after(ValueError, "x" * 10**6 + " the cause")
    assert told.endswith(" the cause\n")
    assert len(told) < MAX_LENGTH + 100


def test_other_records_pass_as_they_are(log: Log) -> None:
    log.logger.warning("as %s is", "it")
    assert log.written.getvalue() == "as it is\n"
