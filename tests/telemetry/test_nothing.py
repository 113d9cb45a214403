"""Without the variables of OpenTelemetry nothing of it is imported, and a process is made of its plain parts."""

import subprocess
import sys

import pytest

from api.runtime.telemetry.telemetry import OFF, telemetry_here, wanted_signals, why_not
from ledger.service import Ledger

HERE = "OTEL_EXPORTER_OTLP_ENDPOINT"
STARTED = """
import os, sys
from api.app import create_app, telemetry_here
from api.runtime.processes import projector, server
from api.runtime.settings import load_settings

for told in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}):
    os.environ.update(told)
    settings = load_settings()
    create_app(settings, "host=127.0.0.1", telemetry=telemetry_here(accounts=True))
heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf", "urllib3")
ours = ("api.runtime.telemetry.",)
print(*sorted(name for name in sys.modules if name.startswith((*heavy, *ours))))
"""


def test_nothing_is_imported() -> None:
    """The framework imports the interface of OpenTelemetry, which does nothing alone; we, and what sends, are not."""
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "api.runtime.telemetry.telemetry\n"), done.stderr


def test_a_process_that_sends_nothing_has_its_plain_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HERE, raising=False)

    async def application(*_: object) -> None:
        raise AssertionError

    assert telemetry_here(accounts=False) is OFF
    assert OFF.of(Ledger) is Ledger
    assert OFF.around(application, []) is application


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({}, ()),
        ({HERE: ""}, ()),
        ({HERE: "http://c:4318"}, ("TRACES", "METRICS")),
        ({HERE: "http://c:4318", "OTEL_SDK_DISABLED": " TRUE"}, ()),
        ({HERE: "http://c:4318", "OTEL_SDK_DISABLED": "1"}, ("TRACES", "METRICS")),
        ({HERE: "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, ("TRACES",)),
        ({HERE: "http://c:4318", "OTEL_TRACES_EXPORTER": "None"}, ("METRICS",)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, ("METRICS",)),
        ({"OTEL_SERVICE_NAME": "ledger"}, ()),
    ],
)
def test_the_standard_variables_say_what_is_sent(told: dict[str, str], wanted: tuple[str, ...]) -> None:
    assert wanted_signals(told) == wanted
    assert why_not(told) is None


def test_what_cannot_be_sent_is_said_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An environment may have these variables for all of its programs: the service starts all the same."""
    assert why_not({HERE: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) == (
        "no telemetry is sent: the protocol of OTLP is grpc, and this program speaks http/protobuf alone"
    )
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000000")
    monkeypatch.setenv(HERE, "http://c:4318")
    assert telemetry_here(accounts=False) is OFF
    assert [one.getMessage() for one in caplog.records if one.name == "credit_ledger.telemetry"] == [
        "no telemetry is sent: max_export_batch_size must be less than or equal to max_queue_size."
    ]
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    assert why_not({HERE: "http://c:4318"}) == (
        "no telemetry is sent: it needs packages that are not installed: install credit-ledger[otel]"
    )
    assert telemetry_here(accounts=False) is OFF
