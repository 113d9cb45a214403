"""The log as JSON: each line an object, whatever the message is, from every process and from the server beneath."""

import json
import logging
from logging import LogRecord
from pathlib import Path

import pytest

from api.http.requests.replies import as_problem
from api.runtime.processes.logs import LOG_FORMAT, JsonLines, TextLines, for_the_server
from api.runtime.processes.traceback_limit import TracebackLimit
from tests.service import running_service


def test_a_record_is_one_line_with_what_is_known_of_it(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError('a\n"b" ü \x00')
    except ValueError as error:
        problem = as_problem(error, "abc-1")
    assert problem.code == "internal_error"
    [record] = caplog.records
    TracebackLimit().filter(record)
    line = JsonLines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["logger"], found["request_id"]) == ("error", "credit_ledger.api", "abc-1")
    assert found["message"] == "request abc-1 failed"
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith('ValueError: a\n"b" ü \x00')
    assert found["time"].endswith("+00:00")


def test_a_record_without_more_has_only_its_message() -> None:
    record = LogRecord("x", logging.INFO, "f", 1, "%d of %s", (1, "\ud800"), None)
    found = json.loads(JsonLines().format(record))
    assert set(found) == {"time", "level", "logger", "process", "message"}
    assert found["message"].startswith("1 of ")
    assert for_the_server("text") == {}


def test_what_a_stranger_sends_begins_no_line_of_the_log() -> None:
    forged = "no\r\n2030-01-01 00:00:00 ERROR credit_ledger: forged\u2028\x1b[2J ü"
    record = LogRecord("x", logging.WARNING, "f", 1, "the provider says %s", (forged,), None)
    line = TextLines(LOG_FORMAT).format(record)
    assert len(line.splitlines()) == 1
    assert line.endswith(r"the provider says no\r\n2030-01-01 00:00:00 ERROR credit_ledger: forged\u2028\x1b[2J ü")


def test_every_line_of_a_service_is_an_object(database: str, tmp_path: Path) -> None:
    settings = {"CREDIT_LEDGER_LOG_FORMAT": "json", "CREDIT_LEDGER_PROT": "1"}
    with running_service(database, tmp_path, settings=settings) as service:
        pass
    lines = [line for line in service.log.read_text().splitlines() if not line.startswith("Credit ledger: ")]
    found = [json.loads(line) for line in lines]
    assert {"_granian", "credit_ledger"} <= {one["logger"] for one in found}
    assert "CREDIT_LEDGER_PROT is not a setting of this program" in [one["message"] for one in found]
